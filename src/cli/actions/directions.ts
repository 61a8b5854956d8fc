// stylegan directions: what it does.

import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Generator } from "../../networks/network.js";
import { writeDirections } from "../../synthesis/directionFile.js";
import { type Direction, directionStrips, findDirections } from "../../synthesis/directions.js";
import { writePng } from "../../synthesis/encode.js";
import { checkGrid, Grid, type GridShape } from "../../synthesis/picture.js";
import type { Options } from "../directions.js";
import { longWork } from "../longWork.js";
import { truncationOf } from "../networkOptions.js";
import { makeOutputFolder } from "../outputFolder.js";
import { classIndexOf, openGenerator } from "./openNetwork.js";

export async function run(options: Options): Promise<void> {
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
