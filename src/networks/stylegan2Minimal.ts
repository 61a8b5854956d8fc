// The minimal StyleGAN2 of labml.ai's annotated implementation ("the source" below): StyleGAN2 with one w for
// each resolution, bilinear resampling with smoothing, no activation gains and no clamps. Names of parameters
// are the source's own.
// Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020).
//
// The source's images are in [0, 1], those of the interface in [-1, 1]: `synthesize` and `forward` convert,
// `render` and `judge` speak the source's range. In the interface's range gradients with respect to images are
// half as large (R1 penalties a quarter), and path lengths twice as large.
//
// Legend of shapes: N batch, C channels, H and W pixels, L blocks (numWs).

import { z } from "zod";
import { affineActivation } from "../layers/activation.js";
import { randomConvWeight } from "../layers/convWeight.js";
import { EqualizedConv, EqualizedWeight, FullyConnected } from "../layers/equalized.js";
import { groupStdDev } from "../layers/groupStdDev.js";
import { demodulation, modulatedConv2d, withEnergy } from "../layers/modulatedConv.js";
import { perBatch, pixelNorm } from "../layers/normalization.js";
import { DownSample, UpSample } from "../layers/smooth.js";
import { Module } from "../torch/module.js";
import { zeros } from "../torch/ops.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { defineArchitecture } from "./architecture.js";
import { checkShape } from "./checkShape.js";
import {
  channelsField,
  groupSizeField,
  latentField,
  mappingFields,
  resolutionField,
} from "./configFields.js";
import { broadcastWs, MappingNetwork, truncate } from "./mapping.js";
import type {
  Discriminator,
  DiscriminatorOptions,
  Generator,
  NoiseMode,
  StyleAffine,
  TruncationOptions,
} from "./network.js";
import { checkNoises, type NoiseSource, noiseMap } from "./noise.js";

/** What z can be scaled to. */
export const zNorms = ["length", "rms"] as const;
export type ZNorm = (typeof zNorms)[number];

/** What shapes a minimal StyleGAN2. The upper bounds keep a damaged file from asking for all memory. */
export const stylegan2MinimalConfigSchema = z.strictObject({
  /** A power of two from 8 on. */
  resolution: resolutionField,
  /** Elements of z and of w. */
  latentDim: latentField,
  /** There is no conditional form. */
  cDim: z.literal(0),
  /** Channels at the full resolution; they double with each halving, up to `maxFeatures`. */
  generatorFeatures: channelsField,
  discriminatorFeatures: channelsField,
  maxFeatures: channelsField,
  /**
   * Stored weights of the mapping network are divided by it and used ones multiplied, so that they learn this
   * many times as fast under Adam. 1: they are stored as the source does.
   */
  ...mappingFields,
  /**
   * What z is scaled to: `length`, |z| = 1, is the source's; `rms`, a mean square of 1, is the papers'. Leaky ReLU without
   * gain shrinks w by 0.72 a layer, so that after 8 layers and from length 1 styles differ by 0.002 between latents.
   */
  zNorm: z.enum(zNorms).default("length"),
  /** Samples over which the discriminator takes its standard deviation. */
  groupSize: groupSizeField,
});

export type StyleGan2MinimalConfig = z.infer<typeof stylegan2MinimalConfigSchema>;

const imageChannels = 3;

/** Channels of each block, from the full resolution down to 4: min(max, n 2^i). */
function featuresOf({ resolution, maxFeatures }: StyleGan2MinimalConfig, features: number): number[] {
  const blocks = Math.log2(resolution) - 1;
  return Array.from({ length: blocks }, (_, i) => Math.min(maxFeatures, features * 2 ** i));
}

/** What all layers of the source have: no gain of an activation, and weights under a name of their own. */
const layer = { gain: 1, nestedWeight: true } as const;

/** Convolutions of the discriminator; biases start at 1, as the source's do. */
const conv = { ...layer, biasInit: 1 } as const;

const lrelu = { activation: "lrelu" } as const;

/** Differs from the source, which keeps no mean of w and cannot truncate. */
export function minimalMapping(config: StyleGan2MinimalConfig): MappingNetwork {
  const { latentDim, mappingLayers: layers, mappingLrMultiplier: lrMultiplier, wAvgBeta } = config;
  const normalize = config.zNorm === "rms" ? pixelNorm : toLength1;
  // The activations between the layers are entries of their own in the source's list.
  const form = { layerName: (i: number) => `net.${2 * i}`, layer, normalize };
  const dims = { zDim: latentDim, cDim: 0, wDim: latentDim };
  return new MappingNetwork({ ...dims, layers, lrMultiplier, wAvgBeta, form });
}

/** z / max(|z|, ε) */
function toLength1(z: Tensor): Tensor {
  return scope(() => z.div(z.square().sum([1], true).sqrt().clamp(1e-12, null)));
}

interface StyleBlockOptions {
  latentDim: number;
  inChannels: number;
  outChannels: number;
  resolution: number;
}

/** Modulated and demodulated 3x3 convolution, noise, bias, leaky ReLU. */
class StyleBlock extends Module {
  readonly #toStyle: FullyConnected;
  readonly #weight: EqualizedWeight; // [O, I, 3, 3]
  readonly #scaleNoise: Tensor; // [1]
  readonly #bias: Tensor; // [O]
  /** Differs from the source, which always draws its noise anew. */
  readonly #noiseConst: Tensor; // [H, W]

  constructor(options: StyleBlockOptions) {
    super();
    const { latentDim, inChannels, outChannels, resolution } = options;
    this.#toStyle = this.child(
      "to_style",
      new FullyConnected(latentDim, inChannels, { ...layer, biasInit: 1 }),
    );
    this.#weight = this.child(
      "conv.weight",
      new EqualizedWeight(randomConvWeight([outChannels, inChannels, 3, 3])),
    );
    this.#scaleNoise = this.parameter("scale_noise", zeros([1]));
    this.#bias = this.parameter("bias", zeros([outChannels]));
    this.#noiseConst = this.buffer("noise_const", randn([resolution, resolution]));
  }

  /** From w to styles, as `forward` applies it [I, latentDim]. */
  styleWeight(): Tensor {
    return this.#toStyle.scaledWeight();
  }

  /** x [N, I, H, W] and w [N, latentDim] to [N, O, H, W]. */
  forward(x: Tensor, w: Tensor, noise: NoiseSource): Tensor {
    return scope(() => {
      const styles = this.#toStyle.forward(w); // [N, I]
      const { stored, gain } = this.#weight;
      const { weight, energy } = withEnergy(stored);
      return affineActivation(modulatedConv2d(x, { weight, styles }), {
        overwrite: true,
        scale: demodulation(energy, styles, { gain }),
        scaleGain: gain,
        bias: this.#bias,
        noise: noiseMap(noise, { stored: this.#noiseConst, n: x.size(0) }),
        noiseStrength: this.#scaleNoise,
        activation: "lrelu",
      });
    });
  }
}

/** Modulated 1x1 convolution to an image, without demodulation, with leaky ReLU. */
class ToRgb extends Module {
  readonly #toStyle: FullyConnected;
  readonly #weight: EqualizedWeight; // [3, I, 1, 1]
  readonly #bias: Tensor; // [3]

  constructor(latentDim: number, inChannels: number) {
    super();
    this.#toStyle = this.child(
      "to_style",
      new FullyConnected(latentDim, inChannels, { ...layer, biasInit: 1 }),
    );
    this.#weight = this.child(
      "conv.weight",
      new EqualizedWeight(randomConvWeight([imageChannels, inChannels, 1, 1])),
    );
    this.#bias = this.parameter("bias", zeros([imageChannels]));
  }

  /** From w to styles, as `forward` applies it [I, latentDim]. */
  styleWeight(): Tensor {
    return this.#toStyle.scaledWeight();
  }

  /** x [N, I, H, W] and w [N, latentDim] to [N, 3, H, W]. */
  forward(x: Tensor, w: Tensor): Tensor {
    return scope(() => {
      const { stored: weight, gain: scaleGain } = this.#weight;
      const y = modulatedConv2d(x, { weight, styles: this.#toStyle.forward(w) });
      return affineActivation(y, { overwrite: true, scaleGain, bias: this.#bias, activation: "lrelu" });
    });
  }
}

/** Two style blocks and an image, at one resolution. */
class GeneratorBlock extends Module {
  readonly layers: readonly StyleBlock[];
  readonly toRgb: ToRgb;

  constructor(options: StyleBlockOptions) {
    super();
    const { latentDim, outChannels } = options;
    this.layers = [
      this.child("style_block1", new StyleBlock(options)),
      this.child("style_block2", new StyleBlock({ ...options, inChannels: outChannels })),
    ];
    this.toRgb = this.child("to_rgb", new ToRgb(latentDim, outChannels));
  }
}

/** What works at one resolution: a block, or the two layers at 4x4, which the source holds without one. */
type ResolutionLayers = Pick<GeneratorBlock, "layers" | "toRgb">;

/** ws to images: blocks from 4x4 to the full resolution, each of which adds to the image. */
class MinimalSynthesis extends Module {
  readonly numWs: number;
  readonly #constant: Tensor; // [1, C, 4, 4]
  readonly #blocks: readonly ResolutionLayers[];
  readonly #upSample: UpSample;

  constructor(config: StyleGan2MinimalConfig) {
    super();
    const { latentDim } = config;
    const features = featuresOf(config, config.generatorFeatures).reverse();
    const [channels = 0] = features;
    this.numWs = features.length;
    this.#constant = this.parameter("initial_constant", randn([1, channels, 4, 4]));
    const options = { latentDim, inChannels: channels, outChannels: channels, resolution: 4 };
    const first = {
      layers: [this.child("style_block", new StyleBlock(options))],
      toRgb: this.child("to_rgb", new ToRgb(latentDim, channels)),
    };
    const others = features.slice(1).map((outChannels, i) => {
      const block = { latentDim, inChannels: features[i] as number, outChannels, resolution: 8 * 2 ** i };
      return this.child(`blocks.${i}`, new GeneratorBlock(block));
    });
    this.#blocks = [first, ...others];
    this.#upSample = this.child("up_sample", new UpSample());
  }

  /** Side of the features of each layer with noise. */
  get layerSizes(): number[] {
    return this.#blocks.flatMap(({ layers }, i) => layers.map(() => 4 * 2 ** i));
  }

  styleAffines(): StyleAffine[] {
    return this.#blocks.flatMap(({ layers, toRgb }, wIndex) =>
      [...layers, toRgb].map((layer) => ({ wIndex, weight: layer.styleWeight() })),
    );
  }

  /** ws [N, L, latentDim] and the noise of each layer, in order, to [N, 3, H, W] in about [0, 1]. */
  forward(ws: Tensor, noise: readonly NoiseSource[]): Tensor {
    return scope(() => {
      const n = ws.size(0);
      let x = this.#constant.expand([n, -1, -1, -1]).contiguous("channelsLast");
      let image: Tensor | undefined;
      let layerIndex = 0;
      for (const [i, w] of ws.unbind(1).entries()) {
        const { layers, toRgb } = this.#blocks[i] as ResolutionLayers;
        if (image) x = this.#upSample.forward(x);
        for (const layer of layers) x = layer.forward(x, w, noise[layerIndex++] as NoiseSource);
        const rgb = toRgb.forward(x, w);
        image = image ? this.#upSample.forward(image).add(rgb) : rgb;
      }
      return image as Tensor;
    });
  }
}

export class MinimalGenerator extends Module implements Generator {
  readonly zDim: number;
  readonly cDim = 0;
  readonly wDim: number;
  readonly numWs: number;
  readonly resolution: number;
  readonly #mapping: MappingNetwork;
  readonly #synthesis: MinimalSynthesis;

  constructor(config: StyleGan2MinimalConfig) {
    super();
    this.zDim = config.latentDim;
    this.wDim = config.latentDim;
    this.resolution = config.resolution;
    this.#mapping = this.child("mapping", minimalMapping(config));
    this.#synthesis = this.child("generator", new MinimalSynthesis(config));
    this.numWs = this.#synthesis.numWs;
  }

  map(z: Tensor, c: Tensor | null, options: TruncationOptions = {}): Tensor {
    checkShape("z", z, [null, this.zDim]);
    if (c) checkShape("c", c, [z.size(0), this.cDim]);
    return scope(() =>
      truncate(
        broadcastWs(this.#mapping.forward(z, null), this.numWs),
        this.#mapping.wAvg as Tensor,
        options,
      ),
    );
  }

  synthesize(ws: Tensor, { noiseMode }: { noiseMode: NoiseMode }): Tensor {
    checkShape("ws", ws, [null, this.numWs, this.wDim]);
    const noise = this.#synthesis.layerSizes.map(() => noiseMode);
    return scope(() => this.#synthesis.forward(ws, noise).mul(2).sub(1));
  }

  /**
   * ws [N, numWs, wDim] to images in the source's range, about [0, 1], with the noise of each layer given:
   * [1 or N, 1, H, W] for the only layer at 4x4, then for the two at each further resolution.
   */
  render(ws: Tensor, noise: readonly Tensor[]): Tensor {
    checkShape("ws", ws, [null, this.numWs, this.wDim]);
    checkNoises(noise, { sizes: this.#synthesis.layerSizes, n: ws.size(0) });
    return this.#synthesis.forward(ws, noise);
  }

  styleAffines(): StyleAffine[] {
    return this.#synthesis.styleAffines();
  }

  updateWAvg(w: Tensor): void {
    this.#mapping.updateWAvg(w);
  }

  /** As for every module, but a dictionary of the source's, without any of our own buffers, leaves those as they are. */
  override loadStateDict(state: ReadonlyMap<string, Tensor>, ignore?: (name: string) => boolean): void {
    const ours = [...this.stateDict()].filter(([name]) => /\.(w_avg|noise_const)$/.test(name));
    const fromSource = !ours.some(([name]) => state.has(name));
    super.loadStateDict(fromSource ? new Map([...state, ...ours]) : state, ignore);
  }
}

/** Two convolutions with a residual connection, to half the resolution. */
class DiscriminatorBlock extends Module {
  readonly #residualDownSample: DownSample;
  readonly #residual: EqualizedConv;
  readonly #conv0: EqualizedConv;
  readonly #conv1: EqualizedConv;
  readonly #downSample: DownSample;

  constructor(inChannels: number, outChannels: number) {
    super();
    const active = { ...conv, ...lrelu, kernelSize: 3 };
    this.#residualDownSample = this.child("residual.0", new DownSample());
    this.#residual = this.child(
      "residual.1",
      new EqualizedConv(inChannels, outChannels, { ...conv, kernelSize: 1 }),
    );
    this.#conv0 = this.child("block.0", new EqualizedConv(inChannels, inChannels, active));
    this.#conv1 = this.child("block.2", new EqualizedConv(inChannels, outChannels, active));
    this.#downSample = this.child("down_sample", new DownSample());
  }

  /** Its layers from the image side on. */
  layersFromImage(): Module[] {
    return [this.#conv0, this.#conv1, this.#residual];
  }

  /** [N, C, H, W] to [N, C', H / 2, W / 2]. */
  forward(x: Tensor): Tensor {
    return scope(() => {
      const residual = this.#residual.forward(this.#residualDownSample.forward(x));
      const y = this.#conv1.forward(this.#conv0.forward(x));
      return this.#downSample.forward(y).add(residual).mul(Math.SQRT1_2);
    });
  }
}

export class MinimalDiscriminator extends Module implements Discriminator {
  readonly #config: StyleGan2MinimalConfig;
  readonly #fromRgb: EqualizedConv;
  readonly #blocks: readonly DiscriminatorBlock[];
  readonly #conv: EqualizedConv;
  readonly #final: FullyConnected;

  constructor(config: StyleGan2MinimalConfig) {
    super();
    this.#config = config;
    const features = featuresOf(config, config.discriminatorFeatures);
    const first = features[0] as number;
    const last = (features.at(-1) as number) + 1; // and the standard deviation
    this.#fromRgb = this.child(
      "from_rgb.0",
      new EqualizedConv(imageChannels, first, { ...conv, ...lrelu, kernelSize: 1 }),
    );
    this.#blocks = features
      .slice(1)
      .map((outChannels, i) =>
        this.child(`blocks.${i}`, new DiscriminatorBlock(features[i] as number, outChannels)),
      );
    this.#conv = this.child("conv", new EqualizedConv(last, last, { ...conv, kernelSize: 3, padding: 0 }));
    this.#final = this.child("final", new FullyConnected(2 * 2 * last, 1, layer));
  }

  /** Its statistic is over all groups of a batch: a batch in parts has one for each part. */
  get groupSize(): number {
    return this.#config.groupSize;
  }

  layersFromImage(): Module[] {
    return [this.#fromRgb, ...this.#blocks.flatMap((block) => block.layersFromImage())];
  }

  forward(images: Tensor, c: Tensor | null, { batches = 1 }: DiscriminatorOptions = {}): Tensor {
    this.#check(images);
    if (c) checkShape("c", c, [images.size(0), 0]);
    return scope(() => this.#logits(images.mul(0.5), batches)); // (x + 1) / 2 - 1 / 2
  }

  /** Images [N, 3, resolution, resolution] in the source's range, [0, 1], to logits [N, 1]. */
  judge(images: Tensor): Tensor {
    this.#check(images);
    return scope(() => this.#logits(images.sub(0.5), 1));
  }

  #check(images: Tensor): void {
    const { resolution } = this.#config;
    checkShape("images", images, [null, imageChannels, resolution, resolution]);
  }

  /** Images in [-1/2, 1/2] to logits. */
  #logits(images: Tensor, batches: number): Tensor {
    let x = this.#fromRgb.forward(images.contiguous("channelsLast"));
    for (const block of this.#blocks) x = block.forward(x);
    const y = this.#conv.forward(perBatch(x, batches, (part) => groupStdDev(part, this.#config))); // [N, C + 1, 2, 2]
    return this.#final.forward(y.reshape([y.size(0), y.size(1) * 4]));
  }
}

export const stylegan2Minimal = defineArchitecture({
  name: "stylegan2-minimal",
  title: "Minimal StyleGAN2",
  capabilities: { mapping: true, noise: true, classes: false, growth: false },
  configSchema: stylegan2MinimalConfigSchema,
  configOf: (shape) => {
    const { resolution, zDim, channelBase, channelMax, mbstdGroupSize } = shape;
    const { mappingLayers, mappingLrMultiplier, wAvgBeta, zNorm } = shape;
    const generatorFeatures = Math.max(Math.floor(channelBase / resolution), 1);
    return {
      ...{ resolution, latentDim: zDim, cDim: 0 as const, groupSize: mbstdGroupSize },
      ...{ generatorFeatures, discriminatorFeatures: 2 * generatorFeatures, maxFeatures: channelMax },
      ...{ mappingLayers, mappingLrMultiplier, wAvgBeta, zNorm },
    };
  },
  createGenerator: (config) => new MinimalGenerator(config),
  createDiscriminator: (config) => new MinimalDiscriminator(config),
});
