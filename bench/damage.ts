// How the measures that need no file of the user's rank damage that is known: the tables of docs/METRICS.md.
//
//   node dist/bench/damage.js damage.png      (after npm run setup)

import { writeFile } from "node:fs/promises";
import sharp from "sharp";
import { type Dataset, openDataset } from "../src/data/dataset.js";
import type { Detector, DetectorKind } from "../src/metrics/detector.js";
import type { FeatureStatistics } from "../src/metrics/features.js";
import { metricNamed } from "../src/metrics/metrics.js";
import { DetectorFiles, openDetector } from "../src/metrics/openDetector.js";
import { collectFeatures, keyOf, usesOf } from "../src/synthesis/collect.js";
import { encodePicture } from "../src/synthesis/encode.js";
import type { Picture } from "../src/synthesis/picture.js";
import { tile } from "../src/synthesis/picture.js";
import { createRandom, gaussian, permutation } from "../src/system/random.js";
import { setThreads } from "../src/torch/runtime.js";
import { scope } from "../src/torch/scope.js";
import { tensorFromBytes } from "../src/torch/tensor.js";
import "../src/torch/libtorch.js";

const side = 64;
/** Of each set. */
const count = 600;
const metrics = ["swd", "fd1k_mobilenet", "kd1k_mobilenet", "pr1k3_mobilenet"].map(metricNamed);

setThreads();
const dataset = await openDataset({ source: "emoji", resolution: side, conditional: true });
const order = Array.from(permutation(dataset.length, 5, 0));
const reals = read(dataset, order.slice(0, count));
const others = read(dataset, order.slice(count, 2 * count));
const rest = order.slice(count);
const isPeople = (index: number) => dataset.classNames[dataset.label(index)] === "people";

const random = createRandom(9, 0);
const sets: Record<string, readonly Picture[]> = {
  "other real pictures": others,
  "one class of nine alone (people)": read(dataset, rest.filter(isPeople).slice(0, count)),
  "that class missing": read(dataset, rest.filter((index) => !isPeople(index)).slice(0, count)),
  "upside down": others.map((picture) => rowsFrom(picture, (y) => side - 1 - y)),
  "upper and lower half exchanged": others.map((picture) => rowsFrom(picture, (y) => (y + side / 2) % side)),
  "noise, σ = 4 of 255": others.map((picture) => noisy(picture, 4)),
  "noise, σ = 16": others.map((picture) => noisy(picture, 16)),
  "blur, σ = 1 pixel": await Promise.all(others.map((picture) => blurred(picture, 1))),
  "blur, σ = 2 pixels": await Promise.all(others.map((picture) => blurred(picture, 2))),
  "ten pictures, over and over": others.map((_, i) => others[i % 10] as Picture),
};
dataset.close();

const files = new DetectorFiles(undefined).find(new Set<DetectorKind>(["mobilenet"]));
const detector = await openDetector("mobilenet", files.get("mobilenet") as string, "cpu");
const detectors = new Map<DetectorKind, Detector>([["mobilenet", detector]]);
const uses = usesOf(metrics.filter((metric) => metric.needs === "features"));
const reference = metrics.flatMap((metric) =>
  metric.needs === "pictures" ? [metric.reference(reals, { seed: 0, device: "cpu" })] : [],
);
const known = await featuresOf(reals);

console.log(`| what | ${metrics.flatMap(({ values }) => values.map(({ name }) => name)).join(" | ")} |`);
for (const [name, pictures] of Object.entries(sets)) {
  const found = await featuresOf(pictures);
  const cells = metrics.flatMap((metric) => {
    if (metric.needs === "pictures") return reference[0]?.compare(pictures).values ?? [];
    if (metric.needs !== "features") return [];
    const key = keyOf(metric);
    const [fake, real] = [found, known].map((set) => set.get(key) as FeatureStatistics);
    return metric.compute(fake as FeatureStatistics, real, createRandom(0, 0));
  });
  console.log(`| ${name} | ${cells.map((value) => value.toPrecision(3)).join(" | ")} |`);
}
const [sheet] = process.argv.slice(2);
const shown = Object.values(sets).flatMap((pictures) => pictures.slice(0, 12));
if (sheet !== undefined) await writeFile(sheet, await encodePicture(tile(shown, 12), "png"));

function read(from: Dataset, indices: readonly number[]): Picture[] {
  return indices.map((index) => {
    const pixels = new Uint8Array(side ** 2 * 3);
    from.readImage(index, pixels, 0);
    return { width: side, height: side, pixels };
  });
}

function featuresOf(pictures: readonly Picture[]): Promise<Map<string, FeatureStatistics>> {
  return collectFeatures(
    { count: pictures.length, uses, detectors, batch: 50, what: "pictures" },
    (start, size) => {
      const pixels = Buffer.concat(pictures.slice(start, start + size).map((picture) => picture.pixels));
      return scope(() =>
        tensorFromBytes(pixels, [size, side, side, 3], "uint8").permute([0, 3, 1, 2]).contiguous(),
      );
    },
  );
}

/** The rows of a picture in another order. */
function rowsFrom({ pixels, ...size }: Picture, from: (y: number) => number): Picture {
  const row = side * 3;
  const moved = new Uint8Array(pixels.length);
  for (let y = 0; y < side; y++) moved.set(pixels.subarray(from(y) * row, (from(y) + 1) * row), y * row);
  return { ...size, pixels: moved };
}

function noisy({ pixels, ...size }: Picture, sigma: number): Picture {
  const add = (value: number) => Math.max(0, Math.min(255, Math.round(value + sigma * gaussian(random))));
  return { ...size, pixels: pixels.map(add) };
}

async function blurred({ pixels, width, height }: Picture, sigma: number): Promise<Picture> {
  const image = sharp(pixels, { raw: { width, height, channels: 3 } });
  return { width, height, pixels: await image.blur(sigma).raw().toBuffer() };
}
