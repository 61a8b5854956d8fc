// ProGAN: a generator and a discriminator that grow together.
// Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation" (2018), table 2.
//
// Legend of shapes: N batch, C channels, H and W pixels.

import { z } from "zod";
import { lrelu } from "../layers/activation.js";
import { EqualizedConv, heGain } from "../layers/equalized.js";
import { pixelNorm } from "../layers/normalization.js";
import { ResamplingConv } from "../layers/resamplingConv.js";
import { UserError } from "../system/errors.js";
import { Module } from "../torch/module.js";
import { linear, zeros } from "../torch/ops.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { defineArchitecture } from "./architecture.js";
import { checkShape } from "./checkShape.js";
import type { NoiseMode, StyleAffine, TruncationOptions } from "./network.js";
import {
  channelsAt,
  checkUnconditional,
  GrowingDiscriminator,
  levelsFrom,
  minLevel,
  type ProgressiveGenerator,
  ProgressiveModule,
  progressiveConfigOf,
  progressiveConfigShape,
  ToRgb,
} from "./progressive.js";

/** What shapes a ProGAN; everything that rebuilds its two networks. */
export const proganConfigSchema = z.strictObject(progressiveConfigShape);

export type ProGanConfig = z.infer<typeof proganConfigSchema>;

/** The generator's convolutions; pixelwise normalization follows each. */
const conv = { kernelSize: 3, activation: "lrelu", ...heGain } as const;

/** The latent to features at 4x4. */
class InitialBlock extends Module {
  readonly #weight: Tensor; // [16 C, zDim], pixels before channels
  readonly #bias: Tensor; // [C]
  readonly #weightGain: number;
  readonly #conv: EqualizedConv;

  constructor(config: ProGanConfig) {
    super();
    const channels = channelsAt(config, minLevel);
    this.#weight = this.parameter("dense.weight", randn([channels * 4 ** minLevel, config.zDim]));
    this.#bias = this.parameter("dense.bias", zeros([channels]));
    // The paper's 4x4 convolution of a single pixel is a dense layer, with the convolution's fan-in.
    this.#weightGain = heGain.gain / Math.sqrt(config.zDim * 4 ** minLevel);
    this.#conv = this.child("conv", new EqualizedConv(channels, channels, conv));
  }

  /** Normalized latents [N, zDim] to [N, C, 4, 4]. */
  forward(z: Tensor): Tensor {
    return scope(() => {
      const size = 2 ** minLevel;
      const y = linear(z, this.#weight.mul(this.#weightGain)) // [N, 16 C]
        .reshape([z.size(0), size, size, -1])
        .add(this.#bias)
        .permute([0, 3, 1, 2]);
      return pixelNorm(this.#conv.forward(pixelNorm(lrelu(y))));
    });
  }
}

/** Twice the resolution and two convolutions. */
class UpBlock extends Module {
  readonly #conv0: ResamplingConv;
  readonly #conv1: EqualizedConv;

  constructor(config: ProGanConfig, level: number) {
    super();
    const channels = channelsAt(config, level);
    const conv0 = new ResamplingConv(channelsAt(config, level - 1), channels, { ...conv, resample: "up" });
    this.#conv0 = this.child("conv0_up", conv0);
    this.#conv1 = this.child("conv1", new EqualizedConv(channels, channels, conv));
  }

  forward(x: Tensor): Tensor {
    return scope(() => pixelNorm(this.#conv1.forward(pixelNorm(this.#conv0.forward(x)))));
  }
}

/**
 * The generator. It has no mapping network: its w is z itself, one for all layers, brought to unit length by
 * `synthesize`, so that points between latents are latents as well.
 */
export class ProGanGenerator extends ProgressiveModule implements ProgressiveGenerator {
  readonly zDim: number;
  readonly cDim = 0;
  readonly wDim: number;
  readonly numWs = 1;
  readonly numWsInUse = 1;
  readonly resolution: number;
  readonly #initial: InitialBlock;
  readonly #blocks: readonly UpBlock[];
  readonly #toRgb: ToRgb;

  constructor(config: ProGanConfig) {
    super(config);
    this.zDim = config.zDim;
    this.wDim = config.zDim;
    this.resolution = config.resolution;
    this.#initial = this.child("init_block", new InitialBlock(config));
    this.#blocks = levelsFrom(minLevel + 1, config).map((level, i) =>
      this.child(`blocks.${i}`, new UpBlock(config, level)),
    );
    this.#toRgb = this.child("to_rgb", new ToRgb(config));
  }

  /** @throws UserError when truncation is asked for */
  map(z: Tensor, c: Tensor | null, { truncationPsi = 1 }: TruncationOptions = {}): Tensor {
    checkShape("z", z, [null, this.zDim]);
    checkUnconditional(c);
    if (truncationPsi !== 1)
      throw new UserError(
        `truncation ${truncationPsi} is not possible: it moves w towards its mean, and ProGAN has no w; use 1`,
      );
    return z.unsqueeze(1);
  }

  /** ws [N, 1, zDim] to images [N, 3, 2^level, 2^level]. There is no noise: `noiseMode` has no effect. */
  synthesize(ws: Tensor, _: { noiseMode: NoiseMode }): Tensor {
    checkShape("ws", ws, [null, this.numWs, this.wDim]);
    const { level, alpha } = this.growth;
    return scope(() => {
      let x = this.#initial.forward(pixelNorm(ws.squeeze(1)));
      const features = [x];
      for (const block of this.#blocks.slice(0, level - minLevel)) {
        x = block.forward(x);
        features.push(x);
      }
      return this.#toRgb.forward(features, alpha);
    });
  }

  /** None: the latent is the input of the first layer. */
  styleAffines(): StyleAffine[] {
    return [];
  }

  /** Does nothing: there is no w. */
  updateWAvg(_: Tensor): void {}
}

export class ProGanDiscriminator extends GrowingDiscriminator {
  constructor(config: ProGanConfig) {
    super(config, { smooth: false });
  }
}

export const progan = defineArchitecture({
  name: "progan",
  title: "ProGAN",
  capabilities: { mapping: false, noise: false, classes: false, growth: true },
  configSchema: proganConfigSchema,
  configOf: progressiveConfigOf,
  createGenerator: (config) => new ProGanGenerator(config),
  createDiscriminator: (config) => new ProGanDiscriminator(config),
});
