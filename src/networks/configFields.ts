// Fields that the configurations of several architectures share. The upper bounds are far beyond any published
// network: they keep a damaged file from asking for all memory.

import { z } from "zod";

/** Side of the images (when fully grown): a power of two from 8 on. */
export const resolutionField = z
  .number()
  .int()
  .min(8)
  .max(4096)
  .refine((resolution) => Number.isInteger(Math.log2(resolution)), "not a power of two");

/** Elements of a latent. */
export const latentField = z.number().int().min(1).max(8192);

/** Channels of one layer. */
export const channelsField = z.number().int().min(1).max(4096);

/** Channels at resolution r are min(channelBase / r, channelMax). */
export const channelBaseField = z
  .number()
  .int()
  .min(1)
  .max(2 ** 20);

/** Samples over which a discriminator takes its standard deviation. */
export const groupSizeField = z.number().int().positive();

export const mappingFields = {
  mappingLayers: z.number().int().min(1).max(64),
  /** How many times as fast the mapping network learns. */
  mappingLrMultiplier: z.number().positive(),
  /** Decay of the running mean of w. */
  wAvgBeta: z.number().min(0).max(1),
};
