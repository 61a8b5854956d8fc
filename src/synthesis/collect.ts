// The features that detectors find in many pictures, a batch at a time.

import { setImmediate } from "node:timers/promises";
import type { Detector, DetectorKind, DetectorOutput } from "../metrics/detector.js";
import { FeatureCollector, type FeatureStatistics, type Keep } from "../metrics/features.js";
import type { FeatureMetric } from "../metrics/metric.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

/** Thrown when `shouldStop` says so. */
export class Stopped extends Error {}

/** What features of a detector are asked for: one pass over pictures serves all. */
export interface Use {
  detector: DetectorKind;
  output: DetectorOutput;
  keep: Set<Keep>;
}

export const keyOf = ({ detector, output }: Pick<Use, "detector" | "output">) => `${detector} ${output}`;

export function usesOf(metrics: readonly FeatureMetric[]): Use[] {
  const uses = new Map<string, Use>();
  for (const { detector, output, keep } of metrics) {
    const key = keyOf({ detector, output });
    const use = uses.get(key) ?? { detector, output, keep: new Set<Keep>() };
    uses.set(key, { ...use, keep: use.keep.add(keep) });
  }
  return [...uses.values()];
}

export interface CollectOptions {
  count: number;
  uses: readonly Use[];
  detectors: ReadonlyMap<DetectorKind, Detector>;
  /** Pictures at once. */
  batch: number;
  /** What the pictures are, for the progress. */
  what: string;
  onProgress?: (what: string, done: number, total: number) => void;
  /** Asked after every batch. */
  shouldStop?: () => boolean;
}

/**
 * The features of `count` pictures, of which `make` gives [size, 3, H, W] bytes from `start` on, by the keys of the uses.
 * @throws Stopped
 */
export async function collectFeatures(
  { count, uses, detectors, batch, what, onProgress, shouldStop }: CollectOptions,
  make: (start: number, size: number) => Tensor,
): Promise<Map<string, FeatureStatistics>> {
  const collectors = uses.map((use) => new FeatureCollector({ keep: use.keep, most: count }));
  try {
    for (let start = 0; start < count; start += batch) {
      const size = Math.min(batch, count - start);
      const pictures = scope(() => make(start, size));
      for (const [i, { detector, output }] of uses.entries()) {
        const features = await (detectors.get(detector) as Detector).run(pictures, output);
        collectors[i]?.add(features);
        features.dispose();
      }
      pictures.dispose();
      onProgress?.(what, start + size, count);
      await setImmediate(); // signals arrive here
      if (shouldStop?.() && start + size < count) throw new Stopped();
    }
  } catch (error) {
    for (const collector of collectors) collector.dispose();
    throw error;
  }
  return new Map(uses.map((use, i) => [keyOf(use), (collectors[i] as FeatureCollector).finish()]));
}
