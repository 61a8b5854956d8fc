// The minimal StyleGAN2's form of the minibatch standard deviation.

import { cat } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

/**
 * Appends one constant channel, the same for the whole batch: [N, C, H, W] to [N, C + 1, H, W]. The batch is
 * cut into `groupSize` runs of consecutive samples; the feature is the mean, over all places, of
 * √(var + 1e-8), where var is the unbiased variance between the runs.
 *
 * Differs from `minibatchStdDev`, which follows the paper: that one has a biased variance and a feature for
 * each group. (Karras et al., "Progressive Growing of GANs" (2018), section 3.)
 *
 * Differs from the source: a batch smaller than the group is one group of its own, and a single sample
 * deviates by nothing, instead of an error.
 * @throws when the batch is not a multiple of the group
 */
export function groupStdDev(x: Tensor, { groupSize }: { groupSize: number }): Tensor {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const group = Math.min(groupSize, n);
  if (n % group !== 0) throw new Error(`groupStdDev: batch ${n} is not a multiple of the group ${group}`);
  return scope(() => {
    const runs = x.reshape([group, n / group, c, h, w]);
    const variance = runs
      .sub(runs.mean([0], true))
      .square()
      .sum([0])
      .mul(1 / Math.max(group - 1, 1));
    const feature = variance.add(1e-8).sqrt().mean().reshape([1, 1, 1, 1]).expand([n, 1, h, w]);
    return cat([x, feature], 1);
  });
}
