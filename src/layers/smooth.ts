// Bilinear resampling with a smoothing filter at the larger of the two sizes, edges replicated.
// Zhang, "Making Convolutional Networks Shift-Invariant Again" (2019).
//
// Padding, bilinear interpolation and smoothing are all linear and local, so that each direction is one
// depthwise convolution over the input with replicated edges, with a kernel composed of the two steps. Against
// the steps one after the other (forward and backward, one thread, channels-last) this takes 0.8 of the time
// at [8, 128, 32, 32], the same going up at 32 channels, and half on images. The edges come from slices:
// libtorch's replication padding leaves the channels-last layout, and the depthwise convolution after it then
// takes many times as long.

import { hasKernels, resampleKernel } from "../torch/kernels.js";
import { Module } from "../torch/module.js";
import { cat, conv2d, matmul, pixelShuffle, stack } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import { type Tensor, tensor } from "../torch/tensor.js";
import { firFilter } from "./resample.js";

/**
 * What bilinear interpolation to twice the size (pixels as areas, align_corners false) makes of the pixels
 * i - 1, i and i + 1, at the outputs 2i - 1, 2i, 2i + 1 and 2i + 2.
 */
const bilinearUp = [
  [0.75, 0.25, 0],
  [0.25, 0.75, 0],
  [0, 0.75, 0.25],
  [0, 0.25, 0.75],
];

/** The same as a filter over pixels with zeros between them, at the three places that the smoothing meets. */
const bilinearSpread = [
  [0.25, 0.75, 0.75, 0.25, 0, 0],
  [0, 0.25, 0.75, 0.75, 0.25, 0],
  [0, 0, 0.25, 0.75, 0.75, 0.25],
];

/** Bilinear interpolation to half the size is the mean of two pixels: both meet the three taps one pixel apart. */
const bilinearDown = [
  [0.5, 0.5, 0, 0],
  [0, 0.5, 0.5, 0],
  [0, 0, 0.5, 0.5],
];

function matrixLike(kernel: Tensor, rows: readonly (readonly number[])[]): Tensor {
  return scope(() =>
    tensor(rows.flat(), [rows.length, rows[0]?.length ?? 0])
      .to(kernel.dtype)
      .toDevice(kernel.device),
  );
}

/** The edge pixels once more, all around: [N, C, H, W] to [N, C, H + 2, W + 2]. */
export function replicateEdges(x: Tensor): Tensor {
  return scope(() =>
    [2, 3].reduce((y, dim) => cat([y.narrow(dim, 0, 1), y, y.narrow(dim, y.size(dim) - 1, 1)], dim), x),
  );
}

/** Bilinear interpolation to twice the size, then `kernel` [3, 3]: [N, C, H, W] to [N, C, 2H, 2W]. */
export function upsampleAndSmooth(x: Tensor, kernel: Tensor): Tensor {
  return scope(() => {
    const channels = x.size(1);
    if (hasKernels(x)) {
      // Zeros between the pixels, then both filters as one; the replicated edge is two places of the six taps' margin.
      const spread = matrixLike(kernel, bilinearSpread);
      const filter = matmul(matmul(spread.permute([1, 0]), kernel), spread); // [6, 6]
      const size = [x.size(2) * 2, x.size(3) * 2] as const;
      return resampleKernel(replicateEdges(x), filter, { up: 2, padding: 1, size });
    }
    const bilinear = matrixLike(kernel, bilinearUp);
    // The three taps around an output of parity p meet the interpolated rows p to p + 2 of the table.
    const steps = [bilinear.narrow(0, 0, 3), bilinear.narrow(0, 1, 3)];
    const phases = steps.flatMap((dy) => steps.map((dx) => matmul(matmul(dy.permute([1, 0]), kernel), dx)));
    const weight = stack(phases, 0) // [4, 3, 3]
      .reshape([1, 4, 1, 3, 3])
      .expand([channels, -1, -1, -1, -1])
      .reshape([channels * 4, 1, 3, 3]);
    return pixelShuffle(conv2d(replicateEdges(x), weight, { groups: channels }), 2);
  });
}

/** `kernel` [3, 3], then bilinear interpolation to half the size: [N, C, H, W] to [N, C, H / 2, W / 2]. */
export function smoothAndDownsample(x: Tensor, kernel: Tensor): Tensor {
  return scope(() => {
    const channels = x.size(1);
    const bilinear = matrixLike(kernel, bilinearDown);
    const filter = matmul(matmul(bilinear.permute([1, 0]), kernel), bilinear); // [4, 4]
    if (hasKernels(x)) {
      const size = [x.size(2) / 2, x.size(3) / 2] as const;
      return resampleKernel(replicateEdges(x), filter, { down: 2, padding: 0, size });
    }
    const weight = filter.reshape([1, 1, 4, 4]).expand([channels, -1, -1, -1]);
    return conv2d(replicateEdges(x), weight, { stride: 2, groups: channels });
  });
}

/** Holds the filter [1, 2, 1] ⊗ [1, 2, 1] / 16 as a buffer `smooth.kernel` [1, 1, 3, 3]. */
abstract class SmoothResampling extends Module {
  readonly #kernel: Tensor;

  constructor() {
    super();
    this.#kernel = this.buffer("smooth.kernel", firFilter([1, 2, 1]).reshape([1, 1, 3, 3]));
  }

  protected kernel(): Tensor {
    return this.#kernel.reshape([3, 3]);
  }
}

/** [N, C, H, W] to [N, C, 2H, 2W]. */
export class UpSample extends SmoothResampling {
  forward(x: Tensor): Tensor {
    return scope(() => upsampleAndSmooth(x, this.kernel()));
  }
}

/** [N, C, H, W] to [N, C, H / 2, W / 2]. */
export class DownSample extends SmoothResampling {
  forward(x: Tensor): Tensor {
    return scope(() => smoothAndDownsample(x, this.kernel()));
  }
}
