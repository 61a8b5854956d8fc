// The squared maximum mean discrepancy with a polynomial kernel, which is KID where the features are Inception's.
// Bińkowski et al., "Demystifying MMD GANs" (2018), section 4; Gretton et al., "A Kernel Two-Sample Test" (2012), lemma 6.

import type { Random } from "../system/random.js";
import { noGrad } from "../torch/autograd.js";
import { indexSelect, matmul } from "../torch/ops.js";
import { type Tensor, tensor } from "../torch/tensor.js";

/** As many indices of each set. */
export interface KernelSubset {
  real: readonly number[];
  fake: readonly number[];
}

/** `subsets` pairs of random subsets, at most `largest` pictures of each set and as many as the smaller one has. */
export function drawSubsets(
  sets: { real: number; fake: number },
  { subsets, largest, random }: { subsets: number; largest: number; random: Random },
): KernelSubset[] {
  const size = Math.min(sets.real, sets.fake, largest);
  return Array.from({ length: subsets }, () => ({
    fake: choose(sets.fake, size, random),
    real: choose(sets.real, size, random),
  }));
}

/** `count` different numbers below `length` in random order: the beginning of a shuffle. */
function choose(length: number, count: number, random: Random): number[] {
  const moved = new Map<number, number>();
  return Array.from({ length: count }, (_, i) => {
    const j = i + Math.floor(random() * (length - i));
    const chosen = moved.get(j) ?? j;
    moved.set(j, moved.get(i) ?? i);
    return chosen;
  });
}

/** The mean over `subsets` of the unbiased estimate from `real` and `fake` [N, F]. */
export function kernelDistance(real: Tensor, fake: Tensor, subsets: readonly KernelSubset[]): number {
  const estimates = subsets.map((subset) =>
    noGrad(() => unbiasedMmd(rows(fake, subset.fake), rows(real, subset.real))),
  );
  return estimates.reduce((sum, estimate) => sum + estimate, 0) / subsets.length;
}

function rows(features: Tensor, indices: readonly number[]): Tensor {
  return indexSelect(features, 0, tensor(indices, [indices.length], "int64").toDevice(features.device));
}

/** Σ_{i≠j} (k(xᵢ, xⱼ) + k(yᵢ, yⱼ)) / (m (m - 1)) - 2 Σ_{ij} k(xᵢ, yⱼ) / m² for x and y [m, F] */
function unbiasedMmd(x: Tensor, y: Tensor): number {
  const m = x.size(0);
  const own = [x, y].reduce((sum, set) => {
    const k = kernel(set, set);
    const diagonal = k.asStrided([m], [m + 1]);
    return sum + k.sum().item() - diagonal.sum().item();
  }, 0);
  return own / (m * (m - 1)) - (2 * kernel(x, y).sum().item()) / m ** 2;
}

/** k(x, y) = (x·y / F + 1)³, summed in float64 */
function kernel(x: Tensor, y: Tensor): Tensor {
  const base = matmul(x, y.permute([1, 0]))
    .to("float64")
    .div(x.size(1))
    .add(1);
  return base.square().mul(base);
}
