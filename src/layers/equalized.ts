// Layers with an equalized learning rate: weights are stored as N(0, 1) and scaled when they are used, so that
// Adam's updates, which do not see the scale of a gradient, have the same relative size in every layer.
// Karras et al., "Progressive Growing of GANs" (2018), section 4.1.

import { Module } from "../torch/module.js";
import { conv2d, linear, zeros } from "../torch/ops.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { type Activation, activate, activationGain, affineActivation } from "./activation.js";
import { randomConvWeight } from "./convWeight.js";
import { blur, downsample2d, firFilter } from "./resample.js";

export interface FullyConnectedOptions {
  activation?: Activation;
  /** Initial bias, before the learning rate multiplier. Default 0. */
  biasInit?: number;
  /**
   * Stored weights are divided by it and used ones multiplied, so that they learn this many times as fast.
   * Karras et al., "A Style-Based Generator Architecture" (2019), appendix C. Default 1.
   */
  lrMultiplier?: number;
}

/** activation(x · wᵀ · lrMultiplier / √I + b · lrMultiplier) for x [N, I]; returns [N, O]. */
export class FullyConnected extends Module {
  readonly weight: Tensor; // [O, I]
  readonly bias: Tensor; // [O]
  readonly #activation: Activation;
  readonly #weightGain: number;
  readonly #biasGain: number;

  constructor(inFeatures: number, outFeatures: number, options: FullyConnectedOptions = {}) {
    super();
    const { activation = "linear", biasInit = 0, lrMultiplier = 1 } = options;
    this.weight = this.parameter("weight", randn([outFeatures, inFeatures]).mul_(1 / lrMultiplier));
    this.bias = this.parameter("bias", zeros([outFeatures]).fill_(biasInit));
    this.#activation = activation;
    this.#weightGain = (lrMultiplier / Math.sqrt(inFeatures)) * activationGain[activation];
    this.#biasGain = lrMultiplier * activationGain[activation];
  }

  /** The weight as `forward` applies it [O, I]. */
  scaledWeight(): Tensor {
    return this.weight.mul(this.#weightGain);
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      // The gain on the input, which is smaller than the weight.
      const y = linear(x.mul(this.#weightGain), this.weight, this.bias.mul(this.#biasGain));
      return activate(y, this.#activation);
    });
  }
}

export interface EqualizedConv2dOptions {
  kernelSize: number;
  activation?: Activation;
  bias?: boolean;
  /** Halve the resolution, with the FIR filter before the strided convolution. */
  down?: boolean;
  /** Largest magnitude of the output at gain 1; null: no limit. Default null. */
  clamp?: number | null;
}

/** Convolution with equalized learning rate, "same" padding, bias, activation and optional down-sampling. */
export class EqualizedConv2d extends Module {
  readonly weight: Tensor; // [O, I, kH, kW]
  readonly bias: Tensor | undefined; // [O]
  /** Filter of the down-sampling; NVIDIA's networks carry it in layers without one as well. */
  readonly resampleFilter: Tensor; // [4, 4]
  readonly #options: EqualizedConv2dOptions;
  readonly #weightGain: number;

  constructor(inChannels: number, outChannels: number, options: EqualizedConv2dOptions) {
    super();
    const { kernelSize, bias = true } = options;
    this.#options = options;
    this.#weightGain = 1 / Math.sqrt(inChannels * kernelSize ** 2);
    const weight = randomConvWeight([outChannels, inChannels, kernelSize, kernelSize]);
    this.weight = this.parameter("weight", weight);
    this.bias = bias ? this.parameter("bias", zeros([outChannels])) : undefined;
    this.resampleFilter = this.buffer("resample_filter", firFilter());
  }

  /** [N, I, H, W] to [N, O, H, W], or half of that size with `down`; the output is multiplied by `gain`. */
  forward(x: Tensor, { gain = 1 }: { gain?: number } = {}): Tensor {
    return scope(() => {
      const { kernelSize, activation = "linear", down = false, clamp = null } = this.#options;
      const outputGain = activationGain[activation] * gain;
      const { weight, bias } = this;
      const padding = (kernelSize - 1) / 2;
      let y: Tensor;
      if (!down) {
        y = conv2d(x, weight, { padding });
      } else if (kernelSize === 1) {
        y = conv2d(downsample2d(x, this.resampleFilter), weight);
      } else {
        // The filter's own margin of 1 and the convolution's are padded at once; [N, I, H + 1, W + 1] follows.
        const smooth = blur(x, this.resampleFilter, { padding: padding + 1 });
        y = conv2d(smooth, weight, { stride: 2 });
      }
      // The weight's gain is applied to the output, in a pass that is needed anyhow, and not to each weight.
      return affineActivation(y, {
        overwrite: true,
        scaleGain: this.#weightGain * outputGain,
        bias,
        biasGain: outputGain,
        activation,
        clamp: clamp === null ? null : clamp * gain,
      });
    });
  }
}
