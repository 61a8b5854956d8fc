// The convolutions of ProGAN and StyleGAN that change the resolution: by squares of pixels, smoothed or not.
// Karras et al., "Progressive Growing of GANs" (2018), table 2; "A Style-Based Generator Architecture" (2019), section 2.

import { Module } from "../torch/module.js";
import { conv2d, convTranspose2d, pad2d } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { EqualizedConv, type EqualizedConvOptions } from "./equalized.js";
import { blur, firFilter } from "./resample.js";

export interface ResamplingConvOptions extends EqualizedConvOptions {
  /**
   * Double the resolution before the convolution (each pixel becomes a square), or halve it after (the mean of
   * each square); `up-smooth` smooths with [1, 2, 1] between the doubling convolution and the bias.
   */
  resample: "up" | "up-smooth" | "down";
}

// A convolution of doubled pixels, and the mean of a convolution's squares of pixels, are both one convolution
// at the small resolution with a kernel one tap larger: up to twice as fast. Each tap of the kernel is seen by
// two neighbouring pixels in each direction.

/** Sums of neighbouring taps: [O, I, k, k] to [O, I, k + 1, k + 1]. */
function spread(weight: Tensor): Tensor {
  const none = { left: 0, right: 0, top: 0, bottom: 0 };
  const rows = pad2d(weight, { ...none, top: 1 }).add(pad2d(weight, { ...none, bottom: 1 }));
  return pad2d(rows, { ...none, left: 1 }).add(pad2d(rows, { ...none, right: 1 }));
}

/** The kernel [O, I, k + 1, k + 1] that convolves at stride 2 and averages over squares in one. */
function halvingKernel(weight: Tensor): Tensor {
  return scope(() => spread(weight).mul(1 / 4));
}

/** The kernel [I, O, k + 1, k + 1] whose transposed convolution at stride 2 doubles and convolves in one. */
function doublingKernel(weight: Tensor): Tensor {
  return scope(() => spread(weight.flip([2, 3])).permute([1, 0, 2, 3]));
}

/** Convolution with "same" padding, to twice or half the resolution. */
export class ResamplingConv extends EqualizedConv {
  readonly #resample: ResamplingConvOptions["resample"];
  readonly #blur: Blur | undefined;

  constructor(inChannels: number, outChannels: number, options: ResamplingConvOptions) {
    super(inChannels, outChannels, options);
    this.#resample = options.resample;
    this.#blur = options.resample === "up-smooth" ? this.child("intermediate", new Blur()) : undefined;
  }

  protected override convolve(x: Tensor): Tensor {
    const { padding } = this;
    if (this.#resample === "down") return conv2d(x, halvingKernel(this.weight), { stride: 2, padding });
    const y = convTranspose2d(x, doublingKernel(this.weight), { stride: 2, padding });
    return this.#blur ? this.#blur.forward(y) : y;
  }
}

/** Smoothing with [1, 2, 1] in both directions: [N, C, H, W] to the same. */
export class Blur extends Module {
  readonly #kernel: Tensor; // [1, 1, 3, 3]

  constructor() {
    super();
    this.#kernel = this.buffer("kernel", firFilter([1, 2, 1]).reshape([1, 1, 3, 3]));
  }

  forward(x: Tensor): Tensor {
    return scope(() => blur(x, this.#kernel.reshape([3, 3]), { padding: 1 }));
  }
}
