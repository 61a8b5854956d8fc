// stylegan generate: what it does.

import type { Generator } from "../../networks/network.js";
import type { SnapshotInfo } from "../../networks/snapshot.js";
import { type GenerateOptions, generateFiles, gridShapeOf, imageCount } from "../../synthesis/generate.js";
import { readLatents } from "../../synthesis/latentFile.js";
import { checkGrid } from "../../synthesis/picture.js";
import type { Options } from "../generate.js";
import { longWork } from "../longWork.js";
import { makeOutputFolder } from "../outputFolder.js";
import { chosenDirections } from "./chosenDirections.js";
import { classIndexOf, openGenerator } from "./openNetwork.js";

export async function run(options: Options): Promise<void> {
  const { outdir, format, noiseMode, batch } = options;
  const { G, info } = openGenerator(options);
  try {
    const source = await sourceOf(options, G, info);
    const steps = chosenDirections(options, G).map(({ direction, from }) => ({ direction, amount: from }));
    const request: GenerateOptions = { source, steps, noiseMode, batch, outdir, format, grid: options.grid };
    const shape = gridShapeOf(G, request);
    if (shape) checkGrid(shape);
    makeOutputFolder(outdir);
    await writePictures(G, request);
    if ("ws" in source) source.ws.dispose();
  } finally {
    G.dispose();
  }
}

async function writePictures(G: Generator, request: GenerateOptions): Promise<void> {
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
  if (grid && places > 0 && places < total)
    process.stderr.write(
      `The grid has ${places} places for ${total} pictures; the last ${total - places} are not in it.\n`,
    );
  const what = `${written} ${written === 1 ? "picture" : "pictures"}`;
  process.stdout.write(
    written < total
      ? `Stopped: ${what} of ${total} in ${outdir}\n`
      : `${what} in ${outdir}${grid ? `, together in ${grid}` : ""}\n`,
  );
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
