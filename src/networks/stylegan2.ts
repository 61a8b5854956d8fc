// StyleGAN2: generator with output skips, discriminator with residual connections or without.
// Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020); configuration and names of
// parameters as in Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020).
//
// Legend of shapes: N batch, C channels, H and W pixels, L layers (numWs).

import { z } from "zod";
import { activationGain, affineActivation } from "../layers/activation.js";
import { randomConvWeight } from "../layers/convWeight.js";
import { EqualizedConv2d, FullyConnected } from "../layers/equalized.js";
import { demodulation, modulatedConv2d, withEnergy } from "../layers/modulatedConv.js";
import { minibatchStdDev, perBatch } from "../layers/normalization.js";
import { firFilter, upsample2d } from "../layers/resample.js";
import { Module } from "../torch/module.js";
import { zeros } from "../torch/ops.js";
import { activationsFor } from "../torch/precision.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { defineArchitecture } from "./architecture.js";
import { checkShape } from "./checkShape.js";
import {
  channelBaseField,
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
import { noiseMap } from "./noise.js";

/**
 * What shapes a StyleGAN2; everything that rebuilds its two networks. The upper bounds are far beyond any
 * published network: they keep a damaged file from asking for all memory.
 */
export const stylegan2ConfigSchema = z.strictObject({
  /** A power of two from 8 on. */
  resolution: resolutionField,
  zDim: latentField,
  wDim: latentField,
  /** Number of classes; 0 for an unconditional network. */
  cDim: z.number().int().min(0).max(100_000),
  /** Channels at resolution r are min(channelBase / r, channelMax). */
  channelBase: channelBaseField,
  channelMax: channelsField,
  ...mappingFields,
  /**
   * Largest magnitude of an activation, after the gain of the leaky ReLU; the 1/√2 of residual branches scales it as
   * well. null: no limit.
   */
  convClamp: z.number().positive().nullable(),
  /** Samples over which the discriminator takes its standard deviation. */
  mbstdGroupSize: groupSizeField,
  // Snapshots from before the following were options have the values that they default to.
  /** Channels that the discriminator appends for it. */
  mbstdNumFeatures: z.number().int().min(1).max(4096).default(1),
  /** Whether the discriminator's blocks have a residual connection. */
  discriminatorArchitecture: z.enum(["resnet", "orig"]).default("resnet"),
  /** Layers of the discriminator's mapping of classes. */
  discriminatorMappingLayers: z.number().int().min(1).max(64).default(8),
});

export type StyleGan2Config = z.infer<typeof stylegan2ConfigSchema>;

const imageChannels = 3;

function channelsAt(config: StyleGan2Config, resolution: number): number {
  return Math.max(Math.min(Math.floor(config.channelBase / resolution), config.channelMax), 1);
}

/** 4, 8, … up to the network's resolution. */
function resolutionsOf(config: StyleGan2Config): number[] {
  const count = Math.log2(config.resolution) - 1;
  return Array.from({ length: count }, (_, i) => 4 * 2 ** i);
}

interface SynthesisLayerOptions {
  inChannels: number;
  outChannels: number;
  wDim: number;
  resolution: number;
  up: boolean;
  convClamp: number | null;
}

/** Modulated 3x3 convolution, noise, bias, leaky ReLU. */
class SynthesisLayer extends Module {
  readonly #affine: FullyConnected;
  readonly #weight: Tensor; // [O, I, 3, 3]
  readonly #bias: Tensor; // [O]
  readonly #noiseConst: Tensor; // [H, W]
  readonly #noiseStrength: Tensor; // []
  readonly #resampleFilter: Tensor; // [4, 4]
  readonly #options: SynthesisLayerOptions;

  constructor(options: SynthesisLayerOptions) {
    super();
    const { inChannels, outChannels, wDim, resolution, up } = options;
    this.#options = options;
    this.#affine = this.child("affine", new FullyConnected(wDim, inChannels, { biasInit: 1 }));
    const weight = randomConvWeight([outChannels, inChannels, 3, 3], { transposed: up });
    this.#weight = this.parameter("weight", weight);
    this.#noiseStrength = this.parameter("noise_strength", zeros([]));
    this.#bias = this.parameter("bias", zeros([outChannels]));
    this.#resampleFilter = this.buffer("resample_filter", firFilter());
    this.#noiseConst = this.buffer("noise_const", randn([resolution, resolution]));
  }

  /** From w to styles, as `forward` applies it [I, wDim]. */
  styleWeight(): Tensor {
    return this.#affine.scaledWeight();
  }

  /** x [N, I, H, W] and w [N, wDim] to [N, O, H, W], or twice that size in an up-sampling layer. */
  forward(x: Tensor, w: Tensor, noiseMode: NoiseMode): Tensor {
    return scope(() => {
      const { up, convClamp } = this.#options;
      const gain = activationGain.lrelu;
      const styles = this.#affine.forward(w); // [N, I]
      const { weight, energy } = withEnergy(this.#weight);
      const y = modulatedConv2d(x, { weight, styles, ...(up ? { upFilter: this.#resampleFilter } : {}) });
      // clamp(lrelu(gain · (demodulation · y + noise + bias)))
      return affineActivation(y, {
        overwrite: true,
        scale: demodulation(energy, styles),
        scaleGain: gain,
        bias: this.#bias,
        biasGain: gain,
        noise: noiseMap(noiseMode, { stored: this.#noiseConst, n: x.size(0) }),
        noiseStrength: this.#noiseStrength,
        noiseGain: gain,
        activation: "lrelu",
        clamp: convClamp,
      });
    });
  }
}

/** Modulated 1x1 convolution to an image, without demodulation. */
class ToRgbLayer extends Module {
  readonly #affine: FullyConnected;
  readonly #weight: Tensor; // [3, I, 1, 1]
  readonly #bias: Tensor; // [3]
  readonly #weightGain: number;
  readonly #convClamp: number | null;

  constructor(inChannels: number, config: StyleGan2Config) {
    super();
    this.#weightGain = 1 / Math.sqrt(inChannels);
    this.#convClamp = config.convClamp;
    this.#affine = this.child("affine", new FullyConnected(config.wDim, inChannels, { biasInit: 1 }));
    this.#weight = this.parameter("weight", randn([imageChannels, inChannels, 1, 1]));
    this.#bias = this.parameter("bias", zeros([imageChannels]));
  }

  /** From w to styles, as `forward` applies it [I, wDim]. */
  styleWeight(): Tensor {
    return scope(() => this.#affine.scaledWeight().mul(this.#weightGain));
  }

  /** x [N, I, H, W] and w [N, wDim] to [N, 3, H, W]. */
  forward(x: Tensor, w: Tensor): Tensor {
    return scope(() => {
      const styles = this.#affine.forward(w).mul(this.#weightGain);
      const y = modulatedConv2d(x, { weight: this.#weight, styles });
      return affineActivation(y, { overwrite: true, bias: this.#bias, clamp: this.#convClamp });
    });
  }
}

/** One resolution of the synthesis network. Block 4 starts from a learned constant and has no `conv0`. */
class SynthesisBlock extends Module {
  /** Number of w vectors it takes, without the one for `torgb`, which it shares with the next block. */
  readonly numConv: number;
  readonly #constant: Tensor | undefined; // [C, 4, 4]
  readonly #conv0: SynthesisLayer | undefined;
  readonly #conv1: SynthesisLayer;
  readonly #toRgb: ToRgbLayer;
  readonly #resampleFilter: Tensor; // [4, 4]
  readonly #place: { resolution: number; of: number };

  constructor(config: StyleGan2Config, resolution: number) {
    super();
    const { wDim, convClamp } = config;
    this.#place = { resolution, of: config.resolution };
    const outChannels = channelsAt(config, resolution);
    this.#resampleFilter = this.buffer("resample_filter", firFilter());
    const layer = { outChannels, wDim, resolution, convClamp };
    if (resolution === 4) {
      this.#constant = this.parameter("const", randn([outChannels, 4, 4]));
      this.numConv = 1;
    } else {
      const inChannels = channelsAt(config, resolution / 2);
      this.#conv0 = this.child("conv0", new SynthesisLayer({ ...layer, inChannels, up: true }));
      this.numConv = 2;
    }
    this.#conv1 = this.child("conv1", new SynthesisLayer({ ...layer, inChannels: outChannels, up: false }));
    this.#toRgb = this.child("torgb", new ToRgbLayer(outChannels, config));
  }

  /** The affine maps of its layers; `first` is the index of its first w. */
  styleAffines(first: number): StyleAffine[] {
    const layers = [...(this.#conv0 ? [this.#conv0] : []), this.#conv1, this.#toRgb];
    return layers.map((layer, i) => ({ wIndex: first + i, weight: layer.styleWeight() }));
  }

  /** Features and image of the block before (none for block 4) and this block's ws, to the next ones. */
  forward(
    before: { x: Tensor; image: Tensor } | undefined,
    ws: readonly Tensor[],
    noiseMode: NoiseMode,
  ): { x: Tensor; image: Tensor } {
    return scope(() => {
      const w = (index: number) => ws[index] as Tensor;
      let x: Tensor;
      if (before && this.#conv0) {
        const features = activationsFor(before.x, this.#place);
        x = this.#conv1.forward(this.#conv0.forward(features, w(0), noiseMode), w(1), noiseMode);
      } else {
        const constant = (this.#constant as Tensor).unsqueeze(0).expand([w(0).size(0), -1, -1, -1]);
        const features = activationsFor(constant.contiguous("channelsLast"), this.#place);
        x = this.#conv1.forward(features, w(0), noiseMode);
      }
      // Images are sums over all resolutions: they keep their precision.
      const rgb = this.#toRgb.forward(x, w(this.numConv)).to(w(0).dtype);
      const image = before ? upsample2d(before.image, this.#resampleFilter).add(rgb) : rgb;
      return { x, image };
    });
  }
}

class SynthesisNetwork extends Module {
  readonly numWs: number;
  readonly #blocks: readonly SynthesisBlock[];

  constructor(config: StyleGan2Config) {
    super();
    this.#blocks = resolutionsOf(config).map((resolution) =>
      this.child(`b${resolution}`, new SynthesisBlock(config, resolution)),
    );
    // Each block's torgb takes the w of the next block's first layer; the last one has its own.
    this.numWs = this.#blocks.reduce((sum, block) => sum + block.numConv, 1);
  }

  styleAffines(): StyleAffine[] {
    let first = 0;
    return this.#blocks.flatMap((block) => {
      const affines = block.styleAffines(first);
      first += block.numConv;
      return affines;
    });
  }

  forward(ws: Tensor, noiseMode: NoiseMode): Tensor {
    return scope(() => {
      const perLayer = ws.unbind(1); // L times [N, wDim]
      let state: { x: Tensor; image: Tensor } | undefined;
      let first = 0;
      for (const block of this.#blocks) {
        state = block.forward(state, perLayer.slice(first, first + block.numConv + 1), noiseMode);
        first += block.numConv;
      }
      return (state as { image: Tensor }).image;
    });
  }
}

export class StyleGan2Generator extends Module implements Generator {
  readonly zDim: number;
  readonly cDim: number;
  readonly wDim: number;
  readonly numWs: number;
  readonly resolution: number;
  readonly #synthesis: SynthesisNetwork;
  readonly #mapping: MappingNetwork;

  constructor(config: StyleGan2Config) {
    super();
    const { zDim, cDim, wDim, wAvgBeta } = config;
    this.zDim = zDim;
    this.cDim = cDim;
    this.wDim = wDim;
    this.resolution = config.resolution;
    this.#synthesis = this.child("synthesis", new SynthesisNetwork(config));
    this.numWs = this.#synthesis.numWs;
    const { mappingLayers: layers, mappingLrMultiplier: lrMultiplier } = config;
    this.#mapping = this.child(
      "mapping",
      new MappingNetwork({ zDim, cDim, wDim, layers, lrMultiplier, wAvgBeta }),
    );
  }

  map(z: Tensor, c: Tensor | null, options: TruncationOptions = {}): Tensor {
    checkShape("z", z, [null, this.zDim]);
    if (c) checkShape("c", c, [z.size(0), this.cDim]);
    return scope(() => {
      const ws = broadcastWs(this.#mapping.forward(z, c), this.numWs);
      return truncate(ws, this.#mapping.wAvg as Tensor, options);
    });
  }

  synthesize(ws: Tensor, { noiseMode }: { noiseMode: NoiseMode }): Tensor {
    checkShape("ws", ws, [null, this.numWs, this.wDim]);
    return this.#synthesis.forward(ws, noiseMode);
  }

  styleAffines(): StyleAffine[] {
    return this.#synthesis.styleAffines();
  }

  updateWAvg(w: Tensor): void {
    this.#mapping.updateWAvg(w);
  }
}

/** Two convolutions, with a residual connection unless the architecture is `orig`, to half the resolution. */
class DiscriminatorBlock extends Module {
  readonly #fromRgb: EqualizedConv2d | undefined;
  readonly #conv0: EqualizedConv2d;
  readonly #conv1: EqualizedConv2d;
  readonly #skip: EqualizedConv2d | undefined;
  readonly #place: { resolution: number; of: number };

  constructor(config: StyleGan2Config, resolution: number) {
    super();
    const { convClamp: clamp } = config;
    this.#place = { resolution, of: config.resolution };
    const inChannels = channelsAt(config, resolution);
    const outChannels = channelsAt(config, resolution / 2);
    this.buffer("resample_filter", firFilter());
    if (resolution === config.resolution) {
      const fromRgb = new EqualizedConv2d(imageChannels, inChannels, {
        kernelSize: 1,
        activation: "lrelu",
        clamp,
      });
      this.#fromRgb = this.child("fromrgb", fromRgb);
    }
    const conv = { kernelSize: 3, activation: "lrelu", clamp } as const;
    this.#conv0 = this.child("conv0", new EqualizedConv2d(inChannels, inChannels, conv));
    this.#conv1 = this.child("conv1", new EqualizedConv2d(inChannels, outChannels, { ...conv, down: true }));
    if (config.discriminatorArchitecture === "resnet") {
      const skip = new EqualizedConv2d(inChannels, outChannels, { kernelSize: 1, bias: false, down: true });
      this.#skip = this.child("skip", skip);
    }
  }

  /** Its layers from the image side on. */
  layersFromImage(): Module[] {
    const layers = [this.#fromRgb, this.#conv0, this.#conv1, this.#skip];
    return layers.filter((layer) => layer !== undefined);
  }

  /** Features (or, in the first block, images) [N, C, H, W] to [N, C', H / 2, W / 2]. */
  forward(input: Tensor): Tensor {
    return scope(() => {
      const features = activationsFor(input, this.#place);
      const x = this.#fromRgb ? this.#fromRgb.forward(features) : features;
      if (!this.#skip) return this.#conv1.forward(this.#conv0.forward(x));
      // Both branches at 1/√2, so that their sum keeps the magnitude.
      const skip = this.#skip.forward(x, { gain: Math.SQRT1_2 });
      return skip.add_(this.#conv1.forward(this.#conv0.forward(x), { gain: Math.SQRT1_2 }));
    });
  }
}

/** Minibatch standard deviation and the last layers, at 4x4. */
class DiscriminatorEpilogue extends Module {
  readonly #conv: EqualizedConv2d;
  readonly #fc: FullyConnected;
  readonly #out: FullyConnected;
  readonly #stdDev: { groupSize: number; numNewFeatures: number };

  constructor(config: StyleGan2Config, outFeatures: number) {
    super();
    const channels = channelsAt(config, 4);
    const { mbstdGroupSize: groupSize, mbstdNumFeatures: numNewFeatures } = config;
    this.#stdDev = { groupSize, numNewFeatures };
    this.#conv = this.child(
      "conv",
      new EqualizedConv2d(channels + numNewFeatures, channels, {
        kernelSize: 3,
        activation: "lrelu",
        clamp: config.convClamp,
      }),
    );
    this.#fc = this.child("fc", new FullyConnected(channels * 16, channels, { activation: "lrelu" }));
    this.#out = this.child("out", new FullyConnected(channels, outFeatures));
  }

  /** [N, C, 4, 4] to [N, outFeatures]. */
  forward(x: Tensor, batches: number): Tensor {
    return scope(() => {
      const y = this.#conv.forward(perBatch(x, batches, (part) => minibatchStdDev(part, this.#stdDev)));
      const flat = y.reshape([y.size(0), y.size(1) * 16]);
      return this.#out.forward(this.#fc.forward(flat));
    });
  }
}

export class StyleGan2Discriminator extends Module implements Discriminator {
  readonly #config: StyleGan2Config;
  readonly #blocks: readonly DiscriminatorBlock[];
  readonly #epilogue: DiscriminatorEpilogue;
  readonly #mapping: MappingNetwork | undefined;

  constructor(config: StyleGan2Config) {
    super();
    this.#config = config;
    this.#blocks = resolutionsOf(config)
      .reverse()
      .filter((resolution) => resolution > 4)
      .map((resolution) => this.child(`b${resolution}`, new DiscriminatorBlock(config, resolution)));
    const cmapDim = config.cDim > 0 ? channelsAt(config, 4) : 0;
    this.#epilogue = this.child("b4", new DiscriminatorEpilogue(config, Math.max(cmapDim, 1)));
    if (config.cDim > 0) {
      const { cDim, discriminatorMappingLayers: layers, mappingLrMultiplier: lrMultiplier } = config;
      const mapping = new MappingNetwork({ zDim: 0, cDim, wDim: cmapDim, layers, lrMultiplier });
      this.#mapping = this.child("mapping", mapping);
    }
  }

  get groupSize(): number {
    return this.#config.mbstdGroupSize;
  }

  layersFromImage(): Module[] {
    return this.#blocks.flatMap((block) => block.layersFromImage());
  }

  forward(images: Tensor, c: Tensor | null, { batches = 1 }: DiscriminatorOptions = {}): Tensor {
    const { resolution, cDim } = this.#config;
    checkShape("images", images, [null, imageChannels, resolution, resolution]);
    if (c) checkShape("c", c, [images.size(0), cDim]);
    return scope(() => {
      let x = images.contiguous("channelsLast");
      for (const block of this.#blocks) x = block.forward(x);
      const features = this.#epilogue.forward(activationsFor(x, { resolution: 4, of: resolution }), batches);
      if (!this.#mapping) return features;
      // Projection of the features on the class: Miyato and Koyama, "cGANs with Projection Discriminator" (2018).
      const cmap = this.#mapping.forward(null, c); // [N, cmapDim]
      return features
        .mul(cmap)
        .sum([1], true)
        .mul(1 / Math.sqrt(cmap.size(1)));
    });
  }
}

export const stylegan2 = defineArchitecture({
  name: "stylegan2",
  title: "StyleGAN2",
  capabilities: { mapping: true, noise: true, classes: true, growth: false },
  configSchema: stylegan2ConfigSchema,
  configOf: ({ classes, zNorm: _, ...shape }) => ({ ...shape, cDim: classes }),
  createGenerator: (config) => new StyleGan2Generator(config),
  createDiscriminator: (config) => new StyleGan2Discriminator(config),
});
