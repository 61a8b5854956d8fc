// Layers with an equalized learning rate: weights are stored as N(0, 1) and scaled by 1 / √(fan-in) when they are used, so
// that Adam's updates, which do not see the scale of a gradient, have the same relative size in every layer.
// Karras et al., "Progressive Growing of GANs" (2018), section 4.1.
//
// All of the family is built of them; what differs is where the gain of an activation goes: on the result in StyleGAN2,
// into the weights alone in ProGAN and StyleGAN (`heGain`), nowhere in the minimal StyleGAN2 (gain 1).

import { Module } from "../torch/module.js";
import { conv2d, linear, zeros } from "../torch/ops.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { type Activation, activate, activationGain, affineActivation } from "./activation.js";
import { randomConvWeight } from "./convWeight.js";
import { blur, downsample2d, firFilter } from "./resample.js";

export interface EqualizedOptions {
  /** Default linear. */
  activation?: Activation;
  /** What used weights are multiplied by, beside 1 / √(fan-in). Default: the gain of the activation. */
  gain?: number;
  /** What used biases are multiplied by. Default: as weights. */
  biasGain?: number;
  /** Initial bias, as it is stored. Default 0. */
  biasInit?: number;
  /** The weight is named `weight.weight` and not `weight`. Default false. */
  nestedWeight?: boolean;
}

/** He's constant for a layer with a (leaky) ReLU after it; biases do not have it. Karras et al. (2018), section 4.1. */
export const heGain = { gain: Math.SQRT2, biasGain: 1 } as const;

/** A weight in a module of its own. */
export class EqualizedWeight extends Module {
  /** As it is stored. */
  readonly stored: Tensor;
  /** What it is multiplied by when it is used. */
  readonly gain: number;

  /** @param initial [O, I] or [O, I, kH, kW]; owned from now on */
  constructor(initial: Tensor) {
    super();
    this.stored = this.parameter("weight", initial);
    this.gain = equalizedGain(initial);
  }
}

/** 1 / √(fan-in) of a weight [O, I] or [O, I, kH, kW]. */
function equalizedGain({ shape }: Tensor): number {
  return 1 / Math.sqrt(shape.slice(1).reduce((product, size) => product * size, 1));
}

export interface FullyConnectedOptions extends EqualizedOptions {
  /**
   * Stored weights are divided by it and used ones multiplied, so that they learn this many times as fast.
   * Karras et al., "A Style-Based Generator Architecture" (2019), appendix C. Default 1.
   */
  lrMultiplier?: number;
}

/** activation(x · wᵀ · lrMultiplier · gain / √I + b · lrMultiplier · biasGain) for x [N, I]; returns [N, O]. */
export class FullyConnected extends Module {
  readonly weight: Tensor; // [O, I]
  readonly bias: Tensor; // [O]
  readonly #activation: Activation;
  readonly #weightGain: number;
  readonly #biasGain: number;

  constructor(inFeatures: number, outFeatures: number, options: FullyConnectedOptions = {}) {
    super();
    const { activation = "linear", biasInit = 0, nestedWeight = false, lrMultiplier = 1 } = options;
    const { gain = activationGain[activation], biasGain = gain } = options;
    const weight = randn([outFeatures, inFeatures]).mul_(1 / lrMultiplier);
    this.weight = nestedWeight
      ? this.child("weight", new EqualizedWeight(weight)).stored
      : this.parameter("weight", weight);
    this.bias = this.parameter("bias", zeros([outFeatures]).fill_(biasInit));
    this.#activation = activation;
    this.#weightGain = equalizedGain(weight) * lrMultiplier * gain;
    this.#biasGain = lrMultiplier * biasGain;
  }

  /** The weight as `forward` applies it, without the activation [O, I]. */
  scaledWeight(): Tensor {
    return this.weight.mul(this.#weightGain);
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const bias = this.#biasGain === 1 ? this.bias : this.bias.mul(this.#biasGain);
      // The gain on the input, which is smaller than the weight.
      return activate(linear(x.mul(this.#weightGain), this.weight, bias), this.#activation);
    });
  }
}

export interface EqualizedConvOptions extends EqualizedOptions {
  kernelSize: number;
  /** Default: what keeps the size. */
  padding?: number;
  /** Default true. */
  bias?: boolean;
  /** Largest magnitude of the output at gain 1; null: no limit. Default null. */
  clamp?: number | null;
}

/** Convolution with equalized learning rate, bias and activation. */
export class EqualizedConv extends Module {
  readonly weight: Tensor; // [O, I, kH, kW]
  readonly bias: Tensor | undefined; // [O]
  protected readonly padding: number;
  readonly #activation: Activation;
  readonly #weightGain: number;
  readonly #biasGain: number;
  readonly #clamp: number | null;

  constructor(inChannels: number, outChannels: number, options: EqualizedConvOptions) {
    super();
    const { kernelSize, bias = true, activation = "linear", biasInit = 0, nestedWeight = false } = options;
    const { gain = activationGain[activation], biasGain = gain } = options;
    const weight = randomConvWeight([outChannels, inChannels, kernelSize, kernelSize]);
    this.weight = nestedWeight
      ? this.child("weight", new EqualizedWeight(weight)).stored
      : this.parameter("weight", weight);
    this.bias = bias ? this.parameter("bias", zeros([outChannels]).fill_(biasInit)) : undefined;
    this.padding = options.padding ?? (kernelSize - 1) / 2;
    this.#activation = activation;
    this.#weightGain = equalizedGain(weight) * gain;
    this.#biasGain = biasGain;
    this.#clamp = options.clamp ?? null;
  }

  /** [N, I, H, W] to [N, O, H', W']; the output is multiplied by `gain`. */
  forward(x: Tensor, { gain = 1 }: { gain?: number } = {}): Tensor {
    return scope(() =>
      // The weight's gain is applied to the output, in a pass that is needed anyhow, and not to each weight.
      affineActivation(this.convolve(x), {
        overwrite: true,
        scaleGain: this.#weightGain * gain,
        bias: this.bias,
        biasGain: this.#biasGain * gain,
        activation: this.#activation,
        clamp: this.#clamp === null ? null : this.#clamp * gain,
      }),
    );
  }

  /** With the stored weight, without gains and bias; a tensor of its own. */
  protected convolve(x: Tensor): Tensor {
    return conv2d(x, this.weight, { padding: this.padding });
  }
}

export interface EqualizedConv2dOptions extends EqualizedConvOptions {
  /** Halve the resolution, with the FIR filter before the strided convolution. */
  down?: boolean;
}

/** A convolution of StyleGAN2's discriminator, which may down-sample. */
export class EqualizedConv2d extends EqualizedConv {
  /** Filter of the down-sampling; NVIDIA's networks carry it in layers without one as well. */
  readonly resampleFilter: Tensor; // [4, 4]
  readonly #options: EqualizedConv2dOptions;

  constructor(inChannels: number, outChannels: number, options: EqualizedConv2dOptions) {
    super(inChannels, outChannels, options);
    this.#options = options;
    this.resampleFilter = this.buffer("resample_filter", firFilter());
  }

  protected override convolve(x: Tensor): Tensor {
    const { kernelSize, down = false } = this.#options;
    if (!down) return super.convolve(x);
    if (kernelSize === 1) return conv2d(downsample2d(x, this.resampleFilter), this.weight);
    // The filter's own margin of 1 and the convolution's are padded at once; [N, I, H + 1, W + 1] follows.
    const smooth = blur(x, this.resampleFilter, { padding: this.padding + 1 });
    return conv2d(smooth, this.weight, { stride: 2 });
  }
}
