// What ProGAN and StyleGAN share: growing, and the discriminator.
// Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation" (2018).
//
// Legend of shapes: N batch, C channels, H and W pixels, I and O channels or features in and out.

import { z } from "zod";
import { EqualizedConv, FullyConnected, heGain } from "../layers/equalized.js";
import { minibatchStdDev, perBatch } from "../layers/normalization.js";
import { Blur, ResamplingConv } from "../layers/resamplingConv.js";
import { Module } from "../torch/module.js";
import { avgPool2d, upsampleNearest2d } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import type { NetworkShape } from "./architecture.js";
import { checkShape } from "./checkShape.js";
import {
  channelBaseField,
  channelsField,
  groupSizeField,
  latentField,
  resolutionField,
} from "./configFields.js";
import type { Discriminator, DiscriminatorOptions, Generator } from "./network.js";

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
  resolution: resolutionField,
  zDim: latentField,
  /** Neither network knows classes. */
  cDim: z.literal(0),
  /** Channels at resolution r are min(channelBase / r, channelMax). */
  channelBase: channelBaseField,
  channelMax: channelsField,
  /** Samples over which the discriminator takes its standard deviation. */
  mbstdGroupSize: groupSizeField,
  /** Channels of standard deviation that the discriminator adds; divides its channels at 4x4. */
  mbstdNumFeatures: z.number().int().positive(),
  /** What follows the discriminator's layers from RGB: `lrelu` in the paper, `linear` in PyTorch ports of it. */
  fromRgbActivation: z.enum(["lrelu", "linear"]),
};

const progressiveConfigSchema = z.strictObject(progressiveConfigShape);

/** That part, as a run asks for it. */
export function progressiveConfigOf(shape: NetworkShape): ProgressiveConfig {
  const { resolution, zDim, channelBase, channelMax, mbstdGroupSize, mbstdNumFeatures } = shape;
  const sizes = { resolution, zDim, channelBase, channelMax, mbstdGroupSize, mbstdNumFeatures };
  return { ...sizes, cDim: 0, fromRgbActivation: "lrelu" };
}

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

// ---- the end of a generator ----

/** One 1x1 convolution to an image for each level, and the fade from the older one to the newest. */
export class ToRgb extends Module {
  readonly #layers: readonly EqualizedConv[];

  constructor(config: ProgressiveConfig) {
    super();
    this.#layers = levelsFrom(minLevel, config).map((level, i) =>
      this.child(String(i), new EqualizedConv(channelsAt(config, level), imageChannels, { kernelSize: 1 })),
    );
  }

  /**
   * `features` of the levels from 4x4 on, the newest last, to images [N, 3, H, W] of the newest:
   * (1 - α) · up(toRGB(older)) + α · toRGB(newest). Karras et al. (2018), figure 2.
   */
  forward(features: readonly Tensor[], alpha: number): Tensor {
    return scope(() => {
      const image = (index: number) =>
        (this.#layers[index] as EqualizedConv).forward(features[index] as Tensor);
      const newest = features.length - 1;
      if (newest === 0 || alpha === 1) return image(newest);
      return upsampleNearest2d(image(newest - 1), 2).lerp(image(newest), alpha);
    });
  }
}

// ---- the discriminator ----

/** Two convolutions, to half the resolution. */
class DiscriminatorBlock extends Module {
  readonly #conv0: EqualizedConv;
  readonly #blur: Blur | undefined;
  readonly #conv1: ResamplingConv;

  constructor(config: ProgressiveConfig, { level, smooth }: { level: number; smooth: boolean }) {
    super();
    const channels = channelsAt(config, level);
    const outChannels = channelsAt(config, level - 1);
    const conv = { kernelSize: 3, activation: "lrelu", ...heGain } as const;
    this.#conv0 = this.child("conv0", new EqualizedConv(channels, channels, conv));
    this.#blur = smooth ? this.child("blur", new Blur()) : undefined;
    const conv1 = new ResamplingConv(channels, outChannels, { ...conv, resample: "down" });
    this.#conv1 = this.child("conv1_down", conv1);
  }

  /** [N, C, H, W] to [N, C', H / 2, W / 2]. */
  forward(input: Tensor): Tensor {
    return scope(() => {
      const x = this.#conv0.forward(input);
      return this.#conv1.forward(this.#blur ? this.#blur.forward(x) : x);
    });
  }
}

/** Minibatch standard deviation and the last layers, at 4x4. */
class DiscriminatorEpilogue extends Module {
  readonly #config: ProgressiveConfig;
  readonly #conv: EqualizedConv;
  readonly #dense0: FullyConnected;
  readonly #dense1: FullyConnected;

  constructor(config: ProgressiveConfig) {
    super();
    this.#config = config;
    const channels = channelsAt(config, minLevel);
    // The paper's 4x4 convolution without padding is a dense layer; its width goes on by the rule of channels.
    const features = channelsAt(config, minLevel - 1);
    const lrelu = { activation: "lrelu", ...heGain } as const;
    const conv = { kernelSize: 3, ...lrelu };
    this.#conv = this.child("conv", new EqualizedConv(channels + config.mbstdNumFeatures, channels, conv));
    this.#dense0 = this.child("dense0", new FullyConnected(channels * 4 ** minLevel, features, lrelu));
    this.#dense1 = this.child("dense1", new FullyConnected(features, 1));
  }

  /** [N, C, 4, 4] to logits [N, 1]. */
  forward(x: Tensor, batches: number): Tensor {
    return scope(() => {
      const { mbstdGroupSize: groupSize, mbstdNumFeatures: numNewFeatures } = this.#config;
      const options = { groupSize, numNewFeatures };
      const features = perBatch(x, batches, (part) => minibatchStdDev(part, options));
      const y = this.#conv.forward(features);
      return this.#dense1.forward(this.#dense0.forward(y.reshape([y.size(0), -1])));
    });
  }
}

/**
 * The generator's mirror image. Layers are numbered from the full resolution down, so that number i of
 * `from_rgb` and of `blocks` takes images or features of level `maxLevel - i`.
 */
export class GrowingDiscriminator extends ProgressiveModule implements ProgressiveDiscriminator {
  readonly #fromRgb: readonly EqualizedConv[];
  readonly #blocks: readonly DiscriminatorBlock[];
  readonly #epilogue: DiscriminatorEpilogue;
  readonly groupSize: number;

  /** @param options smooth: blur with [1, 2, 1] before each reduction of the resolution, as StyleGAN does */
  constructor(config: ProgressiveConfig, { smooth }: { smooth: boolean }) {
    super(config);
    this.groupSize = config.mbstdGroupSize;
    const channels = channelsAt(config, minLevel);
    if (channels % config.mbstdNumFeatures !== 0)
      throw new Error(
        `mbstdNumFeatures is ${config.mbstdNumFeatures}, expected a divisor of the ${channels} channels at 4x4`,
      );
    this.#blocks = levelsFrom(minLevel + 1, config)
      .reverse()
      .map((level, i) => this.child(`blocks.${i}`, new DiscriminatorBlock(config, { level, smooth })));
    this.#epilogue = this.child("final_block", new DiscriminatorEpilogue(config));
    const fromRgb = { kernelSize: 1, activation: config.fromRgbActivation, ...heGain };
    this.#fromRgb = levelsFrom(minLevel, config)
      .reverse()
      .map((level, i) =>
        this.child(`from_rgb.${i}`, new EqualizedConv(imageChannels, channelsAt(config, level), fromRgb)),
      );
  }

  /** None: the layer at the image is another one at each resolution. */
  layersFromImage(): Module[] {
    return [];
  }

  /** Images [N, 3, 2^level, 2^level] to logits [N, 1]. */
  forward(images: Tensor, c: Tensor | null, { batches = 1 }: DiscriminatorOptions = {}): Tensor {
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
      return this.#epilogue.forward(x, batches);
    });
  }

  /** Images to the first features of `level`. */
  #features(images: Tensor, level: number): Tensor {
    return (this.#fromRgb[this.maxLevel - level] as EqualizedConv).forward(images);
  }
}

// ---- checks ----

/** @throws Error when classes come to networks that have none */
export function checkUnconditional(c: Tensor | null): void {
  if (c) throw new Error("c: this network is unconditional, expected null");
}
