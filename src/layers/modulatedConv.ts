// Convolution whose input channels are scaled by a style.
// Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), section 2.2.

import { hasKernels, withEnergyKernel } from "../torch/kernels.js";
import { conv2d, convTranspose2d, matmul } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { affineActivation } from "./activation.js";
import { blur } from "./resample.js";

export interface ModulatedConvOptions {
  /** Weight shared by all samples [O, I, k, k]. */
  weight: Tensor;
  /** Scale of each input channel [N, I]. */
  styles: Tensor;
  /** Double the resolution, smoothed with this filter [K, K]. */
  upFilter?: Tensor;
}

/**
 * Modulated, not yet demodulated convolution: [N, I, H, W] to [N, O, H, W], or twice that size with `upFilter`.
 *
 * Scaling a weight's input channels is the same as scaling the input, so that one weight serves the whole
 * batch and no convolution per sample is needed. Equation 1 of the paper, w' = s_i w, moved to the activations.
 */
export function modulatedConv2d(x: Tensor, { weight, styles, upFilter }: ModulatedConvOptions): Tensor {
  return scope(() => {
    const modulated = affineActivation(x, { scale: styles });
    const padding = (weight.size(2) - 1) / 2;
    if (!upFilter) return conv2d(modulated, weight, { padding });
    // [N, O, 2H + 1, 2W + 1]; the filter takes its margin of 3 and gives 2 back as padding.
    const up = convTranspose2d(modulated, weight.permute([1, 0, 2, 3]), { stride: 2 });
    return blur(up, upFilter, { padding: 1, gain: 4 });
  });
}

/**
 * The energy Σ_k w_oik² of a weight [O, I, k, k], which `demodulation` needs: [O, I]; and the weight itself, for the
 * convolution to go on with.
 */
export function withEnergy(weight: Tensor): { weight: Tensor; energy: Tensor } {
  return hasKernels(weight) ? withEnergyKernel(weight) : { weight, energy: weight.square().sum([2, 3]) };
}

/**
 * What each output channel of a modulated convolution is multiplied by so that its standard deviation is 1:
 * equation 3 of the paper, 1 / √(Σ_i s_i² Σ_k w_oik² + ε), with w = `gain` · weight. [N, O]
 * @param energy of the weight, by `withEnergy`
 */
export function demodulation(energy: Tensor, styles: Tensor, { gain = 1 }: { gain?: number } = {}): Tensor {
  return scope(() => {
    const scaled = gain === 1 ? styles : styles.mul(gain);
    return matmul(scaled.square(), energy.permute([1, 0]))
      .add(1e-8)
      .rsqrt();
  });
}
