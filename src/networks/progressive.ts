// What ProGAN and StyleGAN share: growing, layers with the gain in their weights, and the discriminator.
// Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation" (2018).
//
// Legend of shapes: N batch, C channels, H and W pixels, I and O channels or features in and out.

import { z } from "zod";
import { type Activation, activate } from "../layers/activation.js";
import { minibatchStdDev } from "../layers/normalization.js";
import { blur, firFilter } from "../layers/resample.js";
import { Module } from "../torch/module.js";
import { avgPool2d, conv2d, convTranspose2d, linear, pad2d, upsampleNearest2d, zeros } from "../torch/ops.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { checkShape } from "./checkShape.js";
import type { Discriminator, Generator } from "./network.js";

// ---- growth ----

/** Level of the first images, 4x4. */
export const minLevel = 2;

export const growthSchema = z.strictObject({
  /** Images are 2^level pixels wide. */
  level: z.number().int().min(minLevel).max(12),
  /**
   * How far the newest block is in: 1 fully, 0 not at all. As in the paper (figure 2); the official code
   * counts the other way round.
   */
  alpha: z.number().min(0).max(1),
});

/** How far a network has grown. */
export type Growth = z.infer<typeof growthSchema>;

/** A network that begins small and grows. Images at its boundary are as large as its present level. */
export interface Progressive {
  /** log2 of the full resolution. */
  readonly maxLevel: number;
  /** How far it has grown; fully at first. At `minLevel` there is no older block, and alpha has no effect. */
  readonly growth: Growth;
  /** @throws when the level is not a whole number from `minLevel` to `maxLevel` or alpha is not in [0, 1] */
  setGrowth(growth: Growth): void;
}

export interface ProgressiveGenerator extends Generator, Progressive {
  /** How many of the `numWs` w vectors have an effect at the present level. Style mixing crosses over inside. */
  readonly numWsInUse: number;
}

export interface ProgressiveDiscriminator extends Discriminator, Progressive {}

export function isProgressive<M extends Module>(network: M): network is M & Progressive {
  return network instanceof ProgressiveModule;
}

/** Grows a network that can; others stay as they are. */
export function setGrowth(network: Module, growth: Growth): void {
  if (isProgressive(network)) network.setGrowth(growth);
}

/** How many of a generator's w vectors have an effect at its present size. */
export function layersInUse(G: Generator): number {
  return "numWsInUse" in G ? (G as ProgressiveGenerator).numWsInUse : G.numWs;
}

export abstract class ProgressiveModule extends Module implements Progressive {
  readonly maxLevel: number;
  #growth: Growth;

  constructor(config: ProgressiveConfig) {
    super();
    this.maxLevel = Math.log2(config.resolution);
    this.#growth = { level: this.maxLevel, alpha: 1 };
  }

  get growth(): Growth {
    return this.#growth;
  }

  setGrowth({ level, alpha }: Growth): void {
    const { maxLevel } = this;
    if (!Number.isInteger(level) || level < minLevel || level > maxLevel)
      throw new Error(`growth: level is ${level}, expected a whole number from ${minLevel} to ${maxLevel}`);
    if (!(alpha >= 0 && alpha <= 1))
      throw new Error(`growth: alpha is ${alpha}, expected a number from 0 to 1`);
    this.#growth = { level, alpha };
  }
}

// ---- configuration ----

/**
 * The part of a configuration that both networks of ProGAN and StyleGAN share. The upper bounds are far beyond
 * any published network: they keep a damaged file from asking for all memory.
 */
export const progressiveConfigShape = {
  /** Resolution when fully grown: a power of two from 8 on. */
  resolution: z
    .number()
    .int()
    .min(8)
    .max(4096)
    .refine((resolution) => Number.isInteger(Math.log2(resolution)), "not a power of two"),
  zDim: z.number().int().min(1).max(8192),
  /** Neither network knows classes. */
  cDim: z.literal(0),
  /** Channels at resolution r are min(channelBase / r, channelMax). */
  channelBase: z
    .number()
    .int()
    .min(1)
    .max(2 ** 20),
  channelMax: z.number().int().min(1).max(4096),
  /** Samples over which the discriminator takes its standard deviation. */
  mbstdGroupSize: z.number().int().positive(),
  /** Channels of standard deviation that the discriminator adds; divides its channels at 4x4. */
  mbstdNumFeatures: z.number().int().positive(),
  /** What follows the discriminator's layers from RGB: `lrelu` in the paper, `linear` in PyTorch ports of it. */
  fromRgbActivation: z.enum(["lrelu", "linear"]),
};

const progressiveConfigSchema = z.strictObject(progressiveConfigShape);

export type ProgressiveConfig = z.infer<typeof progressiveConfigSchema>;

export const imageChannels = 3;

/** Channels of a block whose output (generator) or input (discriminator) has 2^level pixels a side. */
export function channelsAt(config: ProgressiveConfig, level: number): number {
  return Math.max(Math.min(Math.floor(config.channelBase / 2 ** level), config.channelMax), 1);
}

/** The levels from `first` on up to the full resolution. */
export function levelsFrom(first: number, config: ProgressiveConfig): number[] {
  const count = Math.log2(config.resolution) - first + 1;
  return Array.from({ length: count }, (_, i) => first + i);
}

// ---- layers ----

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

  forward(x: Tensor): Tensor {
    return scope(() => linear(x, this.weight.mul(this.#weightGain), this.bias.mul(this.#biasGain)));
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

/** Convolution with "same" padding, He's constant and a bias: [N, I, H, W] to [N, O, H, W]. */
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
    this.weight = this.parameter("weight", randn([outChannels, inChannels, kernelSize, kernelSize]));
    this.bias = this.parameter("bias", zeros([outChannels]));
    this.#blur = options.resample === "up-smooth" ? this.child("intermediate", new Blur()) : undefined;
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const { bias } = this;
      const { kernelSize, resample } = this.#options;
      const padding = (kernelSize - 1) / 2;
      const weight = this.weight.mul(this.#weightGain);
      if (resample === "down") return conv2d(x, halvingKernel(weight), { bias, stride: 2, padding });
      if (resample === undefined) return conv2d(x, weight, { bias, padding });
      const y = convTranspose2d(x, doublingKernel(weight), { stride: 2, padding });
      return this.#blur ? this.#blur.forward(y, bias) : y.add(bias.reshape([1, -1, 1, 1]));
    });
  }
}

/** Smoothing with [1, 2, 1] in both directions, and a bias: [N, C, H, W] to the same. */
class Blur extends Module {
  readonly #kernel: Tensor; // [1, 1, 3, 3]

  constructor() {
    super();
    this.#kernel = this.buffer("kernel", firFilter([1, 2, 1]).reshape([1, 1, 3, 3]));
  }

  forward(x: Tensor, bias?: Tensor): Tensor {
    return scope(() => blur(x, this.#kernel.reshape([3, 3]), { padding: 1, ...(bias ? { bias } : {}) }));
  }
}

// ---- the end of a generator ----

/** One 1x1 convolution to an image for each level, and the fade from the older one to the newest. */
export class ToRgb extends Module {
  readonly #layers: readonly HeConv2d[];

  constructor(config: ProgressiveConfig) {
    super();
    this.#layers = levelsFrom(minLevel, config).map((level, i) =>
      this.child(
        String(i),
        new HeConv2d(channelsAt(config, level), imageChannels, { kernelSize: 1, gain: 1 }),
      ),
    );
  }

  /**
   * `features` of the levels from 4x4 on, the newest last, to images [N, 3, H, W] of the newest:
   * (1 - α) · up(toRGB(older)) + α · toRGB(newest). Karras et al. (2018), figure 2.
   */
  forward(features: readonly Tensor[], alpha: number): Tensor {
    return scope(() => {
      const image = (index: number) => (this.#layers[index] as HeConv2d).forward(features[index] as Tensor);
      const newest = features.length - 1;
      if (newest === 0 || alpha === 1) return image(newest);
      return upsampleNearest2d(image(newest - 1), 2).lerp(image(newest), alpha);
    });
  }
}

// ---- the discriminator ----

/** Two convolutions, to half the resolution. */
class DiscriminatorBlock extends Module {
  readonly #conv0: HeConv2d;
  readonly #blur: Blur | undefined;
  readonly #conv1: HeConv2d;

  constructor(config: ProgressiveConfig, { level, smooth }: { level: number; smooth: boolean }) {
    super();
    const channels = channelsAt(config, level);
    const outChannels = channelsAt(config, level - 1);
    this.#conv0 = this.child("conv0", new HeConv2d(channels, channels, { kernelSize: 3 }));
    this.#blur = smooth ? this.child("blur", new Blur()) : undefined;
    const conv1 = new HeConv2d(channels, outChannels, { kernelSize: 3, resample: "down" });
    this.#conv1 = this.child("conv1_down", conv1);
  }

  /** [N, C, H, W] to [N, C', H / 2, W / 2]. */
  forward(input: Tensor): Tensor {
    return scope(() => {
      const x = lrelu(this.#conv0.forward(input));
      return lrelu(this.#conv1.forward(this.#blur ? this.#blur.forward(x) : x));
    });
  }
}

/** Minibatch standard deviation and the last layers, at 4x4. */
class DiscriminatorEpilogue extends Module {
  readonly #config: ProgressiveConfig;
  readonly #conv: HeConv2d;
  readonly #dense0: HeLinear;
  readonly #dense1: HeLinear;

  constructor(config: ProgressiveConfig) {
    super();
    this.#config = config;
    const channels = channelsAt(config, minLevel);
    // The paper's 4x4 convolution without padding is a dense layer; its width goes on by the rule of channels.
    const features = channelsAt(config, minLevel - 1);
    const conv = new HeConv2d(channels + config.mbstdNumFeatures, channels, { kernelSize: 3 });
    this.#conv = this.child("conv", conv);
    this.#dense0 = this.child("dense0", new HeLinear(channels * 4 ** minLevel, features));
    this.#dense1 = this.child("dense1", new HeLinear(features, 1, { gain: 1 }));
  }

  /** [N, C, 4, 4] to logits [N, 1]. */
  forward(x: Tensor): Tensor {
    return scope(() => {
      const { mbstdGroupSize: groupSize, mbstdNumFeatures: numNewFeatures } = this.#config;
      const y = lrelu(this.#conv.forward(minibatchStdDev(x, { groupSize, numNewFeatures })));
      return this.#dense1.forward(lrelu(this.#dense0.forward(y.reshape([y.size(0), -1]))));
    });
  }
}

/**
 * The generator's mirror image. Layers are numbered from the full resolution down, so that number i of
 * `from_rgb` and of `blocks` takes images or features of level `maxLevel - i`.
 */
export class GrowingDiscriminator extends ProgressiveModule implements ProgressiveDiscriminator {
  readonly #fromRgb: readonly HeConv2d[];
  readonly #blocks: readonly DiscriminatorBlock[];
  readonly #epilogue: DiscriminatorEpilogue;
  readonly #fromRgbActivation: Activation;

  /** @param options smooth: blur with [1, 2, 1] before each reduction of the resolution, as StyleGAN does */
  constructor(config: ProgressiveConfig, { smooth }: { smooth: boolean }) {
    super(config);
    this.#fromRgbActivation = config.fromRgbActivation;
    const channels = channelsAt(config, minLevel);
    if (channels % config.mbstdNumFeatures !== 0)
      throw new Error(
        `mbstdNumFeatures is ${config.mbstdNumFeatures}, expected a divisor of the ${channels} channels at 4x4`,
      );
    this.#blocks = levelsFrom(minLevel + 1, config)
      .reverse()
      .map((level, i) => this.child(`blocks.${i}`, new DiscriminatorBlock(config, { level, smooth })));
    this.#epilogue = this.child("final_block", new DiscriminatorEpilogue(config));
    this.#fromRgb = levelsFrom(minLevel, config)
      .reverse()
      .map((level, i) =>
        this.child(
          `from_rgb.${i}`,
          new HeConv2d(imageChannels, channelsAt(config, level), { kernelSize: 1 }),
        ),
      );
  }

  /** Images [N, 3, 2^level, 2^level] to logits [N, 1]. */
  forward(images: Tensor, c: Tensor | null): Tensor {
    const { level, alpha } = this.growth;
    checkShape("images", images, [null, imageChannels, 2 ** level, 2 ** level]);
    checkUnconditional(c);
    return scope(() => {
      const input = images.contiguous("channelsLast");
      let x = this.#features(input, level);
      for (let at = level; at > minLevel; at--) {
        x = (this.#blocks[this.maxLevel - at] as DiscriminatorBlock).forward(x);
        // (1 - α) · fromRGB(down(image)) + α · block(fromRGB(image)): Karras et al. (2018), figure 2.
        if (at === level && alpha < 1) x = this.#features(avgPool2d(input, 2), level - 1).lerp(x, alpha);
      }
      return this.#epilogue.forward(x);
    });
  }

  /** Images to the first features of `level`. */
  #features(images: Tensor, level: number): Tensor {
    return scope(() => {
      const y = (this.#fromRgb[this.maxLevel - level] as HeConv2d).forward(images);
      return activate(y, this.#fromRgbActivation);
    });
  }
}

// ---- checks ----

/** @throws Error when classes come to networks that have none */
export function checkUnconditional(c: Tensor | null): void {
  if (c) throw new Error("c: this network is unconditional, expected null");
}
