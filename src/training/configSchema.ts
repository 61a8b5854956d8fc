// What training_options.json holds: a resolved run, everything that an exact resume starts from.

import { z } from "zod";
import { metricNames } from "../metrics/names.js";
import { networkDescriptionSchema } from "../networks/registry.js";
import { precisions } from "../torch/precision.js";
import { growthScheduleSchema } from "./schedule.js";

const currentSchema = z.strictObject({
  cfg: z.string(),
  data: z.strictObject({
    source: z.string(),
    background: z.string(),
    conditional: z.boolean(),
    subset: z.number().int().positive().nullable(),
    /** Of the draw of a subset. */
    subsetSeed: z.number().int().nonnegative(),
    mirror: z.boolean(),
    /** Of the prepared pictures, so that a resume notices when they have changed. */
    fingerprint: z.string(),
    classNames: z.array(z.string()),
  }),
  network: networkDescriptionSchema,
  seed: z.number().int().nonnegative(),
  /** Images per step, at the full resolution when the networks grow. */
  batch: z.number().int().positive(),
  /**
   * The most images of one forward and backward pass; a larger batch adds up the gradients of several. null: no limit.
   * At the full resolution when the networks grow.
   */
  batchGpu: z.number().int().positive().nullable(),
  /** Steps of the discriminator for each of the generator. */
  dRepeats: z.number().int().positive(),
  /** Steps until the schedule is looked at again. */
  minibatchRepeats: z.number().int().positive(),
  /** Length of the whole run in thousands of real images. */
  kimg: z.number().positive(),
  loss: z.strictObject({
    name: z.string(),
    /** Only what the user has set; the loss has its own defaults. */
    options: z.strictObject({
      generatorWeight: z.number().optional(),
      realLabel: z.number().optional(),
      fakeLabel: z.number().optional(),
      driftEpsilon: z.number().optional(),
    }),
  }),
  /** Gradient penalties of the discriminator; weight 0 turns one off. */
  penalty: z.strictObject({
    r1Gamma: z.number().nonnegative(),
    r2Gamma: z.number().nonnegative(),
    gpLambda: z.number().nonnegative(),
    gpTarget: z.number().positive(),
    interval: z.number().int().positive(),
  }),
  pathLength: z.strictObject({
    weight: z.number().nonnegative(),
    decay: z.number(),
    batchShrink: z.number().int().positive(),
    interval: z.number().int().positive(),
    startSteps: z.number().int().nonnegative(),
    biasCorrection: z.boolean(),
    /** Whether gradients flow through the running mean's new value, as in the published code. */
    meanInGradient: z.boolean(),
  }),
  styleMixing: z.number().min(0).max(1),
  /** Of the convolutions of a training step; pictures and metrics are always made in float32. */
  precision: z.enum(precisions),
  optimizer: z.strictObject({
    gLr: z.number().positive(),
    dLr: z.number().positive(),
    beta1: z.number(),
    beta2: z.number(),
    eps: z.number(),
    maxGradientNorm: z.number().positive().nullable(),
    /** Thousands of images over which both learning rates rise from 0; 0: none. */
    lrRampupKimg: z.number().nonnegative(),
  }),
  ema: z.strictObject({
    /** Half-life of the moving average of the generator, in thousands of images. */
    kimg: z.number().positive(),
    /** The half-life is at most this share of the images shown so far; null: no ramp-up. */
    rampup: z.number().positive().nullable(),
  }),
  /** Length of a tick (a line of progress and statistics) in thousands of images. */
  tickKimg: z.number().positive(),
  /** Ticks between snapshots of the networks. */
  snapshotTicks: z.number().int().positive(),
  /** Ticks between pictures of fakes; null: with every snapshot. */
  imageSnapshotTicks: z.number().int().positive().nullable(),
  /** Whether the statistics have histograms of weights and activations. */
  histograms: z.boolean(),
  growth: growthScheduleSchema.nullable(),
  /** Of the grids of pictures; kept by a resume, so that they compare. */
  grid: z.strictObject({ columns: z.number().int().positive(), rows: z.number().int().positive() }),
  /** Measured at every snapshot. */
  metrics: z.array(z.enum(metricNames)),
  /** Which networks the run started from; null: fresh ones. */
  transfer: z
    .strictObject({
      from: z.string(),
      /** Layers of the discriminator that are not trained, counted from the image side. */
      freezeD: z.number().int().nonnegative(),
      /** Where the schedule starts, in thousands of images. */
      kimg: z.number().nonnegative(),
    })
    .nullable(),
});

export type TrainingConfig = z.infer<typeof currentSchema>;

/** The file of this version or of an earlier one, which means what it meant. */
export const trainingConfigSchema = z.preprocess(migrated, currentSchema);

/** What earlier versions, which had no such options, did. */
const before = {
  precision: "float32",
  batchGpu: null,
  dRepeats: 1,
  minibatchRepeats: 1,
  imageSnapshotTicks: null,
  histograms: false,
  transfer: null,
} as const satisfies Partial<TrainingConfig>;

function migrated(file: unknown): unknown {
  if (!isObject(file)) return file;
  const { data, optimizer, pathLength, growth, transfer, seed } = file;
  return {
    ...before,
    ...file,
    ...(isObject(data) && { data: { subsetSeed: seed, ...data } }),
    ...(isObject(optimizer) && { optimizer: { lrRampupKimg: 0, ...optimizer } }),
    ...(isObject(pathLength) && { pathLength: { meanInGradient: false, ...pathLength } }),
    ...(isObject(transfer) && { transfer: { kimg: 0, ...transfer } }),
    ...(isObject(growth) && { growth: migratedGrowth(growth) }),
  };
}

/** One learning rate became two. */
function migratedGrowth({ lr, ...growth }: Record<string, unknown>): Record<string, unknown> {
  const rates = lr === undefined ? {} : { gLr: lr, dLr: lr };
  return { tickKimg: null, batchGpu: null, ...rates, ...growth };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
