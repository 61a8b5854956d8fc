// stylegan directions

import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Command, Option } from "commander";
import type { Generator } from "../networks/network.js";
import { writeDirections } from "../synthesis/directionFile.js";
import { type Direction, directionStrips, findDirections, type LayerRange } from "../synthesis/directions.js";
import { writePng } from "../synthesis/encode.js";
import { checkGrid, Grid, type GridShape } from "../synthesis/picture.js";
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
import { integerFrom, layerRanges, numberIn, seeds } from "./values.js";

interface Options extends NetworkOptions, TruncationChoice, ClassOption, NoiseOption, BatchOption {
  outdir: string;
  count: number;
  layers?: LayerRange[];
  seeds: number[];
  distance: number;
  steps: number;
}

const example = `
Example:
  stylegan directions --network FILE --layers 0-3,4-7 --count 5 --seeds 0-2 --trunc 0.7 --outdir directions
  stylegan generate --network FILE --seeds 3 --directions directions/directions.json --direction 0-3:1=2 --outdir out

Needs no data: the directions are those in which the layers' styles change most (SeFa). Writes directions.json, in which
the names can be changed, and for each seed a grid with a row for each direction: seed0000.png.
`;

export function addDirections(program: Command): void {
  const command = program
    .command("directions")
    .summary("find what a generator can change, without data")
    .description("Finds directions of w that change pictures most, and shows pictures along them.")
    .addOption(networkOption())
    .requiredOption("--outdir <folder>", "where directions.json and the pictures go")
    .addOption(
      new Option("--count <n>", "directions for each range of layers")
        .argParser(integerFrom(1, 8192))
        .default(8),
    )
    .addOption(
      new Option(
        "--layers <ranges>",
        "for example 0-3,4-7: directions of these layers only (default: all)",
      ).argParser(layerRanges),
    )
    .addOption(
      new Option("--seeds <list>", "pictures to show them on").argParser(seeds).default([0, 1], "0,1"),
    )
    .addOption(
      new Option("--distance <x>", "how far the pictures go to both sides, in units of w")
        .argParser(numberIn({ min: 0, aboveMin: true, max: 1e6 }))
        .default(3),
    )
    .addOption(new Option("--steps <n>", "pictures along each").argParser(integerFrom(2, 1000)).default(7))
    .addOption(truncOption())
    .addOption(truncCutoffOption())
    .addOption(classOption())
    .addOption(noiseModeOption())
    .addOption(batchOption());
  addDeviceOptions(command).addHelpText("after", example).action(directions);
}

async function directions(options: Options): Promise<void> {
  const { outdir, count, layers, distance, steps } = options;
  const { G, info } = openGenerator(options);
  try {
    const found = layers
      ? layers.flatMap((range) => findDirections(G, { layers: range, count }))
      : findDirections(G, { count });
    const classIndex = classIndexOf(options, G, info);
    const amounts = Array.from({ length: steps }, (_, i) => distance * ((2 * i) / (steps - 1) - 1));
    const shape: GridShape = {
      columns: steps,
      rows: found.length,
      cell: G.resolution,
      labels: {
        columns: amounts.map((amount) => String(Number(amount.toPrecision(2)))),
        rows: found.map(({ name }) => name),
      },
    };
    checkGrid(shape);
    makeOutputFolder(outdir);
    const file = join(outdir, "directions.json");
    writeDirections(file, found);
    process.stdout.write(`${file}: ${found.length} directions\n${report(found)}`);
    await showAll(G, { found, amounts, shape, classIndex, options });
  } finally {
    G.dispose();
  }
}

function report(found: readonly Direction[]): string {
  const largest = Math.max(...found.map(({ eigenvalue }) => eigenvalue));
  const width = Math.max(...found.map(({ name }) => name.length), "name".length);
  const lines = found.map(
    ({ name, eigenvalue }) =>
      `  ${name.padEnd(width)}  ${eigenvalue.toPrecision(4).padStart(10)}  ${"█".repeat(Math.round((24 * eigenvalue) / largest))}\n`,
  );
  return `  ${"name".padEnd(width)}  eigenvalue\n${lines.join("")}`;
}

async function showAll(
  G: Generator,
  request: { found: Direction[]; amounts: number[]; shape: GridShape; classIndex: number; options: Options },
): Promise<void> {
  const { found, amounts, shape, classIndex, options } = request;
  const { seeds: list, outdir, noiseMode, batch } = options;
  const total = list.length * found.length * amounts.length;
  let written = 0;
  await longWork({ total, unit: "pictures", onStop: "Stopping after this picture." }, async (work) => {
    let done = 0;
    for (const seed of list) {
      const grid = new Grid(shape);
      let place = 0;
      const strips = {
        seed,
        directions: found,
        amounts,
        classIndex,
        noiseMode,
        batch,
        ...truncationOf(options),
      };
      for (const picture of directionStrips(G, strips)) {
        grid.place(place++, picture);
        work.update(++done);
        await nextTurn();
        if (work.isStopping) break;
      }
      if (place < grid.cells) break;
      await writePng(join(outdir, `seed${String(seed).padStart(4, "0")}.png`), grid);
      written += 1;
    }
  });
  const pictures = `${written} ${written === 1 ? "picture" : "pictures"}`;
  process.stdout.write(
    written < list.length ? `Stopped: ${pictures} in ${outdir}\n` : `${pictures} in ${outdir}\n`,
  );
}
