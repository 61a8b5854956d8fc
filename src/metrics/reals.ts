// Which pictures of a data set a metric looks at.

import type { RgbPicture } from "./descriptors.js";

/** What the metrics need of a data set. */
export interface MetricImageSet {
  readonly resolution: number;
  readonly length: number;
  /** Copies image `index` as `[H, W, 3]` bytes into `target` at `offset`. */
  readImage(index: number, target: Uint8Array, offset: number): void;
}

/** `count` indices spread evenly over a set of `length`, so that sets in the order of their classes lose none. */
export function spreadIndices(length: number, count: number): number[] {
  if (!Number.isInteger(count) || count < 1 || count > length)
    throw new RangeError(`spreadIndices: ${count} of ${length} images`);
  return Array.from({ length: count }, (_, i) => Math.floor((i * length) / count));
}

/** The pictures at `indices`, one at a time. */
export function* readPictures(set: MetricImageSet, indices: Iterable<number>): Iterable<RgbPicture> {
  const { resolution } = set;
  for (const index of indices) {
    const pixels = new Uint8Array(resolution ** 2 * 3);
    set.readImage(index, pixels, 0);
    yield { width: resolution, height: resolution, pixels };
  }
}
