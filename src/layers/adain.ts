// Adaptive instance normalization, which applies a style to a feature map.
// Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks" (2019), section 2.

import { addcmul } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

/**
 * Each channel of each sample normalized over its pixels and then styled: equation 1 of the paper,
 * AdaIN(x, y) = y_s (x - μ(x)) / σ(x) + y_b, with y_s = 1 + the first half of `styles`, so that styles of zero
 * leave the normalized map as it is, y_b = the second half, and σ² = mean((x - μ)²) + ε.
 * @param x [N, C, H, W]
 * @param styles [N, 2 C]
 * @throws when `styles` does not hold two numbers for each channel of each sample
 */
export function adaptiveInstanceNorm(x: Tensor, styles: Tensor, eps = 1e-8): Tensor {
  const [n, c] = x.shape as [number, number, number, number];
  if (styles.shape.length !== 2 || styles.size(0) !== n || styles.size(1) !== 2 * c)
    throw new Error(`adaptiveInstanceNorm: styles have shape [${styles.shape}], expected [${n}, ${2 * c}]`);
  return scope(() => {
    const [ys, yb] = styles.reshape([n, 2, c, 1, 1]).unbind(1) as [Tensor, Tensor]; // [N, C, 1, 1]
    const centred = x.sub(x.mean([2, 3], true));
    const inverseDeviation = centred.square().mean([2, 3], true).add(eps).rsqrt(); // [N, C, 1, 1]
    // Both factors in one small tensor: one pass over the activations instead of three.
    return addcmul(yb, centred, ys.add(1).mul(inverseDeviation));
  });
}
