// Layers of the minimal StyleGAN2: equalized learning rate without gains of activations. Names of parameters are its
// source's; StyleGAN2's own are in `equalized.ts`.

import { Module } from "../torch/module.js";
import { conv2d, linear, ones } from "../torch/ops.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { type Activation, affineActivation } from "./activation.js";
import { randomConvWeight } from "./convWeight.js";

/**
 * A weight with equalized learning rate: stored as N(0, 1), used times c = 1 / √(I kH kW).
 * Karras et al., "Progressive Growing of GANs" (2018), section 4.1.
 */
export class EqualizedWeight extends Module {
  /** As it is stored. */
  readonly stored: Tensor;
  /** What it is multiplied by when it is used. */
  readonly gain: number;

  /** @param initial [O, I] or [O, I, kH, kW], already divided by the multiplier; owned from now on */
  constructor(initial: Tensor, lrMultiplier = 1) {
    super();
    this.stored = this.parameter("weight", initial);
    const fanIn = initial.shape.slice(1).reduce((product, size) => product * size, 1);
    this.gain = lrMultiplier / Math.sqrt(fanIn);
  }
}

export interface EqualizedLinearOptions {
  biasInit?: number;
  lrMultiplier?: number;
}

/** x · wᵀ + b for x [N, I]; returns [N, O]. */
export class EqualizedLinear extends Module {
  readonly #weight: EqualizedWeight;
  readonly #bias: Tensor; // [O]
  readonly #lrMultiplier: number;

  constructor(inFeatures: number, outFeatures: number, options: EqualizedLinearOptions = {}) {
    super();
    const { biasInit = 0, lrMultiplier = 1 } = options;
    this.#lrMultiplier = lrMultiplier;
    const initial = randn([outFeatures, inFeatures]).mul(1 / lrMultiplier);
    this.#weight = this.child("weight", new EqualizedWeight(initial, lrMultiplier));
    this.#bias = this.parameter("bias", ones([outFeatures]).mul(biasInit));
  }

  /** The weight as `forward` applies it [O, I]. */
  scaledWeight(): Tensor {
    return this.#weight.stored.mul(this.#weight.gain);
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const bias = this.#lrMultiplier === 1 ? this.#bias : this.#bias.mul(this.#lrMultiplier);
      // The gain on the input, which is smaller than the weight.
      return linear(x.mul(this.#weight.gain), this.#weight.stored, bias);
    });
  }
}

/** Convolution with bias, which starts at 1 as the source's does, and activation. */
export class EqualizedConv extends Module {
  readonly #weight: EqualizedWeight;
  readonly #bias: Tensor; // [O]
  readonly #padding: number;

  constructor(inChannels: number, outChannels: number, options: { kernelSize: number; padding?: number }) {
    super();
    const { kernelSize, padding = 0 } = options;
    this.#padding = padding;
    const initial = randomConvWeight([outChannels, inChannels, kernelSize, kernelSize]);
    this.#weight = this.child("weight", new EqualizedWeight(initial));
    this.#bias = this.parameter("bias", ones([outChannels]));
  }

  /** [N, I, H, W] to [N, O, H', W']. */
  forward(x: Tensor, { activation = "linear" }: { activation?: Activation } = {}): Tensor {
    return scope(() => {
      const { stored, gain: scaleGain } = this.#weight;
      const y = conv2d(x, stored, { padding: this.#padding });
      return affineActivation(y, { overwrite: true, scaleGain, bias: this.#bias, activation });
    });
  }
}
