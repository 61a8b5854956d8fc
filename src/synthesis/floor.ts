// What the measures say of real pictures themselves: one half of them at random against the other. No generator comes below
// it by more than chance and the difference in numbers: few pictures are further apart than many of the same kind.

import type { FeatureStatistics } from "../metrics/features.js";
import type { FeatureMetric, Metric, PictureMetric } from "../metrics/metric.js";
import { readPictures } from "../metrics/reals.js";
import { UserError } from "../system/errors.js";
import { createRandom, permutation } from "../system/random.js";
import type { Device } from "../torch/tensor.js";
import { type CollectOptions, collectFeatures, keyOf, usesOf } from "./collect.js";
import { type MeasuredData, picked, realBatch } from "./measured.js";

export interface FloorOptions extends Omit<CollectOptions, "count" | "uses" | "what"> {
  seed: number;
  device: Device;
}

/** Streams of random numbers that nothing else of a measurement has. */
const streams = { halves: 1_000_000, subsets: 1_000_001 };

/** The values of each measure that compares with reals, in their order, of so many pictures in each half. */
export interface Floor {
  metric: Metric;
  values: readonly number[];
  images: number;
}

/**
 * @throws UserError when a half is too small for a measure
 * @throws Stopped
 */
export async function floorOf(
  data: MeasuredData,
  metrics: readonly Metric[],
  options: FloorOptions,
): Promise<Floor[]> {
  const [first, second] = halvesOf(data, options);
  const features = metrics.filter((metric) => metric.needs === "features").filter(({ reals }) => reals);
  for (const { name, fewest } of features)
    if (first.length < fewest)
      throw new UserError(
        `${name} needs at least ${fewest} pictures in each half of the reals; there are ${first.length}`,
      );
  const found = await featureValues(features, [first, second], options);
  return metrics.flatMap((metric): Floor[] => {
    if (metric.needs === "pictures") return [pictureValues(metric, [first, second], options)];
    const values = found.get(metric);
    return values ? [{ metric, values, images: first.length }] : [];
  });
}

/** Two sets of the same size that share no picture. */
function halvesOf(data: MeasuredData, { seed }: FloorOptions): [MeasuredData, MeasuredData] {
  const order = permutation(data.length, seed, streams.halves);
  const size = Math.floor(data.length / 2);
  return [picked(data, order.subarray(0, size)), picked(data, order.subarray(size, 2 * size))];
}

async function featureValues(
  metrics: readonly FeatureMetric[],
  halves: readonly MeasuredData[],
  options: FloorOptions,
): Promise<Map<Metric, number[]>> {
  if (metrics.length === 0) return new Map();
  const collected: Map<string, FeatureStatistics>[] = [];
  try {
    for (const half of halves)
      collected.push(
        await collectFeatures(
          { ...options, count: half.length, uses: usesOf(metrics), what: "reals of a half" },
          (start, size) => realBatch(half, { start, size }),
        ),
      );
    return new Map(
      metrics.map((metric) => {
        const [real, fake] = collected.map((half) => half.get(keyOf(metric)) as FeatureStatistics);
        const random = createRandom(options.seed, streams.subsets);
        return [metric, metric.compute(fake as FeatureStatistics, real, random)];
      }),
    );
  } finally {
    for (const half of collected) for (const statistics of half.values()) statistics.dispose();
  }
}

function pictureValues(
  metric: PictureMetric,
  [reals, fakes]: [MeasuredData, MeasuredData],
  { seed, device }: FloorOptions,
): Floor {
  const images = Math.min(reals.length, metric.images);
  const pictures = (half: MeasuredData) =>
    readPictures(
      half,
      Array.from({ length: images }, (_, i) => i),
    );
  const reference = metric.reference(pictures(reals), { seed, device });
  try {
    return { metric, values: reference.compare(pictures(fakes)).values, images };
  } finally {
    reference.dispose();
  }
}
