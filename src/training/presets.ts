// Every default of a training run, once, with its source. `--cfg` names a row of the table.

import type { NetworkShape } from "../networks/architecture.js";
import type { Architecture } from "../networks/registry.js";
import { OptionError } from "./optionError.js";
import type { GivenValue, PresetOptionName } from "./options.js";

/** The papers and programs that values come from, by the letters that stand for them. */
export const sources = {
  ADA: 'Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), and its released programs',
  SG2: 'Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020)',
  SG1: 'Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks" (2019)',
  PG: 'Karras et al., "Progressive Growing of GANs" (2018), with the single-GPU settings of its program',
  WGP: 'Gulrajani et al., "Improved Training of Wasserstein GANs" (2017)',
  labml: "the annotated StyleGAN2 of labml.ai",
  here: "this program",
} as const;

/** `SG2, appendix B` */
type Source = keyof typeof sources | `${keyof typeof sources}, ${string}`;
type Sourced<Value> = readonly [value: Value, source: Source];

/** What a preset decides beside the options. */
interface Fixed {
  architecture: Architecture;
  /** Of what no option sets. */
  shape: Pick<NetworkShape, "wAvgBeta" | "convClamp" | "mbstdNumFeatures" | "discriminatorMappingLayers">;
  /** Whether the networks begin small and grow. */
  grows: boolean;
}

/** A value for every option that needs one, and where it comes from. */
export type PresetValues = { readonly [Name in PresetOptionName]: Sourced<GivenValue<Name>> };

interface Preset extends Fixed {
  /** One line for --help. */
  summary: string;
  values(resolution: number): PresetValues;
}

const shape = {
  wAvgBeta: 0.995, // SG1, program
  convClamp: 256, // ADA
  mbstdNumFeatures: 1, // PG
  discriminatorMappingLayers: 8, // ADA
};

// What most presets have in common; a preset writes what it has instead.
const common = {
  seed: [0, "here"],
  batchGpu: [null, "here"],
  metrics: [[], "here"],
  histograms: [false, "PG, program"],
  dRepeats: [1, "PG, appendix A.1"],
  minibatchRepeats: [1, "ADA"],
  // Of networks that do not grow nothing reads these.
  startResolution: [4, "PG, appendix A.1"],
  growthKimg: [600, "PG, program"],
  latentDim: [512, "SG1, section 2"],
  channelMax: [512, "PG, table 2"],
  zNorm: ["rms", "PG, section 4.2"],
  mappingLrMultiplier: [0.01, "SG1, appendix C"],
  dArchitecture: ["resnet", "SG2, section 4.1"],
  mbstdGroup: [4, "PG, program"],
  precision: ["float32", "here"],
  gpLambda: [10, "WGP, section 4"],
  gpTarget: [1, "WGP, section 4"],
  plDecay: [0.01, "SG2, appendix B"],
  plBatchShrink: [2, "SG2, program"],
  plInterval: [4, "ADA"], // SG2 had 8
  plStartSteps: [0, "ADA"],
  plBiasCorrection: [false, "ADA"],
  // Differs from ADA's program, in which gradients flow through the mean's new value. By SG2, section 3.2 the mean is a
  // constant that the lengths are drawn to.
  plMeanInGradient: [false, "SG2, section 3.2"],
  styleMixing: [0.9, "SG1, section 3.1"],
  aug: ["none", "here"],
  augpipe: ["bgc", "ADA, section 4"],
  augP: [0, "ADA, section 3.1"],
  augTarget: [0.6, "ADA, section 3.1"],
  adaKimg: [500, "ADA, section 3.1"],
  lrRampupKimg: [0, "PG, program"],
  adamBeta1: [0, "PG, appendix A.1"],
  adamBeta2: [0.99, "PG, appendix A.1"],
  adamEpsilon: [1e-8, "PG, appendix A.1"],
  maxGradientNorm: [null, "ADA"],
} as const satisfies Partial<PresetValues>;

// ---- StyleGAN2 ----

const stylegan2 = { architecture: "stylegan2", shape, grows: false } as const;

const stylegan2Common = {
  ...common,
  loss: ["logistic", "SG2, appendix B"],
  penalty: [["r1"], "SG2, appendix B"],
  penaltyInterval: [16, "SG2, section 3.1"],
  plWeight: [2, "SG2, appendix B"],
  tickKimg: [4, "ADA"],
  snapshotTicks: [50, "ADA"],
  imageSnapshotTicks: [null, "ADA"],
} as const satisfies Partial<PresetValues>;

interface Published {
  batch: number;
  mbstdGroup: number;
  channelBase: number;
  lr: number;
  gamma: number;
  emaKimg: number;
  emaRampup: number | null;
  mappingLayers: number;
  kimg?: number;
}

/** A row of the table of configurations in ADA's program. */
function published(name: string, row: Published): PresetValues {
  const { kimg = 25000, emaRampup } = row;
  const source = `ADA, ${name}` as const;
  return {
    ...stylegan2Common,
    kimg: [kimg, source],
    batch: [row.batch, source],
    mbstdGroup: [row.mbstdGroup, source],
    channelBase: [row.channelBase, source],
    mappingLayers: [row.mappingLayers, source],
    lr: [row.lr, source],
    gamma: [row.gamma, source],
    emaKimg: [row.emaKimg, source],
    emaRampup: [emaRampup, source],
  };
}

// ---- the minimal StyleGAN2 ----

const minimal = { architecture: "stylegan2-minimal", shape, grows: false } as const;

// The source's images are in [0, 1], ours in [-1, 1]: gradients with respect to images are half as large and path lengths
// twice, so that its R1 coefficient γ = 10 is 40 here and its path length weight 1 is 1/4. The source does not multiply
// the path length penalty by its interval, as the trainer does with every lazy phase.
const minimalCommon = {
  ...common,
  loss: ["hinge", "labml"],
  penalty: [["r1"], "labml"],
  penaltyInterval: [4, "labml"],
  plWeight: [0.25 / 32, "labml, 1 in its units"],
  plBatchShrink: [1, "labml"],
  plInterval: [32, "labml"],
  plStartSteps: [5000, "labml"],
  plBiasCorrection: [true, "labml"],
  // The source gives the mapping network a learning rate of a hundredth, we store its weights a hundred times as large
  // (mappingLrMultiplier). Their gradients are a hundred times as small, at first below the source's 1e-8, and Adam takes
  // the source's steps only with an ε as much smaller. Elsewhere gradients are far above either.
  adamEpsilon: [1e-8 * 0.01, "labml, 1e-8 in its units"],
  maxGradientNorm: [1, "labml"],
  emaRampup: [0.05, "ADA, auto"],
  imageSnapshotTicks: [null, "ADA"],
} as const satisfies Partial<PresetValues>;

// ---- networks that grow ----

// The training loop of their programs.
const programLoop = {
  imageSnapshotTicks: [1, "PG, program"],
  snapshotTicks: [10, "PG, program"],
  minibatchRepeats: [4, "PG, program"],
} as const satisfies Partial<PresetValues>;

const oneGpu = { base: 4, at: { 4: 128, 8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4 } };
const ticksBelow512 = { 4: 160, 8: 140, 16: 120, 32: 100, 64: 80, 128: 60, 256: 40 };

export const presets = {
  stylegan2: {
    ...{ ...stylegan2, summary: "StyleGAN2 as published with ADA (its `auto`), sized by resolution" },
    values: (resolution) => {
      // At most 64, at least 1; 32 is the most that helps one device.
      const batch = Math.max(Math.min(4096 / resolution, 32), 1);
      return published("auto", {
        batch,
        mbstdGroup: Math.min(batch, 4),
        channelBase: resolution >= 512 ? 32768 : 16384,
        mappingLayers: 2,
        gamma: (0.0002 * resolution ** 2) / batch, // a heuristic
        lr: resolution >= 1024 ? 0.002 : 0.0025,
        emaKimg: (batch * 10) / 32,
        emaRampup: 0.05,
      });
    },
  },
  "stylegan2-f": {
    ...{ ...stylegan2, summary: "StyleGAN2 as its own paper has it: configuration F, for 1024 px" },
    values: () =>
      published("stylegan2", {
        ...{ batch: 32, mbstdGroup: 4, channelBase: 32768, mappingLayers: 8 },
        ...{ gamma: 10, lr: 0.002, emaKimg: 10, emaRampup: null },
      }),
  },
  paper256: {
    ...{ ...stylegan2, summary: "StyleGAN2 of ADA's experiments at 256 px" },
    values: () =>
      published("paper256", {
        ...{ batch: 64, mbstdGroup: 8, channelBase: 16384, mappingLayers: 8 },
        ...{ gamma: 1, lr: 0.0025, emaKimg: 20, emaRampup: null },
      }),
  },
  paper512: {
    ...{ ...stylegan2, summary: "StyleGAN2 of ADA's experiments at 512 px" },
    values: () =>
      published("paper512", {
        ...{ batch: 64, mbstdGroup: 8, channelBase: 32768, mappingLayers: 8 },
        ...{ gamma: 0.5, lr: 0.0025, emaKimg: 20, emaRampup: null },
      }),
  },
  paper1024: {
    ...{ ...stylegan2, summary: "StyleGAN2 of ADA's experiments at 1024 px" },
    values: () =>
      published("paper1024", {
        ...{ batch: 32, mbstdGroup: 4, channelBase: 32768, mappingLayers: 8 },
        ...{ gamma: 2, lr: 0.002, emaKimg: 10, emaRampup: null },
      }),
  },
  cifar: {
    ...{ ...stylegan2, summary: "StyleGAN2 of ADA's experiments on CIFAR-10, for 32 px" },
    values: () => ({
      ...published("cifar", {
        ...{ batch: 64, mbstdGroup: 32, channelBase: 32768, mappingLayers: 2, kimg: 100000 },
        ...{ gamma: 0.01, lr: 0.0025, emaKimg: 500, emaRampup: 0.05 },
      }),
      plWeight: [0, "ADA, cifar"],
      styleMixing: [0, "ADA, cifar"],
      dArchitecture: ["orig", "ADA, cifar"],
    }),
  },
  "stylegan2-small": {
    ...{
      ...stylegan2,
      summary: "StyleGAN2 for small pictures and few of them, on a CPU in minutes to hours",
    },
    values: () => ({
      ...stylegan2Common,
      kimg: [40, "here"],
      batch: [16, "here"],
      latentDim: [128, "here"],
      channelBase: [1024, "here"],
      channelMax: [64, "here"],
      mappingLayers: [2, "ADA, auto"],
      // ADA's heuristic gives 0.01 at 32 px, with which small runs end in rotating blobs.
      gamma: [0.5, "here"],
      // Both slow a short run down and show their worth only in long ones.
      plWeight: [0, "here"],
      styleMixing: [0, "here"],
      lr: [0.0025, "ADA, auto"],
      emaKimg: [1, "here"],
      emaRampup: [0.05, "ADA, auto"],
      tickKimg: [1, "here"],
      snapshotTicks: [4, "here"],
    }),
  },
  "stylegan2-minimal": {
    ...{ ...minimal, summary: "the minimal StyleGAN2 of labml.ai's annotated code, hinge loss" },
    values: (resolution) => ({
      ...minimalCommon,
      kimg: [4800, "labml, 150,000 steps of 32"],
      batch: [32, "labml"],
      channelBase: [32 * resolution, "labml"], // the generator's; the discriminator has twice as many
      mappingLayers: [8, "labml"],
      zNorm: ["length", "labml"],
      gamma: [40, "labml, 10 in its units"],
      lr: [0.001, "labml"], // the mapping network's is a hundredth: mappingLrMultiplier
      // Differs from the source, which shows the generator as it is: a moving average is what snapshots are for.
      emaKimg: [10, "ADA, stylegan2"],
      tickKimg: [4, "ADA"],
      snapshotTicks: [50, "ADA"],
    }),
  },
  "stylegan2-minimal-small": {
    ...minimal,
    summary: "the same for small pictures and few of them, on a CPU, with z as long as the papers have it",
    // docs/RUNS.md has the runs that these numbers come from.
    values: () => ({
      ...minimalCommon,
      kimg: [40, "here"],
      batch: [16, "here"],
      latentDim: [64, "here"],
      channelBase: [1024, "here"],
      channelMax: [64, "here"],
      mappingLayers: [2, "here"],
      // From the source's length of 1, styles differ by 0.05 between latents, and runs this short end with one picture.
      zNorm: ["rms", "PG, section 4.2"],
      gamma: [1, "here"],
      styleMixing: [0, "here"],
      lr: [0.01, "here"],
      emaKimg: [1, "here"],
      tickKimg: [1, "here"],
      snapshotTicks: [4, "here"],
    }),
  },
  progan: {
    ...{ architecture: "progan", shape, grows: true },
    summary: "ProGAN (2018): progressive growing, WGAN-GP",
    values: () => ({
      ...common,
      ...programLoop,
      kimg: [12000, "PG, program, one GPU"],
      batch: [oneGpu, "PG, program, one GPU"],
      tickKimg: [{ base: 160, at: { ...ticksBelow512, 512: 20, 1024: 10 } }, "PG, program"],
      channelBase: [16384, "PG, table 2"], // its program's fmap_base 8192 counts from half the resolution
      mappingLayers: [1, "PG"], // there is none
      loss: ["wgan", "PG, appendix A.1"],
      penalty: [["wgan-gp"], "PG, appendix A.1"],
      gamma: [10, "SG1, appendix C"],
      penaltyInterval: [1, "PG, program"],
      plWeight: [0, "PG"],
      styleMixing: [0, "PG"],
      lr: [{ base: 0.001, at: { 1024: 0.0015 } }, "PG, program, one GPU"],
      emaKimg: [10, "PG, program"],
      emaRampup: [null, "PG, program"],
    }),
  },
  stylegan1: {
    ...{ architecture: "stylegan1", shape, grows: true },
    summary: "StyleGAN (2019): AdaIN, progressive growing, logistic loss with R1",
    values: () => ({
      ...common,
      ...programLoop,
      kimg: [25000, "SG1, program"],
      batch: [oneGpu, "SG1, program, one GPU"],
      tickKimg: [{ base: 160, at: { ...ticksBelow512, 512: 30, 1024: 20 } }, "SG1, program"],
      startResolution: [8, "SG1, program"],
      channelBase: [16384, "PG, table 2"], // its program's fmap_base 8192 counts from half the resolution
      mappingLayers: [8, "SG1, section 2"],
      loss: ["logistic", "SG1, appendix C"],
      penalty: [["r1"], "SG1, appendix C"],
      gamma: [10, "SG1, appendix C"],
      penaltyInterval: [1, "SG1, program"],
      plWeight: [0, "SG1"],
      lr: [{ base: 0.001, at: { 128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003 } }, "SG1, program"],
      emaKimg: [10, "SG1, program"],
      emaRampup: [null, "SG1, program"],
    }),
  },
} satisfies Record<string, Preset>;

export type PresetName = keyof typeof presets;

/** @throws OptionError that lists the presets there are */
export function presetNamed(name: string): Preset {
  if (!Object.hasOwn(presets, name))
    throw new OptionError(
      (named) =>
        `${named("cfg", name)}: there is no such configuration; choose auto or one of ${Object.keys(presets).join(", ")}`,
    );
  return presets[name as PresetName];
}
