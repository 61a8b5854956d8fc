// stylegan style-mix

import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Command, Option } from "commander";
import type { Generator } from "../networks/network.js";
import { encodePicture, FileQueue, writePng } from "../synthesis/encode.js";
import { checkGrid, Grid, type GridShape } from "../synthesis/picture.js";
import { checkColStyles, type StyleMixOptions, styleMix } from "../synthesis/styleMix.js";
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
  type TruncationChoice,
  truncationOf,
  truncCutoffOption,
  truncOption,
} from "./networkOptions.js";
import { makeOutputFolder } from "./outputFolder.js";
import { layers, seeds } from "./values.js";

interface Options extends NetworkOptions, TruncationChoice, ClassOption, NoiseOption, BatchOption {
  rowSeeds: number[];
  colSeeds: number[];
  colStyles?: number[];
  outdir: string;
}

/** NVIDIA's default, as far as the network has so many: pose and shape, not the fine colours. */
const defaultStyles = [0, 1, 2, 3, 4, 5, 6];

const example = `
Example:
  stylegan style-mix --network FILE --rows 85,100,75 --cols 55,821,1789 --styles 0-3 --outdir out

The first styles are coarse (pose, shape), the last ones fine (colours). Writes grid.png and each picture by its seeds:
85-55.png has the picture of seed 85 with the styles of 55, 85-85.png is seed 85 itself.
`;

export function addStyleMix(program: Command): void {
  const command = program
    .command("style-mix")
    .summary("mix the styles of pictures")
    .description("Pictures of the row seeds with some layers' styles from the column seeds.")
    .addOption(networkOption())
    .addOption(
      new Option("--rows, --row-seeds <list>", "for example 0-5,8").argParser(seeds).makeOptionMandatory(),
    )
    .addOption(
      new Option("--cols, --col-seeds <list>", "for example 0-5,8").argParser(seeds).makeOptionMandatory(),
    )
    .addOption(
      new Option(
        "--styles, --col-styles <list>",
        "layers that take the column's style (default: 0-6, of those that are there)",
      ).argParser(layers),
    )
    .addOption(truncOption())
    .addOption(truncCutoffOption())
    .addOption(classOption())
    .addOption(noiseModeOption())
    .requiredOption("--outdir <folder>", "where the pictures go")
    .addOption(batchOption());
  addDeviceOptions(command).addHelpText("after", example).action(mix);
}

async function mix(options: Options): Promise<void> {
  const { rowSeeds, colSeeds, noiseMode, batch, outdir } = options;
  const { G, info } = openGenerator(options);
  try {
    const colStyles = options.colStyles ?? defaultStyles.filter((style) => style < G.numWs);
    checkColStyles(colStyles, G);
    const classIndex = classIndexOf(options, G, info);
    const shape = { columns: colSeeds.length + 1, rows: rowSeeds.length + 1, cell: G.resolution };
    checkGrid(shape);
    makeOutputFolder(outdir);
    const truncation = truncationOf(options);
    await run(
      G,
      { rowSeeds, colSeeds, colStyles, classIndex, noiseMode, batch, ...truncation },
      { outdir, shape },
    );
  } finally {
    G.dispose();
  }
}

async function run(
  G: Generator,
  request: StyleMixOptions,
  { outdir, shape }: { outdir: string; shape: GridShape },
): Promise<void> {
  const { rowSeeds, colSeeds } = request;
  const total = shape.columns * shape.rows - 1;
  const files = new FileQueue();
  const grid = new Grid(shape);
  const file = join(outdir, "grid.png");
  await longWork({ total, unit: "pictures", onStop: "Stopping after this picture." }, async (work) => {
    let done = 0;
    for (const { row, column, picture } of styleMix(G, request)) {
      grid.place((row + 1) * shape.columns + column + 1, picture);
      const rowSeed = row < 0 ? colSeeds[column] : rowSeeds[row];
      const colSeed = column < 0 ? rowSeeds[row] : colSeeds[column];
      await files.add(join(outdir, `${rowSeed}-${colSeed}.png`), encodePicture(picture, "png"));
      work.update(++done);
      await nextTurn();
      if (work.isStopping) break;
    }
    await files.finish();
    if (done === total) await writePng(file, grid);
  });
  process.stdout.write(
    files.written < total
      ? `Stopped: ${files.written} of ${total} pictures in ${outdir}\n`
      : `${files.written} pictures in ${outdir}, together in ${file}\n`,
  );
}
