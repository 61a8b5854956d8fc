// stylegan generate

import { join } from "node:path";
import { type Command, Option } from "commander";
import { latentsOfSeeds } from "../synthesis/latents.js";
import { type Picture, renderLatents, tile, writePng } from "../synthesis/render.js";
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
  type TruncationChoice,
  truncationOf,
  truncCutoffOption,
  truncOption,
} from "./networkOptions.js";
import { makeOutputFolder } from "./outputFolder.js";
import { grid, seeds } from "./values.js";

interface GenerateOptions extends NetworkOptions, TruncationChoice, ClassOption, NoiseOption, BatchOption {
  seeds: number[];
  outdir: string;
  grid?: { columns: number; rows: number };
}

const example = `
Example:
  stylegan generate --network runs/00000-emoji-smileys-stylegan2-small-32 --seeds 0-15 --trunc 0.7 --outdir out --grid 4x4

A seed stands for the same latent as in NVIDIA's tools.
`;

export function addGenerate(program: Command): void {
  const command = program
    .command("generate")
    .summary("make pictures with a trained generator")
    .description("Writes one picture for each seed: seed0000.png, seed0001.png, …")
    .addOption(networkOption())
    .addOption(new Option("--seeds <list>", "for example 0-5,8").argParser(seeds).makeOptionMandatory())
    .addOption(truncOption())
    .addOption(truncCutoffOption())
    .addOption(classOption())
    .addOption(noiseModeOption())
    .requiredOption("--outdir <folder>", "where the pictures go")
    .addOption(new Option("--grid <CxR>", "also grid.png with so many columns and rows").argParser(grid))
    .addOption(batchOption());
  addDeviceOptions(command).addHelpText("after", example).action(generate);
}

async function generate(options: GenerateOptions): Promise<void> {
  const { seeds: list, outdir, noiseMode, batch } = options;
  const { G, info } = openGenerator(options);
  const classIndex = classIndexOf(options, G, info);
  makeOutputFolder(outdir);

  const z = latentsOfSeeds(list, G.zDim);
  const pictures = renderLatents(G, {
    z,
    classes: list.map(() => classIndex),
    noiseMode,
    batch,
    ...truncationOf(options),
  });
  const cells = options.grid ? options.grid.columns * options.grid.rows : 0;
  const inGrid: Picture[] = [];
  let done = 0;
  for (const picture of pictures) {
    await writePng(join(outdir, `seed${String(list[done]).padStart(4, "0")}.png`), picture);
    if (inGrid.length < cells) inGrid.push(picture);
    done += 1;
  }
  if (options.grid) {
    if (list.length < cells)
      process.stderr.write(`The grid has ${cells} places for ${list.length} seeds; the rest stays black.\n`);
    await writePng(join(outdir, "grid.png"), fill(inGrid, options.grid));
  }
  z.dispose();
  G.dispose();
  process.stdout.write(`${done} ${done === 1 ? "picture" : "pictures"} in ${outdir}\n`);
}

/** The grid with all of its rows, also where there are too few pictures. */
function fill(pictures: readonly Picture[], { columns, rows }: { columns: number; rows: number }): Picture {
  const [first] = pictures as [Picture];
  const black = { ...first, pixels: new Uint8Array(first.pixels.length) };
  return tile(
    Array.from({ length: columns * rows }, (_, i) => pictures[i] ?? black),
    columns,
  );
}
