// Every default of a training run, once, with its source. `--cfg` names a row of the table.
//
// "ADA": the published configuration of Karras et al., "Training Generative Adversarial Networks with Limited
// Data" (2020), appendix C, and the `auto` configuration of its released code.
// "SG2": Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020).
// "SG1": Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks" (2019).
// "PG": Karras et al., "Progressive Growing of GANs" (2018), with the single-GPU settings of its code.

import type { AdversarialLossName } from "../losses/adversarial.js";
import type { Architecture } from "../networks/registry.js";
import type { ZNorm } from "../networks/stylegan2Minimal.js";
import { UserError } from "../system/errors.js";
import type { GrowthSchedule } from "./schedule.js";

/** Gradient penalties by the names that `--penalty` takes. */
export const penaltyNames = ["r1", "r2", "wgan-gp"] as const;
export type PenaltyName = (typeof penaltyNames)[number];

/** What a preset decides, for a resolution and a batch. */
export interface PresetValues {
  architecture: Architecture;
  batch: number;
  zDim: number;
  /** Where there is a mapping network with a width of its own. */
  wDim: number;
  /** Channels at resolution r are min(channelBase / r, channelMax). */
  channelBase: number;
  channelMax: number;
  mappingLayers: number;
  /** What the minimal StyleGAN2 scales z to; the others know only `rms`, a mean square of 1 (PG, section 4.2). */
  zNorm: ZNorm;
  loss: AdversarialLossName;
  penalties: readonly PenaltyName[];
  /** Weight of R1, and of R2 unless it has its own. */
  gamma: number;
  /** λ of WGAN-GP. */
  gpLambda: number;
  /** The penalties are applied in every so many-th step, times as many. */
  penaltyInterval: number;
  plWeight: number;
  plInterval: number;
  /** Steps before path length regularization begins. */
  plStartSteps: number;
  /** Path lengths are taken of the batch divided by this. */
  plBatchShrink: number;
  /** Whether the running mean of path lengths is corrected for its start at 0, and the first step left out. */
  plBiasCorrection: boolean;
  styleMixing: number;
  lr: number;
  adamEps: number;
  /** Gradients of a network are scaled down to this norm; null: they are not. */
  maxGradientNorm: number | null;
  emaKimg: number;
  /** The half-life of the moving average is at most this share of the images shown; null: no ramp-up. */
  emaRampup: number | null;
  kimg: number;
  tickKimg: number;
  snapshotTicks: number;
  /** Ticks between pictures; null: with every snapshot. */
  imageSnapshotTicks: number | null;
  /** Steps of the discriminator for each of the generator. */
  dRepeats: number;
  /** Steps until the schedule is looked at again. */
  minibatchRepeats: number;
  /** Progressive growing; null: full size from the start. */
  growth: GrowthSchedule | null;
}

interface Preset {
  /** One line for --help. */
  summary: string;
  values(resolution: number, batch?: number): PresetValues;
}

// What the presets of StyleGAN2 have in common.
const stylegan2Values = {
  architecture: "stylegan2",
  zNorm: "rms",
  loss: "logistic", // SG2, appendix B
  penalties: ["r1"],
  gpLambda: 10,
  penaltyInterval: 16, // SG2, section 3.1
  plInterval: 4, // ADA; SG2 had 8
  plStartSteps: 0,
  plBatchShrink: 2, // SG2, its released code
  plBiasCorrection: false,
  adamEps: 1e-8, // PG to ADA
  maxGradientNorm: null,
  emaRampup: 0.05, // ADA
  dRepeats: 1,
  minibatchRepeats: 1,
  growth: null,
} as const satisfies Partial<PresetValues>;

// The training loop of ProGAN's and StyleGAN's programs.
const programLoop = {
  tickKimg: 160,
  snapshotTicks: 10,
  imageSnapshotTicks: 1,
  dRepeats: 1,
  minibatchRepeats: 4,
} as const satisfies Partial<PresetValues>;

// What the presets of the minimal StyleGAN2 have in common. The source's images are in [0, 1], ours in [-1, 1]: gradients
// with respect to images are half as large and path lengths twice, so that its R1 coefficient γ = 10 is 40 here and its
// path length weight 1 is 1/4. The source does not multiply the path length penalty by its interval, as the trainer does
// with every lazy phase.
const minimalValues = {
  architecture: "stylegan2-minimal",
  loss: "hinge",
  penalties: ["r1"],
  gpLambda: 10,
  penaltyInterval: 4,
  plWeight: 0.25 / 32,
  plInterval: 32,
  plStartSteps: 5000,
  plBatchShrink: 1,
  plBiasCorrection: true,
  // The source gives the mapping network a learning rate of a hundredth, we store its weights a hundred times as large
  // (mappingLrMultiplier). Their gradients are a hundred times as small, at first below the source's 1e-8, and Adam takes
  // the source's steps only with an ε as much smaller. Elsewhere gradients are far above either.
  adamEps: 1e-8 * 0.01,
  maxGradientNorm: 1,
  emaRampup: 0.05,
  dRepeats: 1,
  minibatchRepeats: 1,
  growth: null,
} as const satisfies Partial<PresetValues>;

/** The schedule of ProGAN and StyleGAN on one GPU (PG and SG1: the `1gpu` settings of their code). */
function growthSchedule(
  startResolution: number,
  batch: number | undefined,
  { lrAt, tickAt }: Readonly<Record<"lrAt" | "tickAt", Readonly<Record<string, number>>>>,
): GrowthSchedule {
  const batchAt = { 4: 128, 8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4 };
  return {
    startResolution,
    stabilizeKimg: 600,
    fadeKimg: 600,
    batch: batch === undefined ? { base: 4, at: batchAt } : { base: batch, at: {} },
    batchGpu: null,
    gLr: { base: 0.001, at: { ...lrAt } },
    dLr: { base: 0.001, at: { ...lrAt } },
    tickKimg: { base: 160, at: { 4: 160, 8: 140, 16: 120, 32: 100, 64: 80, 128: 60, 256: 40, ...tickAt } },
  };
}

export const presets = {
  stylegan2: {
    summary: "StyleGAN2 as published with ADA, sized by resolution and batch",
    // ADA: at most 64, at least 1; 32 is the most that helps one device.
    values: (resolution, batch = Math.max(Math.min(4096 / resolution, 32), 1)) => ({
      ...stylegan2Values,
      batch,
      zDim: 512,
      wDim: 512,
      channelBase: resolution >= 512 ? 32768 : 16384, // ADA
      channelMax: 512, // ADA
      mappingLayers: 2, // ADA
      gamma: (0.0002 * resolution ** 2) / batch, // ADA's heuristic
      plWeight: 2, // SG2, appendix B
      styleMixing: 0.9, // SG1, section 3.1
      lr: resolution >= 1024 ? 0.002 : 0.0025, // ADA
      emaKimg: (batch * 10) / 32, // ADA
      kimg: 25000, // ADA
      tickKimg: 4,
      snapshotTicks: 50,
      imageSnapshotTicks: null,
    }),
  },
  "stylegan2-small": {
    summary: "StyleGAN2 for small pictures and few of them, on a CPU in minutes to hours",
    values: (_, batch = 16) => ({
      ...stylegan2Values,
      batch,
      zDim: 128,
      wDim: 128,
      channelBase: 1024,
      channelMax: 64,
      mappingLayers: 2,
      // ADA's heuristic gives 0.01 at 32 px, with which small runs end in rotating blobs.
      gamma: 0.5,
      // Both slow a short run down and show their worth only in long ones.
      plWeight: 0,
      styleMixing: 0,
      lr: 0.0025,
      emaKimg: 1,
      kimg: 40,
      tickKimg: 1,
      snapshotTicks: 4,
      imageSnapshotTicks: null,
    }),
  },
  "stylegan2-minimal": {
    summary: "the minimal StyleGAN2 of labml.ai's annotated code, hinge loss",
    values: (resolution, batch = 32) => ({
      ...minimalValues,
      batch,
      zDim: 512,
      wDim: 512,
      channelBase: 32 * resolution, // the generator's; the discriminator has twice as many
      channelMax: 512,
      mappingLayers: 8,
      zNorm: "length",
      gamma: 40,
      styleMixing: 0.9,
      lr: 0.001, // the mapping network's is a hundredth: mappingLrMultiplier
      // Differs from the source, which shows the generator as it is: a moving average is what snapshots are for.
      emaKimg: 10,
      kimg: 4800, // 150,000 steps of 32
      tickKimg: 4,
      snapshotTicks: 50,
      imageSnapshotTicks: null,
    }),
  },
  "stylegan2-minimal-small": {
    summary: "the same for small pictures and few of them, on a CPU, with z as long as the papers have it",
    // docs/RUNS.md has the runs that these numbers come from.
    values: (_, batch = 16) => ({
      ...minimalValues,
      batch,
      zDim: 64,
      wDim: 64,
      channelBase: 1024,
      channelMax: 64,
      mappingLayers: 2,
      // From the source's length of 1, styles differ by 0.05 between latents, and runs this short end with one picture.
      zNorm: "rms",
      gamma: 1,
      styleMixing: 0,
      lr: 0.01,
      emaKimg: 1,
      kimg: 40,
      tickKimg: 1,
      snapshotTicks: 4,
      imageSnapshotTicks: null,
    }),
  },
  stylegan1: {
    summary: "StyleGAN (2019): AdaIN, progressive growing, logistic loss with R1",
    values: (_, batch) => ({
      architecture: "stylegan1",
      batch: batch ?? 4,
      zDim: 512,
      wDim: 512,
      channelBase: 16384, // PG, table 2 (its code's fmap_base 8192 counts from half the resolution)
      channelMax: 512,
      mappingLayers: 8, // SG1, section 2
      zNorm: "rms",
      loss: "logistic",
      penalties: ["r1"],
      gamma: 10, // SG1, appendix C
      gpLambda: 10,
      penaltyInterval: 1,
      plWeight: 0,
      plInterval: 4,
      plStartSteps: 0,
      plBatchShrink: 2,
      plBiasCorrection: false,
      styleMixing: 0.9,
      lr: 0.001,
      adamEps: 1e-8,
      maxGradientNorm: null,
      emaKimg: 10,
      emaRampup: null,
      kimg: 25000, // SG1, its released code
      ...programLoop,
      growth: growthSchedule(8, batch, {
        lrAt: { 128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003 },
        tickAt: { 512: 30, 1024: 20 },
      }),
    }),
  },
  progan: {
    summary: "ProGAN (2018): progressive growing, WGAN-GP",
    values: (_, batch) => ({
      architecture: "progan",
      batch: batch ?? 4,
      zDim: 512,
      wDim: 512,
      channelBase: 16384, // PG, table 2 (its code's fmap_base 8192 counts from half the resolution)
      channelMax: 512,
      mappingLayers: 1, // there is none
      zNorm: "rms",
      loss: "wgan",
      penalties: ["wgan-gp"],
      gamma: 10,
      gpLambda: 10, // Gulrajani et al. (2017), section 4
      penaltyInterval: 1,
      plWeight: 0,
      plInterval: 4,
      plStartSteps: 0,
      plBatchShrink: 2,
      plBiasCorrection: false,
      styleMixing: 0,
      lr: 0.001, // PG, appendix A.1
      adamEps: 1e-8, // PG, appendix A.1
      maxGradientNorm: null,
      emaKimg: 10,
      emaRampup: null,
      kimg: 12000,
      ...programLoop,
      growth: growthSchedule(4, batch, { lrAt: { 1024: 0.0015 }, tickAt: { 512: 20, 1024: 10 } }),
    }),
  },
} satisfies Record<string, Preset>;

export type PresetName = keyof typeof presets;
export const defaultPreset: PresetName = "stylegan2";

/** Defaults that are the same in all presets. */
export const commonDefaults = {
  seed: 0,
  gpTarget: 1, // Gulrajani et al., "Improved Training of Wasserstein GANs" (2017)
  mappingLrMultiplier: 0.01, // SG1, appendix C
  wAvgBeta: 0.995, // SG1, its released code
  convClamp: 256, // ADA
  precision: "float32",
  mbstdGroupSize: 4, // PG, its released code
  mbstdNumFeatures: 1, // PG
  discriminatorArchitecture: "resnet", // SG2, section 4.1
  discriminatorMappingLayers: 8, // ADA
  adam: { beta1: 0, beta2: 0.99 }, // PG to ADA
  plDecay: 0.01, // SG2, appendix B
  plMeanInGradient: false,
  lrRampupKimg: 0, // PG, its released code
  batchGpu: null,
  histograms: false,
} as const;

/** @throws UserError that lists the presets there are */
export function presetNamed(name: string): Preset {
  if (!Object.hasOwn(presets, name))
    throw new UserError(
      `--cfg ${name}: there is no such configuration; choose one of ${Object.keys(presets).join(", ")}`,
    );
  return presets[name as PresetName];
}
