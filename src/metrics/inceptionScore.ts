// The Inception score: whether each picture is of a class that a classifier is sure of, and all classes come.
// Salimans et al., "Improved Techniques for Training GANs" (2016), section 4.

import { noGrad } from "../torch/autograd.js";
import type { Tensor } from "../torch/tensor.js";

/**
 * exp E KL(p(y|x) ‖ p(y)) of class probabilities [N, C], in each of `splits` parts: their mean and standard deviation
 * (with 1 / splits).
 */
export function inceptionScore(
  probabilities: Tensor,
  { splits }: { splits: number },
): { mean: number; std: number } {
  const n = probabilities.size(0);
  const scores = Array.from({ length: splits }, (_, i) => {
    const start = Math.floor((i * n) / splits);
    const count = Math.floor(((i + 1) * n) / splits) - start;
    return noGrad(() => scoreOf(probabilities.narrow(0, start, count)));
  });
  const mean = scores.reduce((sum, score) => sum + score, 0) / splits;
  return { mean, std: Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / splits) };
}

function scoreOf(probabilities: Tensor): number {
  const p = probabilities.to("float64");
  const all = p.mean([0], true); // p(y)
  // 0 log 0 is 0: the smallest number stands for 0 inside of the logarithms.
  const logarithm = (x: Tensor) => x.clamp(Number.MIN_VALUE, null).log();
  const divergences = p.mul(logarithm(p).sub(logarithm(all))).sum([1]);
  return Math.exp(divergences.mean().item());
}
