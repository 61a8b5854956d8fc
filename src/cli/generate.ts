// stylegan generate

import { type Command, Option } from "commander";
import { type ImageFormat, imageFormats } from "../synthesis/choices.js";
import { UserError } from "../system/errors.js";
import { addDirectionOptions, type DirectionOptions } from "./directionOptions.js";
import {
  addDeviceOptions,
  type BatchOption,
  batchOption,
  type ClassOption,
  classOption,
  type NetworkOptions,
  type NoiseOption,
  networkOption,
  noiseModeOption,
  truncationPsi,
  truncCutoffOption,
} from "./networkOptions.js";
import { grid, oneOf, seeds, severalOf } from "./values.js";
import { whenRun } from "./whenRun.js";

export interface Options extends NetworkOptions, ClassOption, NoiseOption, BatchOption, DirectionOptions {
  seeds?: number[];
  projectedW?: string;
  trunc: number[];
  truncCutoff?: number;
  outdir: string;
  format: ImageFormat;
  grid?: { columns: number; rows: number };
}

const example = `
Examples:
  stylegan generate --network runs/00000-emoji-smileys-stylegan2-small-32 --seeds 0-15 --trunc 0.7 --outdir out --grid 4x4
  stylegan generate --network FILE --seeds 0-7 --trunc 0.3,0.5,0.7,1 --outdir sweep
  stylegan generate --network FILE --projected-w out/projected_w.npz --outdir out
  stylegan generate --network FILE --seeds 3 --directions directions.json --direction 0=2 --direction 4=-1.5 --outdir out

A seed stands for the same latent as in NVIDIA's tools. Several truncations give seed0000-trunc0.5.png and so on, and
grid.png with a row for each seed and a column for each truncation.
`;

export function addGenerate(program: Command): void {
  const command = program
    .command("generate")
    .summary("make pictures with a trained generator")
    .description("Writes one picture for each seed: seed0000.png, seed0001.png, …")
    .addOption(networkOption())
    .addOption(new Option("--seeds <list>", "for example 0-5,8").argParser(seeds))
    .option("--projected-w <file>", "pictures of latents instead of seeds: the npz of a projection")
    .addOption(
      new Option("--trunc <psi>", "truncation: 1 none, 0 the mean picture; several with commas")
        .argParser(severalOf(truncationPsi))
        .default([1], "1"),
    )
    .addOption(truncCutoffOption())
    .addOption(classOption())
    .addOption(noiseModeOption());
  addDirectionOptions(command, { sweep: false })
    .requiredOption("--outdir <folder>", "where the pictures go")
    .addOption(
      new Option(
        "--format <name>",
        `${imageFormats.join(", ")} (npy: the network's float32 values, [3, H, W])`,
      )
        .argParser(oneOf(imageFormats))
        .default("png"),
    )
    .addOption(new Option("--grid <CxR>", "also a grid with so many columns and rows").argParser(grid))
    .addOption(batchOption());
  addDeviceOptions(command)
    .addHelpText("after", example)
    .action(whenRun(() => import("./actions/generate.js"), checkSource));
}

/** Which options go together, before anything is loaded. */
function checkSource({
  seeds: list,
  projectedW,
  trunc,
  truncCutoff,
  class: named,
  grid: shape,
}: Options): void {
  if (list === undefined && projectedW === undefined)
    throw new UserError(
      "--seeds is missing: say which pictures, for example --seeds 0-15 (or give --projected-w)",
    );
  if (shape && trunc.length > 1)
    throw new UserError("--grid: several truncations have a grid of their own; leave it out");
  if (projectedW === undefined) return;
  const useless = [
    ["--seeds", list !== undefined],
    ["--trunc", trunc.length > 1 || trunc[0] !== 1],
    ["--trunc-cutoff", truncCutoff !== undefined],
    ["--class", named !== undefined],
  ] as const;
  for (const [flag, given] of useless)
    if (given)
      throw new UserError(`${flag} has no effect on the latents of --projected-w; leave one of them out`);
}
