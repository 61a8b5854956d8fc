// What goes through the networks at once: reals, latents, and parts of both.

import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

/** Real pictures and their classes. */
export interface Reals {
  /** [N, 3, H, W] in [-1, 1] */
  images: Tensor;
  /** [N, cDim], or null when unconditional. */
  c: Tensor | null;
}

/** What fakes are made of. */
export interface Latents {
  /** [N, zDim] */
  z: Tensor;
  /** [N, cDim], or null when unconditional. */
  c: Tensor | null;
  /** Style mixing: the layers from `firstLayer` on follow the latents `z` [N, zDim]. */
  mixing: { z: Tensor; firstLayer: number } | null;
}

/** As many reals as latents. */
export interface Batch {
  reals: Reals;
  latents: Latents;
  /** Where between each fake (0) and real (1) a slope is measured [N]; null where none is. */
  between: Tensor | null;
}

export function batchSize({ reals }: Batch): number {
  return reals.images.size(0);
}

/** The first samples of a batch. */
export function firstOf(batch: Batch, count: number): Batch {
  return eachTensor(batch, (x) => x.narrow(0, 0, count));
}

/**
 * A batch as the fewest parts of at most `largest` samples, as equal as they can be, that keep the discriminator's groups
 * whole: it compares the samples n, n + N / group, n + 2 N / group, … (`minibatchStdDev`), so that a part has what the
 * whole has in its groups.
 */
export function partsOf(
  batch: Batch,
  { largest, group }: { largest: number; group: number },
): { part: Batch; share: number }[] {
  const size = batchSize(batch);
  if (size <= largest) return [{ part: batch, share: 1 }];
  const groups = size / group;
  const groupsInPart = Math.floor(largest / group);
  if (!Number.isInteger(groups) || groupsInPart === 0)
    throw new Error(`a batch of ${size} in groups of ${group} has no parts of at most ${largest}`);
  const count = Math.ceil(groups / groupsInPart);
  return Array.from({ length: count }, (_, i) => {
    const [first, end] = [i, i + 1].map((n) => Math.floor((n * groups) / count)) as [number, number];
    const part = eachTensor(batch, (x) => groupsOf(x, { group, first, count: end - first }));
    return { part, share: (end - first) / groups };
  });
}

/** Some of the groups of x [N, …]. */
function groupsOf(
  x: Tensor,
  { group, first, count }: { group: number; first: number; count: number },
): Tensor {
  return scope(() => {
    const [n, ...rest] = x.shape as [number, ...number[]];
    const grouped = x.reshape([group, n / group, ...rest]).narrow(1, first, count);
    return grouped.reshape([group * count, ...rest]);
  });
}

function eachTensor({ reals, latents, between }: Batch, f: (x: Tensor) => Tensor): Batch {
  const { z, c, mixing } = latents;
  return {
    reals: { images: f(reals.images), c: reals.c && f(reals.c) },
    latents: { z: f(z), c: c && f(c), mixing: mixing && { ...mixing, z: f(mixing.z) } },
    between: between && f(between),
  };
}
