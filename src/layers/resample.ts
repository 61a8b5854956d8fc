// Low-pass filtered resampling with zero padding.
// Zhang, "Making Convolutional Networks Shift-Invariant Again" (2019);
// Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), appendix B.
//
// Without the addon's kernel all filters are depthwise convolutions: in channels-last layout these run ten times as
// fast as anything else libtorch offers on a CPU. A grouped transposed convolution is a hundred times slower: never use one.

import { hasKernels, resampleKernel } from "../torch/kernels.js";
import { conv2d, pad2d, pixelShuffle, stack } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import { type Tensor, tensor } from "../torch/tensor.js";

/** The separable filter as a normalized outer product [K, K]; [1, 3, 3, 1] is StyleGAN2's. */
export function firFilter(taps: readonly number[] = [1, 3, 3, 1]): Tensor {
  const total = taps.reduce((sum, tap) => sum + tap, 0) ** 2;
  return tensor(
    taps.flatMap((a) => taps.map((b) => (a * b) / total)),
    [taps.length, taps.length],
  );
}

/** One copy of the filter [K, K] for each channel of x [N, C, H, W]: [C, 1, K, K]. */
function depthwise(filter: Tensor, x: Tensor): Tensor {
  const [k] = filter.shape as [number];
  return filter
    .to(x.dtype)
    .reshape([1, 1, k, k])
    .expand([x.size(1), -1, -1, -1]);
}

/** Every channel of `x` [N, C, H, W] filtered; [N, C, H + 2 padding - K + 1, …]. */
export function blur(x: Tensor, filter: Tensor, options: { padding: number; gain?: number }): Tensor {
  return scope(() => {
    const { padding, gain = 1 } = options;
    if (hasKernels(x)) {
      const margin = 2 * padding - filter.size(0) + 1;
      const size = [x.size(2) + margin, x.size(3) + margin] as const;
      return resampleKernel(x, filter, { padding, size, gain });
    }
    const kernel = depthwise(gain === 1 ? filter : filter.mul(gain), x);
    return conv2d(x, kernel, { padding, groups: x.size(1) });
  });
}

/** Half the resolution: filter, then every second pixel. [N, C, H, W] to [N, C, H / 2, W / 2]. */
export function downsample2d(x: Tensor, filter: Tensor): Tensor {
  return scope(() => {
    const padding = (filter.size(0) - 2) / 2;
    if (hasKernels(x)) {
      const size = [x.size(2) / 2, x.size(3) / 2] as const;
      return resampleKernel(x, filter, { down: 2, padding, size });
    }
    return conv2d(x, depthwise(filter, x), { stride: 2, padding, groups: x.size(1) });
  });
}

/**
 * Twice the resolution: zeros between the pixels, then the filter at gain 4. [N, C, H, W] to [N, C, 2H, 2W].
 *
 * Without a kernel in polyphase form: each of the four output phases is a small filter of the input, and the four
 * results interleave. The filter must have four taps in each direction.
 */
export function upsample2d(x: Tensor, filter: Tensor): Tensor {
  return scope(() => {
    if (hasKernels(x)) {
      const size = [x.size(2) * 2, x.size(3) * 2] as const;
      return resampleKernel(x, filter, { up: 2, padding: 2, size, gain: 4 });
    }
    const channels = x.size(1);
    const phases = [
      phaseKernel(filter, 0, 0),
      phaseKernel(filter, 0, 1),
      phaseKernel(filter, 1, 0),
      phaseKernel(filter, 1, 1),
    ];
    const kernel = stack(phases, 0) // [4, 3, 3]
      .mul(4)
      .reshape([1, 4, 1, 3, 3])
      .expand([channels, -1, -1, -1, -1])
      .reshape([channels * 4, 1, 3, 3]);
    return pixelShuffle(conv2d(x, kernel, { padding: 1, groups: channels }), 2);
  });
}

/**
 * The taps of `filter` [4, 4] that meet a pixel in output rows of parity `dy` and columns of parity `dx`,
 * as a kernel [3, 3] over the input.
 *
 * With zeros between the pixels and two before the first, output o is sum_t f[t] z[o + t - 2]: an even
 * o = 2i meets x[i - 1] at t = 0 and x[i] at t = 2, an odd one x[i] at t = 1 and x[i + 1] at t = 3.
 */
function phaseKernel(filter: Tensor, dy: number, dx: number): Tensor {
  const rows = filter.reshape([2, 2, 2, 2]).select(1, dy).select(2, dx); // [2, 2]: every second row and column
  return pad2d(rows, { top: dy, bottom: 1 - dy, left: dx, right: 1 - dx });
}
