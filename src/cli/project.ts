// stylegan project

import { join } from "node:path";
import { type Command, Option } from "commander";
import { readPicture } from "../data/readPicture.js";
import { multiScaleDistance, perceptualDistance } from "../losses/pictureDistance.js";
import { writePng } from "../synthesis/encode.js";
import { writeLatents } from "../synthesis/latentFile.js";
import { ProjectionFilm } from "../synthesis/projectionFilm.js";
import { projectionDefaults } from "../synthesis/projectionSchedule.js";
import { type LatentSpace, latentSpaces, type Projection, project } from "../synthesis/projector.js";
import { Script } from "../torch/script.js";
import { longWork } from "./longWork.js";
import {
  addDeviceOptions,
  type ClassOption,
  classIndexOf,
  classOption,
  type NetworkOptions,
  networkOption,
  openGenerator,
} from "./networkOptions.js";
import { makeOutputFolder } from "./outputFolder.js";
import { integerFrom, maxSeed, oneOf } from "./values.js";

interface ProjectOptions extends NetworkOptions, ClassOption {
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
  addDeviceOptions(command).addHelpText("after", notes).action(projectCommand);
}

async function projectCommand(options: ProjectOptions): Promise<void> {
  const { outdir, space, seed, numSteps: steps } = options;
  const { G, info } = openGenerator(options);
  const classIndex = classIndexOf(options, G, info);
  const target = await readPicture(options.target, G.resolution);
  const perceptual =
    options.perceptual === undefined ? undefined : Script.load(options.perceptual, options.device);
  const distance = perceptual ? perceptualDistance(perceptual) : multiScaleDistance;
  const film = options.video ? new ProjectionFilm(target, steps) : undefined;
  const onStop = "Stopping after this step and writing what is there.";
  try {
    makeOutputFolder(outdir);
    const result = await longWork({ total: steps, unit: "steps", onStop }, async (work) => {
      const found = await project(G, {
        ...{ target, space, steps, seed, classIndex, distance },
        onStep: ({ step, distance: now }, projector) => {
          film?.add(projector);
          work.update(step, `distance ${now.toPrecision(3)}`);
        },
        shouldStop: () => work.isStopping,
      });
      await writePng(join(outdir, "target.png"), target);
      await writePng(join(outdir, "proj.png"), found.picture);
      writeLatents(join(outdir, "projected_w.npz"), found.ws);
      await film?.write(join(outdir, "proj.webp"));
      return found;
    });
    process.stdout.write(report(result, { ...options, distance: distance.name }));
    result.ws.dispose();
  } finally {
    perceptual?.dispose();
    G.dispose();
  }
}

function report(
  { steps, initialDistance, distance }: Projection,
  options: Pick<ProjectOptions, "outdir" | "network" | "numSteps" | "video"> & { distance: string },
): string {
  const { outdir, network, numSteps, video } = options;
  const files = ["target.png", "proj.png", "projected_w.npz", ...(video ? ["proj.webp"] : [])];
  const done = steps < numSteps ? `Stopped after ${steps} of ${numSteps} steps` : `${steps} steps`;
  return `${done}: ${options.distance} ${distance.toPrecision(3)} (mean picture: ${initialDistance.toPrecision(3)})
${files.join(", ")} in ${outdir}. What next:
  npm run stylegan -- generate --network ${network} --projected-w ${join(outdir, "projected_w.npz")} --outdir ${outdir}
`;
}
