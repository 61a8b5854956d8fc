// Normalizations of the family.

import { cat } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

/**
 * Each sample scaled to a mean square of 1 over dimension 1: x / √(mean(x²) + ε).
 * Pixelwise feature normalization of Karras et al., "Progressive Growing of GANs" (2018), section 4.2.
 */
export function pixelNorm(x: Tensor, eps = 1e-8): Tensor {
  return scope(() => x.mul(x.square().mean([1], true).add(eps).rsqrt()));
}

/** Applies `body`, which looks across samples, to each of `batches` equal parts of `x` [N, …] on its own. */
export function perBatch(x: Tensor, batches: number, body: (part: Tensor) => Tensor): Tensor {
  if (batches === 1) return body(x);
  const size = x.size(0) / batches;
  if (!Number.isInteger(size))
    throw new Error(`perBatch: ${x.size(0)} samples are not ${batches} equal batches`);
  return scope(() =>
    cat(
      Array.from({ length: batches }, (_, i) => body(x.narrow(0, i * size, size))),
      0,
    ),
  );
}

/**
 * Appends the standard deviation over groups of the batch as `numNewFeatures` constant channels:
 * [N, C, H, W] to [N, C + F, H, W]. Sample n is in group n mod (N / groupSize).
 * Karras et al., "Progressive Growing of GANs" (2018), section 3.
 * @throws when the batch is not a multiple of the group or the channels are not one of the features
 */
export function minibatchStdDev(
  x: Tensor,
  { groupSize, numNewFeatures = 1 }: { groupSize: number; numNewFeatures?: number },
): Tensor {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const group = Math.min(groupSize, n);
  if (n % group !== 0) throw new Error(`minibatchStdDev: batch ${n} is not a multiple of the group ${group}`);
  if (c % numNewFeatures !== 0)
    throw new Error(`minibatchStdDev: ${c} channels do not divide into ${numNewFeatures} features`);
  return scope(() => {
    const grouped = x.reshape([group, n / group, numNewFeatures, c / numNewFeatures, h, w]);
    const centred = grouped.sub(grouped.mean([0], true));
    const deviation = centred.square().mean([0]).add(1e-8).sqrt(); // [N/G, F, C/F, H, W]
    const features = deviation
      .mean([2, 3, 4]) // [N/G, F]
      .reshape([1, n / group, numNewFeatures, 1, 1])
      .expand([group, -1, -1, h, w])
      .reshape([n, numNewFeatures, h, w]);
    return cat([x, features], 1);
  });
}
