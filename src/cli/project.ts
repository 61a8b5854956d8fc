// stylegan project

import { type Command, Option } from "commander";
import { maxSeed } from "../numpy/randomState.js";
import { type LatentSpace, latentSpaces } from "../synthesis/choices.js";
import { projectionDefaults } from "../synthesis/projectionSchedule.js";
import {
  addDeviceOptions,
  type ClassOption,
  classOption,
  type NetworkOptions,
  networkOption,
} from "./networkOptions.js";
import { integerFrom, oneOf } from "./values.js";
import { whenRun } from "./whenRun.js";

export interface ProjectOptions extends NetworkOptions, ClassOption {
  target: string;
  outdir: string;
  space: LatentSpace;
  numSteps: number;
  seed: number;
  perceptual?: string;
  video: boolean;
}

const description =
  "Searches the latent whose picture is most like the target. Writes target.png, proj.png, the latent as " +
  'projected_w.npz (for "generate --projected-w", NumPy and NVIDIA\'s tools) and proj.webp, a film of the search.';

const notes = `
Distance:
  Without --perceptual, pixels are compared at several scales: right for pictures that the network could have made. For
  photographs give a perceptual network, for example NVIDIA's vgg16.pt: it sees what a picture shows. A TorchScript file
  is a program: run only files you trust.

Space:
  w    one vector for all layers, as NVIDIA's projector: stays a latent like any other
  w+   a vector for each layer: comes closer, and is worse to edit

Examples:
  stylegan project --network runs/00000-emoji-smileys-stylegan2-small-32 --target face.png --outdir out
  stylegan project --network ffhq.safetensors --target me.jpg --perceptual vgg16.pt --outdir out

Ctrl-C ends the search and writes what it has found so far.
`;

export function addProject(program: Command): void {
  const { steps, seed } = projectionDefaults;
  const command = program
    .command("project")
    .summary("find the latent of a picture")
    .description(description)
    .addOption(networkOption())
    .requiredOption(
      "--target <file>",
      "the picture: JPEG, PNG, WebP, AVIF, GIF, TIFF or SVG; its centre square is taken",
    )
    .requiredOption("--outdir <folder>", "where the results go")
    .addOption(
      new Option("--space <name>", latentSpaces.join(" or ")).argParser(oneOf(latentSpaces)).default("w"),
    )
    .addOption(classOption())
    .addOption(
      new Option("--num-steps <n>", "steps of the search")
        .argParser(integerFrom(1, 1_000_000))
        .default(steps),
    )
    .addOption(
      new Option("--seed <n>", "start of the random numbers")
        .argParser(integerFrom(0, maxSeed))
        .default(seed),
    )
    .option("--perceptual <file>", "a perceptual network in TorchScript, called as NVIDIA's vgg16.pt")
    .option("--no-video", "no film");
  addDeviceOptions(command)
    .addHelpText("after", notes)
    .action(whenRun(() => import("./actions/project.js")));
}
