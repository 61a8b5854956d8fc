// Exploring a generator on the server: pictures, films, and what a page has to know to ask for them.

import { z } from "zod";

const count = z.number().int().nonnegative();

const seed = z.number().int().min(0).max(0xffffffff);

/** Everything that decides a picture. */
export const pictureViewSchema = z.strictObject({
  seed,
  /**
   * How far the latent is turned from the seed's towards those of two others: at x = 1 it is the first one's, at y = 1 the
   * second one's, at -1 their opposites'.
   */
  plane: z.strictObject({
    seedX: seed,
    seedY: seed,
    x: z.number().min(-1).max(1),
    y: z.number().min(-1).max(1),
  }),
  classIndex: count.max(1e6),
  truncationPsi: z.number().min(-10).max(10),
  noiseMode: z.enum(["const", "random", "none"]),
  /** These layers take their w from another seed. */
  mix: z.strictObject({ seed, layers: z.array(count.max(63)).max(64) }),
  /** Steps along the network's own directions, by their number. */
  directions: z
    .array(z.strictObject({ index: count.max(63), amount: z.number().min(-100).max(100) }))
    .max(16),
});
export type PictureView = z.infer<typeof pictureViewSchema>;

/** A film from keyframe to keyframe, and back to the first if it loops. */
export const filmRequestSchema = z.strictObject({
  keyframes: z.array(pictureViewSchema).min(2).max(24),
  /** Frames from one keyframe to the next. */
  framesBetween: z.number().int().min(1).max(120),
  fps: z.number().int().min(1).max(60),
  loop: z.boolean(),
  format: z.enum(["webp", "gif", "mp4"]),
});
export type FilmRequest = z.infer<typeof filmRequestSchema>;

/** What a page has to know of a snapshot's generator to offer controls. */
export interface GeneratorFacts {
  architecture: string;
  resolution: number;
  /** Layers of styles that have an effect; fewer than two cannot be mixed. */
  layers: number;
  classNames: string[];
  cDim: number;
  hasTruncation: boolean;
  hasNoise: boolean;
  /** Number of directions, the strongest first. */
  directions: number;
}
