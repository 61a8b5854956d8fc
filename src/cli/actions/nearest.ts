// stylegan nearest: what it does.

import { type Dataset, openDataset } from "../../data/dataset.js";
import { kindOfFile } from "../../metrics/detector.js";
import { mobileNetFile } from "../../metrics/mobileNet.js";
import { openDetector } from "../../metrics/openDetector.js";
import { pixelFeatures } from "../../metrics/pixelFeatures.js";
import type { Generator } from "../../networks/network.js";
import { writePng } from "../../synthesis/encode.js";
import { latentsOfSeeds } from "../../synthesis/latents.js";
import { type Features, type NearestResult, nearestReals, readAll } from "../../synthesis/nearest.js";
import { nearestSheet, sheetShape } from "../../synthesis/nearestSheet.js";
import { checkGrid, type Picture } from "../../synthesis/picture.js";
import { renderLatents } from "../../synthesis/render.js";
import { UserError } from "../../system/errors.js";
import { isFile } from "../../system/files.js";
import { longWork } from "../longWork.js";
import type { Options } from "../nearest.js";
import { truncationOf } from "../networkOptions.js";
import { classIndexOf, openGenerator } from "./openNetwork.js";

export async function run(options: Options): Promise<void> {
  const { data, background, output, seeds, neighbours: most } = options;
  const { G, info } = openGenerator(options);
  let dataset: Dataset | undefined;
  let compared: { features: Features; dispose(): void } | undefined;
  try {
    const classIndex = classIndexOf(options, G, info);
    checkGrid(sheetShape({ rows: seeds.length, count: most, side: G.resolution }));
    compared = await openFeatures(options);
    dataset = await openDataset({ source: data, background, resolution: G.resolution });
    const fakes = picturesOf(G, { ...options, classIndex });
    const found = await search(fakes, dataset, { ...options, features: compared.features });
    if (!found) return;
    await writePng(output, sheetOf(found, { fakes, dataset, options }));
    process.stdout.write(report(found, { dataset, options }));
  } finally {
    compared?.dispose();
    dataset?.close();
    G.dispose();
  }
}

async function openFeatures({ detector: named, device }: Options): Promise<{
  features: Features;
  dispose(): void;
}> {
  if (named === undefined) return { features: pixelFeatures, dispose: () => {} };
  if (named !== "mobilenet" && !isFile(named))
    throw new UserError(`--detector ${named}: no such file; give one, or mobilenet`);
  const detector =
    named === "mobilenet"
      ? await openDetector(named, mobileNetFile(), device)
      : await openDetector(kindOfFile(named), named, device);
  return {
    features: (pictures) => detector.run(pictures, "features"),
    dispose: () => detector.dispose(),
  };
}

function picturesOf(G: Generator, options: Options & { classIndex: number }): Picture[] {
  const { seeds, noiseMode, batch, classIndex } = options;
  const z = latentsOfSeeds(seeds, G.zDim);
  const classes = seeds.map(() => classIndex);
  const pictures = [...renderLatents(G, { z, classes, noiseMode, batch, ...truncationOf(options) })];
  z.dispose();
  return pictures;
}

/** Undefined when the user has ended it. */
async function search(
  fakes: readonly Picture[],
  data: Dataset,
  { neighbours: count, mirror = false, batch, features }: Options & { features: Features },
): Promise<NearestResult | undefined> {
  const total = data.length * (mirror ? 2 : 1);
  return longWork({ total, unit: "reals", onStop: "Stopping; there is no sheet." }, (work) =>
    nearestReals({
      ...{ fakes, data, features, count, mirror, batch },
      onProgress: (done) => work.update(done),
      shouldStop: () => work.isStopping,
    }),
  );
}

function sheetOf(
  { neighbours }: NearestResult,
  { fakes, dataset, options }: { fakes: readonly Picture[]; dataset: Dataset; options: Options },
): Picture {
  const rows = fakes.map((fake, row) => {
    const found = neighbours[row] ?? [];
    const reals = readAll(
      dataset,
      found.map(({ index }) => index),
    );
    return {
      label: String(options.seeds[row]),
      fake,
      neighbours: reals.map((picture, i) => ({ picture, label: short(found[i]?.distance ?? 0) })),
    };
  });
  return nearestSheet(rows, { count: options.neighbours, side: dataset.resolution });
}

/** A line for each fake with its nearest real, and what to hold them against. */
function report(
  { neighbours, usual }: NearestResult,
  { dataset, options }: { dataset: Dataset; options: Options },
): string {
  const name = (index: number) =>
    `${dataset.fileNames[index % dataset.length]}${index < dataset.length ? "" : " (mirrored)"}`;
  const nearest = neighbours.flatMap(([first]) => (first ? [first] : []));
  const lines = nearest.map(
    ({ index, distance }, row) => `seed ${options.seeds[row]}: ${short(distance)} to ${name(index)}`,
  );
  const distances = nearest.map(({ distance }) => distance).sort((a, b) => a - b);
  if (usual.length > 0) {
    const low = quantile(usual, 0.05);
    const below = distances.filter((distance) => distance < low).length;
    lines.push(
      `median ${short(quantile(distances, 0.5))}; of real pictures to their nearest other one ${short(quantile(usual, 0.5))}, for one in 20 below ${short(low)}: ${below} of ${distances.length} generated ones are nearer than that`,
    );
  }
  return [...lines, options.output].map((line) => `${line}\n`).join("");
}

function quantile(ascending: readonly number[], share: number): number {
  return ascending[Math.floor(share * (ascending.length - 1))] ?? Number.NaN;
}

/** Three digits, which a label has room for. */
function short(distance: number): string {
  const digits = distance >= 100 ? 0 : distance >= 10 ? 1 : 2;
  return distance.toFixed(digits);
}
