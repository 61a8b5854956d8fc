// stylegan style-mix: what it does.

import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Generator } from "../../networks/network.js";
import { encodePicture, FileQueue, writePng } from "../../synthesis/encode.js";
import { checkGrid, Grid, type GridShape } from "../../synthesis/picture.js";
import { checkColStyles, type StyleMixOptions, styleMix } from "../../synthesis/styleMix.js";
import { longWork } from "../longWork.js";
import { truncationOf } from "../networkOptions.js";
import { makeOutputFolder } from "../outputFolder.js";
import type { Options } from "../styleMix.js";
import { classIndexOf, openGenerator } from "./openNetwork.js";

/** NVIDIA's default, as far as the network has so many: pose and shape, not the fine colours. */
const defaultStyles = [0, 1, 2, 3, 4, 5, 6];

export async function run(options: Options): Promise<void> {
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
    await writePictures(
      G,
      { rowSeeds, colSeeds, colStyles, classIndex, noiseMode, batch, ...truncation },
      { outdir, shape },
    );
  } finally {
    G.dispose();
  }
}

async function writePictures(
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
