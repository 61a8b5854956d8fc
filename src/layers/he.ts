// Layers with He's constant in their weights, as ProGAN and StyleGAN have them: the gain of the activation is in
// the weights and not in the biases, unlike StyleGAN2's (`equalized.ts`).
// Karras et al., "Progressive Growing of GANs" (2018), section 4.1.

import { Module } from "../torch/module.js";
import { conv2d, convTranspose2d, linear, pad2d, zeros } from "../torch/ops.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { type Activation, activate, affineActivation } from "./activation.js";
import { randomConvWeight } from "./convWeight.js";
import { blur, firFilter } from "./resample.js";

export function lrelu(x: Tensor): Tensor {
  return activate(x, "lrelu");
}

/** He's gain for a layer with a (leaky) ReLU after it. */
const heGain = Math.SQRT2;

/**
 * x · wᵀ · gain · lrMultiplier / √I + b · lrMultiplier for x [N, I]; returns [N, O].
 *
 * Karras et al. (2018), section 4.1: the stored weights are N(0, 1), divided by the multiplier, and He's
 * constant scales them when they are used. The bias does not have the gain, unlike StyleGAN2's.
 */
export class HeLinear extends Module {
  readonly weight: Tensor; // [O, I]
  readonly bias: Tensor; // [O]
  readonly #weightGain: number;
  readonly #biasGain: number;

  constructor(
    inFeatures: number,
    outFeatures: number,
    { gain = heGain, lrMultiplier = 1 }: { gain?: number; lrMultiplier?: number } = {},
  ) {
    super();
    this.weight = this.parameter("weight", randn([outFeatures, inFeatures]).mul(1 / lrMultiplier));
    this.bias = this.parameter("bias", zeros([outFeatures]));
    this.#weightGain = (gain * lrMultiplier) / Math.sqrt(inFeatures);
    this.#biasGain = lrMultiplier;
  }

  /** The weight as `forward` applies it [O, I]. */
  scaledWeight(): Tensor {
    return this.weight.mul(this.#weightGain);
  }

  forward(x: Tensor): Tensor {
    // The gain on the input, which is smaller than the weight.
    return scope(() => linear(x.mul(this.#weightGain), this.weight, this.bias.mul(this.#biasGain)));
  }
}

export interface HeConv2dOptions {
  kernelSize: number;
  gain?: number;
  /**
   * Double the resolution before the convolution (each pixel becomes a square), or halve it after (the mean of
   * each square); `up-smooth` smooths with [1, 2, 1] between the doubling convolution and the bias.
   */
  resample?: "up" | "up-smooth" | "down";
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

/** Convolution with "same" padding, He's constant, a bias and an activation: [N, I, H, W] to [N, O, H, W]. */
export class HeConv2d extends Module {
  readonly weight: Tensor; // [O, I, k, k]
  readonly bias: Tensor; // [O]
  readonly #weightGain: number;
  readonly #options: HeConv2dOptions;
  readonly #blur: Blur | undefined;

  constructor(inChannels: number, outChannels: number, options: HeConv2dOptions) {
    super();
    const { kernelSize, gain = heGain } = options;
    this.#options = options;
    this.#weightGain = gain / Math.sqrt(inChannels * kernelSize ** 2);
    const weight = randomConvWeight([outChannels, inChannels, kernelSize, kernelSize]);
    this.weight = this.parameter("weight", weight);
    this.bias = this.parameter("bias", zeros([outChannels]));
    this.#blur = options.resample === "up-smooth" ? this.child("intermediate", new Blur()) : undefined;
  }

  forward(x: Tensor, { activation }: { activation?: Activation } = {}): Tensor {
    return scope(() => {
      const y = this.#convolve(x);
      const { bias } = this;
      return affineActivation(y, {
        overwrite: true,
        scaleGain: this.#weightGain,
        bias,
        ...(activation ? { activation } : {}),
      });
    });
  }

  /** Without He's constant and bias. */
  #convolve(x: Tensor): Tensor {
    const { kernelSize, resample } = this.#options;
    const padding = (kernelSize - 1) / 2;
    if (resample === "down") return conv2d(x, halvingKernel(this.weight), { stride: 2, padding });
    if (resample === undefined) return conv2d(x, this.weight, { padding });
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
