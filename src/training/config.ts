// Every option of a training run, its default and where the default comes from. Defaults live here and nowhere else.
//
// "ADA": the published configuration of Karras et al., "Training Generative Adversarial Networks with Limited
// Data" (2020), table of appendix C and the `auto` configuration that goes with it.

import { z } from "zod";
import { UserError } from "../errors.js";
import { type StyleGan2Config, stylegan2ConfigSchema } from "../networks/stylegan2.js";

/** A resolved run: what training_options.json holds and what an exact resume starts from. */
export const trainingConfigSchema = z.strictObject({
  cfg: z.string(),
  data: z.strictObject({
    source: z.string(),
    background: z.string(),
    conditional: z.boolean(),
    subset: z.number().int().positive().nullable(),
    mirror: z.boolean(),
    /** Of the prepared pictures, so that a resume notices when they have changed. */
    fingerprint: z.string(),
    classNames: z.array(z.string()),
  }),
  network: stylegan2ConfigSchema,
  seed: z.number().int().nonnegative(),
  /** Images per step. */
  batch: z.number().int().positive(),
  /** Length of the whole run in thousands of real images. */
  kimg: z.number().positive(),
  optimizer: z.strictObject({
    gLr: z.number().positive(),
    dLr: z.number().positive(),
    beta1: z.number(),
    beta2: z.number(),
    eps: z.number(),
  }),
  r1: z.strictObject({ gamma: z.number().nonnegative(), interval: z.number().int().positive() }),
  pathLength: z.strictObject({
    weight: z.number().nonnegative(),
    decay: z.number(),
    batchShrink: z.number().int().positive(),
    interval: z.number().int().positive(),
  }),
  styleMixing: z.number().min(0).max(1),
  ema: z.strictObject({
    /** Half-life of the moving average of the generator, in thousands of images. */
    kimg: z.number().positive(),
    /** The half-life is at most this share of the images shown so far; null: no ramp-up. */
    rampup: z.number().positive().nullable(),
  }),
  /** Length of a tick (a line of progress and statistics) in thousands of images. */
  tickKimg: z.number().positive(),
  /** Ticks between snapshots. */
  snapshotTicks: z.number().int().positive(),
});

export type TrainingConfig = z.infer<typeof trainingConfigSchema>;

/** What a preset decides, for a resolution and a batch. */
interface PresetValues {
  zDim: number;
  wDim: number;
  channelBase: number;
  channelMax: number;
  mappingLayers: number;
  lr: number;
  gamma: number;
  plWeight: number;
  styleMixing: number;
  emaKimg: number;
  kimg: number;
  tickKimg: number;
  snapshotTicks: number;
}

interface Preset {
  /** One line for --help. */
  summary: string;
  batch(resolution: number): number;
  values(resolution: number, batch: number): PresetValues;
}

export const presets = {
  stylegan2: {
    summary: "StyleGAN2 as published with ADA, sized by resolution and batch",
    // ADA: at most 64, at least 1; 32 is the most that helps one device.
    batch: (resolution) => Math.max(Math.min(4096 / resolution, 32), 1),
    values: (resolution, batch) => ({
      zDim: 512,
      wDim: 512,
      channelBase: resolution >= 512 ? 32768 : 16384, // ADA
      channelMax: 512, // ADA
      mappingLayers: 2, // ADA
      lr: resolution >= 1024 ? 0.002 : 0.0025, // ADA
      gamma: (0.0002 * resolution ** 2) / batch, // ADA's heuristic
      plWeight: 2, // Karras et al. (2020), "Analyzing and Improving", appendix B
      styleMixing: 0.9, // Karras et al. (2019), section 3.1
      emaKimg: (batch * 10) / 32, // ADA
      kimg: 25000, // ADA
      tickKimg: 4,
      snapshotTicks: 50,
    }),
  },
  "stylegan2-small": {
    summary: "StyleGAN2 for small pictures and few of them, on a CPU in minutes to hours",
    batch: () => 16,
    values: () => ({
      zDim: 128,
      wDim: 128,
      channelBase: 1024,
      channelMax: 64,
      mappingLayers: 2,
      lr: 0.0025,
      // ADA's heuristic gives 0.01 at 32 px, with which small runs end in rotating blobs.
      gamma: 0.5,
      // Both slow a short run down and show their worth only in long ones.
      plWeight: 0,
      styleMixing: 0,
      emaKimg: 1,
      kimg: 40,
      tickKimg: 1,
      snapshotTicks: 4,
    }),
  },
} satisfies Record<string, Preset>;

export type PresetName = keyof typeof presets;
export const defaultPreset: PresetName = "stylegan2";

/** What the user may set; everything absent comes from the preset. */
export interface TrainingOverrides {
  batch?: number;
  kimg?: number;
  gamma?: number;
  lr?: number;
  channelBase?: number;
  channelMax?: number;
  mappingLayers?: number;
  plWeight?: number;
  styleMixing?: number;
  emaKimg?: number;
  tickKimg?: number;
  snapshotTicks?: number;
  seed?: number;
}

/** What the data set decides. */
export interface DatasetFacts {
  resolution: number;
  source: string;
  background: string;
  conditional: boolean;
  subset: number | null;
  mirror: boolean;
  fingerprint: string;
  classNames: string[];
}

/** @throws UserError that lists the presets there are */
export function presetNamed(name: string): Preset {
  if (!Object.hasOwn(presets, name))
    throw new UserError(
      `--cfg ${name}: there is no such configuration; choose one of ${Object.keys(presets).join(", ")}`,
    );
  return presets[name as PresetName];
}

/** Images per step when the user does not say. */
export function defaultBatch(cfg: string, resolution: number): number {
  return presetNamed(cfg).batch(resolution);
}

/**
 * The full configuration of a run: preset, then the user's choices.
 * @throws UserError that names an option whose value makes no sense
 */
export function resolveConfig(
  cfg: string,
  facts: DatasetFacts,
  overrides: TrainingOverrides = {},
): TrainingConfig {
  const preset = presetNamed(cfg);
  const { resolution, ...data } = facts;
  const batch = overrides.batch ?? preset.batch(resolution);
  const values = { ...preset.values(resolution, batch), ...overrides };
  const network: StyleGan2Config = {
    resolution,
    zDim: values.zDim,
    wDim: values.wDim,
    cDim: facts.classNames.length,
    channelBase: values.channelBase,
    channelMax: values.channelMax,
    mappingLayers: values.mappingLayers,
    mappingLrMultiplier: 0.01, // Karras et al. (2019), appendix C
    wAvgBeta: 0.995, // Karras et al. (2019), appendix B
    convClamp: 256, // ADA
    mbstdGroupSize: largestDivisor(batch, 4), // ProGAN: 4
  };
  const config: TrainingConfig = {
    cfg,
    data,
    network,
    seed: overrides.seed ?? 0,
    batch,
    kimg: values.kimg,
    optimizer: { gLr: values.lr, dLr: values.lr, beta1: 0, beta2: 0.99, eps: 1e-8 }, // ADA
    r1: { gamma: values.gamma, interval: 16 }, // "Analyzing and Improving", section 3.1
    pathLength: { weight: values.plWeight, decay: 0.01, batchShrink: 2, interval: 4 }, // the same, appendix B
    styleMixing: values.styleMixing,
    ema: { kimg: values.emaKimg, rampup: 0.05 }, // ADA
    tickKimg: values.tickKimg,
    snapshotTicks: values.snapshotTicks,
  };
  const checked = trainingConfigSchema.safeParse(config);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new UserError(`the option ${issue?.path.join(".")} has no valid value: ${issue?.message}`);
}

/** The largest number up to `limit` that divides `n`: groups must fill the batch. */
function largestDivisor(n: number, limit: number): number {
  let divisor = Math.min(limit, n);
  while (n % divisor !== 0) divisor -= 1;
  return divisor;
}
