// Precision: the share of fakes that lie among the reals. Recall: the share of reals that lie among the fakes.
// Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models" (2019).

import { noGrad } from "../torch/autograd.js";
import { distances, kthSmallest, rowMinima } from "../torch/numeric.js";
import { cat } from "../torch/ops.js";
import type { Tensor } from "../torch/tensor.js";

// Distances held at once: 256 MB of them.
const mostDistances = 2 ** 26;

export interface PrecisionRecallOptions {
  /** k: a set's manifold is the union of balls around its features that reach to the k-th nearest other one. */
  neighbours: number;
  /** Whether features and distances are rounded to float16, as the published numbers are. */
  half: boolean;
}

/** Of features [N, F]. */
export function precisionAndRecall(
  real: Tensor,
  fake: Tensor,
  options: PrecisionRecallOptions,
): { precision: number; recall: number } {
  return noGrad(() => {
    const [reals, fakes] = [real, fake].map((set) => (options.half ? rounded(set) : set)) as [Tensor, Tensor];
    return {
      precision: shareInside(fakes, reals, options),
      recall: shareInside(reals, fakes, options),
    };
  });
}

/** The share of `probes` [N, F] inside the manifold of `set` [M, F]. */
function shareInside(probes: Tensor, set: Tensor, { neighbours, half }: PrecisionRecallOptions): number {
  const distance = (rows: Tensor) => (half ? rounded(distances(rows, set)) : distances(rows, set));
  // Each feature is its own nearest one, at distance 0.
  const radii = cat(
    inParts(set, set.size(0), (rows) => kthSmallest(distance(rows), neighbours + 1)),
    0,
  );
  const inside = inParts(probes, set.size(0), (rows) => {
    const beyond = rowMinima(distance(rows).sub(radii)).toFloat32Array();
    return beyond.reduce((count, value) => count + (value <= 0 ? 1 : 0), 0);
  });
  return inside.reduce((sum, count) => sum + count, 0) / probes.size(0);
}

/** What `body` makes of the rows of `x`, so many at once that distances to `columns` others have room. */
function inParts<T>(x: Tensor, columns: number, body: (rows: Tensor) => T): T[] {
  const step = Math.max(1, Math.floor(mostDistances / columns));
  const parts: T[] = [];
  for (let start = 0; start < x.size(0); start += step)
    parts.push(noGrad(() => body(x.narrow(0, start, Math.min(step, x.size(0) - start)))));
  return parts;
}

function rounded(x: Tensor): Tensor {
  return x.to("float16").to("float32");
}
