// What changes while a run goes on: the size that the networks have grown to, and with it batch and learning rate.
// Karras et al., "Progressive Growing of GANs" (2018), figure 2 and appendix A.1.

import { z } from "zod";
import { type Growth, minLevel } from "../networks/progressive.js";
import { type ByResolution, isByResolutionOf, valueAt } from "./byResolution.js";
import type { TrainingConfig } from "./configSchema.js";

const isPositive = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value) && value > 0;
const byResolutionSchema = z.custom<ByResolution>((value) => isByResolutionOf(isPositive, value));

export const growthScheduleSchema = z.strictObject({
  /** Side of the first images, a power of two from 4 on. */
  startResolution: z
    .number()
    .int()
    .min(2 ** minLevel)
    .refine((resolution) => Number.isInteger(Math.log2(resolution)), "not a power of two"),
  /** Thousands of images at full strength before the next block comes. */
  stabilizeKimg: z.number().positive(),
  /** Thousands of images while a new block fades in. */
  fadeKimg: z.number().positive(),
  /** Images per step. */
  batch: byResolutionSchema,
  /** The most images of one forward and backward pass; null: no limit. */
  batchGpu: byResolutionSchema.nullable(),
  gLr: byResolutionSchema,
  dLr: byResolutionSchema,
  /** Length of a tick in thousands of images; null: the same at every resolution. */
  tickKimg: byResolutionSchema.nullable(),
});

export type GrowthSchedule = z.infer<typeof growthScheduleSchema>;

/** Where networks that grow stand in their schedule. */
interface GrowthPoint {
  growth: Growth;
  batch: number;
  batchGpu: number | null;
  gLr: number;
  dLr: number;
}

/** What a run does after so many images. */
export interface SchedulePoint extends Omit<GrowthPoint, "growth"> {
  /** undefined: the networks do not grow. */
  growth: Growth | undefined;
  tickKimg: number;
}

/** Where a run stands after `curNimg` images. */
export function schedulePointAt(config: TrainingConfig, curNimg: number): SchedulePoint {
  const { growth, network, optimizer, batch, batchGpu } = config;
  const { gLr, dLr, lrRampupKimg } = optimizer;
  const point = growth
    ? scheduleAt(growth, curNimg, network.config.resolution)
    : { growth: undefined, batch, batchGpu, gLr, dLr };
  const ticks = growth?.tickKimg;
  const rampup = lrRampupKimg === 0 ? 1 : Math.min(curNimg / (lrRampupKimg * 1000), 1);
  return {
    ...point,
    gLr: point.gLr * rampup,
    dLr: point.dLr * rampup,
    tickKimg: ticks && point.growth ? valueAt(ticks, 2 ** point.growth.level) : config.tickKimg,
  };
}

/** The first image after which the schedule has grown as far as `growth`. */
export function nimgOfGrowth(schedule: GrowthSchedule, { level, alpha }: Growth): number {
  const { stabilizeNimg, fadeNimg } = lengthsOf(schedule);
  const stage = level - Math.log2(schedule.startResolution);
  if (stage <= 0) return 0;
  return (stage - 1) * (stabilizeNimg + fadeNimg) + stabilizeNimg + Math.ceil(alpha * fadeNimg);
}

/**
 * The schedule after `curNimg` images: each resolution is trained for `stabilizeKimg`, then the block of the next one
 * fades in over `fadeKimg`, with alpha from 0 to 1 (1: the new block is fully in; the official code counts the other
 * way round). Batch and learning rate are those of the newest block from the first image of its fade on.
 */
export function scheduleAt(schedule: GrowthSchedule, curNimg: number, fullResolution: number): GrowthPoint {
  const maxLevel = Math.log2(fullResolution);
  const startLevel = Math.min(Math.log2(schedule.startResolution), maxLevel);
  const { stabilizeNimg, fadeNimg } = lengthsOf(schedule);
  const stage = Math.floor(curNimg / (stabilizeNimg + fadeNimg));
  const fading = curNimg - stage * (stabilizeNimg + fadeNimg) - stabilizeNimg;
  const growth =
    startLevel + stage >= maxLevel
      ? { level: maxLevel, alpha: 1 }
      : fading < 0
        ? { level: startLevel + stage, alpha: 1 }
        : { level: startLevel + stage + 1, alpha: fading / fadeNimg };
  const resolution = 2 ** growth.level;
  const { batch, batchGpu, gLr, dLr } = schedule;
  const at = (values: ByResolution) => valueAt(values, resolution);
  return { growth, batch: at(batch), batchGpu: batchGpu && at(batchGpu), gLr: at(gLr), dLr: at(dLr) };
}

/** Whole images: sums of fractions of kimg would miss the boundaries. */
function lengthsOf({ stabilizeKimg, fadeKimg }: GrowthSchedule): { stabilizeNimg: number; fadeNimg: number } {
  return {
    stabilizeNimg: Math.max(Math.round(stabilizeKimg * 1000), 1),
    fadeNimg: Math.max(Math.round(fadeKimg * 1000), 1),
  };
}

/** The largest batch of the schedule. */
export function largestBatch({ batch }: GrowthSchedule): number {
  return Math.max(batch.base, ...Object.values(batch.at));
}
