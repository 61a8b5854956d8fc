// StyleGAN: a mapping network, a synthesis network that styles control, and a discriminator that blurs.
// Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks" (2019).
//
// Legend of shapes: N batch, C channels, H and W pixels, L layers (numWs).

import { z } from "zod";
import { lrelu } from "../layers/activation.js";
import { adaptiveInstanceNorm } from "../layers/adain.js";
import { EqualizedConv, FullyConnected, heGain } from "../layers/equalized.js";
import { ResamplingConv } from "../layers/resamplingConv.js";
import { Module } from "../torch/module.js";
import { addcmul, ones, zeros } from "../torch/ops.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { defineArchitecture } from "./architecture.js";
import { checkShape } from "./checkShape.js";
import { latentField, mappingFields } from "./configFields.js";
import { broadcastWs, MappingNetwork, truncate } from "./mapping.js";
import type { NoiseMode, StyleAffine, TruncationOptions } from "./network.js";
import { checkNoises, type NoiseSource, noiseMap } from "./noise.js";
import {
  channelsAt,
  checkUnconditional,
  GrowingDiscriminator,
  type Growth,
  levelsFrom,
  minLevel,
  type ProgressiveGenerator,
  ProgressiveModule,
  progressiveConfigOf,
  progressiveConfigShape,
  ToRgb,
} from "./progressive.js";

/** What shapes a StyleGAN; everything that rebuilds its two networks. */
export const stylegan1ConfigSchema = z.strictObject({
  ...progressiveConfigShape,
  wDim: latentField,
  ...mappingFields,
});

export type StyleGan1Config = z.infer<typeof stylegan1ConfigSchema>;

export interface StyleGan1SynthesisOptions {
  noiseMode: NoiseMode;
  /** The noise of each layer in use [N or 1, 1, H, W], from 4x4 on, two for each resolution; goes before `noiseMode`. */
  noise?: readonly Tensor[];
}

/** The mapping network: section 2 and appendix C of the paper, with the names of a PyTorch port of it. */
function mappingNetwork(config: StyleGan1Config): MappingNetwork {
  const { zDim, wDim, mappingLayers: layers, mappingLrMultiplier: lrMultiplier, wAvgBeta } = config;
  const form = { layerName: (i: number) => `map.dense${i}`, layer: heGain };
  return new MappingNetwork({ zDim, cDim: 0, wDim, layers, lrMultiplier, wAvgBeta, form });
}

/** Noise, leaky ReLU and AdaIN: what follows each convolution. Figure 1 of the paper. */
class LayerEpilogue extends Module {
  readonly #noiseConst: Tensor; // [H, W]
  readonly #noiseWeight: Tensor; // [C]
  readonly #style: FullyConnected;

  constructor({ channels, wDim, level }: { channels: number; wDim: number; level: number }) {
    super();
    this.#noiseWeight = this.parameter("top_epi.noise.weight", zeros([channels]));
    this.#noiseConst = this.buffer("top_epi.noise.const", randn([2 ** level, 2 ** level]));
    this.#style = this.child("style_mod.lin", new FullyConnected(wDim, 2 * channels));
  }

  /** From w to styles, as `forward` applies it [2 C, wDim]. */
  styleWeight(): Tensor {
    return this.#style.scaledWeight();
  }

  /** x [N, C, H, W], its bias already added, and w [N, wDim] to [N, C, H, W]. */
  forward(x: Tensor, w: Tensor, noise: NoiseSource): Tensor {
    return scope(() => adaptiveInstanceNorm(lrelu(this.#addNoise(x, noise)), this.#style.forward(w)));
  }

  #addNoise(x: Tensor, noise: NoiseSource): Tensor {
    const map = noiseMap(noise, { stored: this.#noiseConst, n: x.size(0) });
    return map ? addcmul(x, map, this.#noiseWeight.reshape([1, -1, 1, 1])) : x;
  }
}

/** Convolutions of the generator; the epilogue has the activation. */
const conv = { kernelSize: 3, ...heGain } as const;

/** One for each of a block's two layers. */
type Two<T> = readonly [T, T];

/** The learned constant at 4x4. */
class InitialBlock extends Module {
  readonly #constant: Tensor; // [1, C, 4, 4]
  readonly #bias: Tensor; // [C]
  readonly #epilogue1: LayerEpilogue;
  readonly #conv: EqualizedConv;
  readonly #epilogue2: LayerEpilogue;

  constructor(config: StyleGan1Config) {
    super();
    const channels = channelsAt(config, minLevel);
    const epilogue = { channels, wDim: config.wDim, level: minLevel };
    this.#constant = this.parameter("const", ones([1, channels, 2 ** minLevel, 2 ** minLevel]));
    this.#bias = this.parameter("bias", zeros([channels]));
    this.#epilogue1 = this.child("epi1", new LayerEpilogue(epilogue));
    this.#conv = this.child("conv", new EqualizedConv(channels, channels, conv));
    this.#epilogue2 = this.child("epi2", new LayerEpilogue(epilogue));
  }

  get epilogues(): Two<LayerEpilogue> {
    return [this.#epilogue1, this.#epilogue2];
  }

  forward(ws: Two<Tensor>, noises: Two<NoiseSource>): Tensor {
    return scope(() => {
      const n = ws[0].size(0);
      const constant = this.#constant
        .add(this.#bias.reshape([1, -1, 1, 1]))
        .expand([n, -1, -1, -1])
        .contiguous("channelsLast");
      const x = this.#epilogue1.forward(constant, ws[0], noises[0]);
      return this.#epilogue2.forward(this.#conv.forward(x), ws[1], noises[1]);
    });
  }
}

/** Twice the resolution, smoothed, and two styled convolutions. */
class SynthesisBlock extends Module {
  readonly #conv0: ResamplingConv;
  readonly #epilogue1: LayerEpilogue;
  readonly #conv1: EqualizedConv;
  readonly #epilogue2: LayerEpilogue;

  constructor(config: StyleGan1Config, level: number) {
    super();
    const channels = channelsAt(config, level);
    const epilogue = { channels, wDim: config.wDim, level };
    this.#conv0 = this.child(
      "conv0_up",
      new ResamplingConv(channelsAt(config, level - 1), channels, { ...conv, resample: "up-smooth" }),
    );
    this.#epilogue1 = this.child("epi1", new LayerEpilogue(epilogue));
    this.#conv1 = this.child("conv1", new EqualizedConv(channels, channels, conv));
    this.#epilogue2 = this.child("epi2", new LayerEpilogue(epilogue));
  }

  get epilogues(): Two<LayerEpilogue> {
    return [this.#epilogue1, this.#epilogue2];
  }

  /** [N, C, H, W] to [N, C', 2H, 2W]. */
  forward(input: Tensor, ws: Two<Tensor>, noises: Two<NoiseSource>): Tensor {
    return scope(() => {
      const x = this.#epilogue1.forward(this.#conv0.forward(input), ws[0], noises[0]);
      return this.#epilogue2.forward(this.#conv1.forward(x), ws[1], noises[1]);
    });
  }
}

class SynthesisNetwork extends Module {
  readonly #initial: InitialBlock;
  readonly #blocks: readonly SynthesisBlock[];
  readonly #toRgb: ToRgb;

  constructor(config: StyleGan1Config) {
    super();
    this.#initial = this.child("init_block", new InitialBlock(config));
    this.#blocks = levelsFrom(minLevel + 1, config).map((level, i) =>
      this.child(`blocks.${i}`, new SynthesisBlock(config, level)),
    );
    this.#toRgb = this.child("to_rgb", new ToRgb(config));
  }

  /** The affine maps of the first `count` layers. */
  styleAffines(count: number): StyleAffine[] {
    return [this.#initial, ...this.#blocks]
      .flatMap((block) => block.epilogues)
      .slice(0, count)
      .map((epilogue, wIndex) => ({ wIndex, weight: epilogue.styleWeight() }));
  }

  /** @param noises one for each layer */
  forward(ws: readonly Tensor[], noises: readonly NoiseSource[], { level, alpha }: Growth): Tensor {
    return scope(() => {
      const two = <T>(values: readonly T[], block: number) =>
        [values[2 * block], values[2 * block + 1]] as unknown as Two<T>;
      let x = this.#initial.forward(two(ws, 0), two(noises, 0));
      const features = [x];
      for (const [i, block] of this.#blocks.slice(0, level - minLevel).entries()) {
        x = block.forward(x, two(ws, i + 1), two(noises, i + 1));
        features.push(x);
      }
      return this.#toRgb.forward(features, alpha);
    });
  }
}

export class StyleGan1Generator extends ProgressiveModule implements ProgressiveGenerator {
  readonly zDim: number;
  readonly cDim = 0;
  readonly wDim: number;
  readonly numWs: number;
  readonly resolution: number;
  readonly #mapping: MappingNetwork;
  readonly #synthesis: SynthesisNetwork;

  constructor(config: StyleGan1Config) {
    super(config);
    this.zDim = config.zDim;
    this.wDim = config.wDim;
    this.resolution = config.resolution;
    this.numWs = layersAt(this.maxLevel);
    this.#mapping = this.child("mapping", mappingNetwork(config));
    this.#synthesis = this.child("synthesis", new SynthesisNetwork(config));
  }

  get numWsInUse(): number {
    return layersAt(this.growth.level);
  }

  map(z: Tensor, c: Tensor | null, options: TruncationOptions = {}): Tensor {
    checkShape("z", z, [null, this.zDim]);
    checkUnconditional(c);
    return scope(() =>
      truncate(
        broadcastWs(this.#mapping.forward(z, null), this.numWs),
        this.#mapping.wAvg as Tensor,
        options,
      ),
    );
  }

  /** ws [N, numWs, wDim] to images [N, 3, 2^level, 2^level]; only the first `numWsInUse` have an effect. */
  synthesize(ws: Tensor, { noiseMode, noise }: StyleGan1SynthesisOptions): Tensor {
    checkShape("ws", ws, [null, this.numWs, this.wDim]);
    const count = this.numWsInUse;
    const { level } = this.growth;
    const sizes = Array.from({ length: count }, (_, i) => 2 ** (minLevel + Math.floor(i / 2)));
    if (noise) checkNoises(noise, { sizes, n: ws.size(0), where: ` at level ${level}` });
    const noises = noise ?? Array.from({ length: count }, () => noiseMode);
    return scope(() => this.#synthesis.forward(ws.unbind(1), noises, this.growth));
  }

  styleAffines(): StyleAffine[] {
    return this.#synthesis.styleAffines(this.numWsInUse);
  }

  updateWAvg(w: Tensor): void {
    this.#mapping.updateWAvg(w);
  }
}

/** Two layers, each with its w, for each level. */
function layersAt(level: number): number {
  return 2 * (level - minLevel + 1);
}

export class StyleGan1Discriminator extends GrowingDiscriminator {
  constructor(config: StyleGan1Config) {
    super(config, { smooth: true });
  }
}

export const stylegan1 = defineArchitecture({
  name: "stylegan1",
  title: "StyleGAN",
  capabilities: { mapping: true, noise: true, classes: false, growth: true },
  configSchema: stylegan1ConfigSchema,
  configOf: (shape) => {
    const { wDim, mappingLayers, mappingLrMultiplier, wAvgBeta } = shape;
    return { ...progressiveConfigOf(shape), wDim, mappingLayers, mappingLrMultiplier, wAvgBeta };
  },
  createGenerator: (config) => new StyleGan1Generator(config),
  createDiscriminator: (config) => new StyleGan1Discriminator(config),
});
