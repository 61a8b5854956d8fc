// What an entry of the table of measures says.

import type { Random } from "../system/random.js";
import type { Device, Tensor } from "../torch/tensor.js";
import type { RgbPicture } from "./descriptors.js";
import type { Detector, DetectorKind, DetectorOutput } from "./detector.js";
import type { FeatureStatistics, Keep } from "./features.js";

/** One number of a measure. */
export interface MetricValue {
  /** As in files: `pr50k3_full_recall`. */
  name: string;
  /** As a person calls it: `recall`. */
  title: string;
  better: "lower" | "higher";
  /** Not a value of its own but the spread of the one before. */
  isSpread?: boolean;
}

interface Facts {
  /** names.ts says what it means. */
  readonly name: string;
  /** How many pictures, or pairs of them, it takes of the generator; of reals, if not said otherwise. */
  readonly images: number;
  /** The first one is what counts. */
  readonly values: readonly MetricValue[];
}

/** Compares features that a detector finds in pictures. */
export interface FeatureMetric extends Facts {
  readonly needs: "features";
  readonly detector: DetectorKind;
  readonly output: DetectorOutput;
  readonly keep: Keep;
  /** Which reals: at most so many, and whether mirrored ones count where the training mirrors; null: none. */
  readonly reals: { most: number; mirrored: boolean } | null;
  /** What it makes sense of, of each kind. */
  readonly fewest: number;
  /** In the order of `values`. `real` is not there where the measure needs no reals. */
  compute(fake: FeatureStatistics, real: FeatureStatistics | undefined, random: Random): number[];
}

/** Compares pictures themselves, as many of each kind; at most all of the data. */
export interface PictureMetric extends Facts {
  readonly needs: "pictures";
  /** @throws UserError when pictures of that side cannot be compared */
  check(resolution: number): void;
  /** Does the reals' part of the work once. */
  reference(reals: Iterable<RgbPicture>, options: { seed: number; device: Device }): PictureReference;
}

export interface PictureReference {
  /** Values in the order of `values`, and what else belongs into the record. */
  compare(fakes: Iterable<RgbPicture>): { values: number[]; details: Readonly<Record<string, unknown>> };
  dispose(): void;
}

/** Looks at how a network's pictures change with what it is given. */
export interface NetworkMetric extends Facts {
  readonly needs: "network";
  readonly detector: DetectorKind;
  /** Pairs at once. */
  readonly batch: number;
  /** One batch of pairs; the results of all are what `summarize` gets. */
  sample(network: MeasuredNetwork, detector: Detector, count: number): Promise<number[]>;
  summarize(samples: readonly number[]): number[];
}

/** A generator as a measure that looks into it sees it. */
export interface MeasuredNetwork {
  readonly resolution: number;
  /** Latents [count, zDim] and classes of them, drawn anew. */
  draw(count: number): { z: Tensor; classes: readonly number[] };
  /** Uniform in [0, 1). */
  readonly random: Random;
  map(z: Tensor, classes: readonly number[]): Tensor;
  /** ws to images in about [-1, 1], with the stored noise. */
  synthesize(ws: Tensor): Tensor;
  /** Draws the stored noise anew. */
  renewNoise(): void;
}

export type Metric = FeatureMetric | PictureMetric | NetworkMetric;
