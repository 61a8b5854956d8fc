// stylegan generate

import { type Command, Option } from "commander";
import type { Generator } from "../networks/network.js";
import type { SnapshotInfo } from "../networks/snapshot.js";
import {
  type GenerateOptions,
  generateFiles,
  gridShapeOf,
  type ImageFormat,
  imageCount,
  imageFormats,
} from "../synthesis/generate.js";
import { readLatents } from "../synthesis/latentFile.js";
import { checkGrid } from "../synthesis/picture.js";
import { UserError } from "../system/errors.js";
import { addDirectionOptions, chosenDirections, type DirectionOptions } from "./directionOptions.js";
import { longWork } from "./longWork.js";
import {
  addDeviceOptions,
  type BatchOption,
  batchOption,
  type ClassOption,
  classIndexOf,
  classOption,
  type NetworkOptions,
  type NoiseOption,
  networkOption,
  noiseModeOption,
  openGenerator,
  truncationPsi,
  truncCutoffOption,
} from "./networkOptions.js";
import { makeOutputFolder } from "./outputFolder.js";
import { grid, oneOf, seeds, severalOf } from "./values.js";

interface Options extends NetworkOptions, ClassOption, NoiseOption, BatchOption, DirectionOptions {
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
  addDeviceOptions(command).addHelpText("after", example).action(generate);
}

async function generate(options: Options): Promise<void> {
  checkSource(options);
  const { outdir, format, noiseMode, batch } = options;
  const { G, info } = openGenerator(options);
  try {
    const source = await sourceOf(options, G, info);
    const steps = chosenDirections(options, G).map(({ direction, from }) => ({ direction, amount: from }));
    const request: GenerateOptions = { source, steps, noiseMode, batch, outdir, format, grid: options.grid };
    const shape = gridShapeOf(G, request);
    if (shape) checkGrid(shape);
    makeOutputFolder(outdir);
    await run(G, request);
    if ("ws" in source) source.ws.dispose();
  } finally {
    G.dispose();
  }
}

async function run(G: Generator, request: GenerateOptions): Promise<void> {
  const { source, outdir } = request;
  const total = imageCount(source);
  const { written, grid } = await longWork(
    { total, unit: "pictures", onStop: "Stopping after these pictures." },
    (work) =>
      generateFiles(G, {
        ...request,
        onProgress: (done) => work.update(done),
        shouldStop: () => work.isStopping,
      }),
  );
  const places = request.grid ? request.grid.columns * request.grid.rows : 0;
  if (grid && places > total)
    process.stderr.write(`The grid has ${places} places for ${total} pictures; the rest stays black.\n`);
  const what = `${written} ${written === 1 ? "picture" : "pictures"}`;
  process.stdout.write(
    written < total
      ? `Stopped: ${what} of ${total} in ${outdir}\n`
      : `${what} in ${outdir}${grid ? `, together in ${grid}` : ""}\n`,
  );
}

/** Which options go together, before anything is opened. */
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

async function sourceOf(
  options: Options,
  G: Generator,
  info: SnapshotInfo,
): Promise<GenerateOptions["source"]> {
  const { projectedW, seeds: list = [], trunc, truncCutoff } = options;
  if (projectedW !== undefined) return { ws: await readLatents(projectedW, G) };
  const classIndex = classIndexOf(options, G, info);
  return { seeds: list, truncations: trunc, truncationCutoff: truncCutoff, classIndex };
}
