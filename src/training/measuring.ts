// The measures of a run: at every snapshot, in files that look like NVIDIA's.

import { join } from "node:path";
import { defaultCacheDirectory } from "../data/cache.js";
import { detectorsOf, metricNamed } from "../metrics/metrics.js";
import { DetectorFiles } from "../metrics/openDetector.js";
import { type MetricRow, type Shown, snapshotName } from "../protocol/runFiles.js";
import type { MeasuredData } from "../synthesis/measured.js";
import { Meter, type MetricResult } from "../synthesis/meter.js";
import type { Device } from "../torch/tensor.js";
import type { TrainingConfig } from "./configSchema.js";

/** Where statistics of reals are kept. */
export const statisticsFolder = () => join(defaultCacheDirectory(), "metrics");

/** @throws UserError when a measure cannot take such pictures or has no detector: before a run's folder is made */
export function checkMetrics(names: readonly string[], resolution: number): void {
  const metrics = names.map(metricNamed);
  for (const metric of metrics) if (metric.needs === "pictures") metric.check(resolution);
  new DetectorFiles(undefined).find(detectorsOf(metrics));
}

/**
 * What measures the run's generator; undefined when nothing is to be measured.
 * @throws UserError when a detector is missing
 */
export async function openMeter(
  { metrics, data }: TrainingConfig,
  dataset: MeasuredData,
  device: Device,
): Promise<Meter | undefined> {
  if (metrics.length === 0) return undefined;
  const detectors = new DetectorFiles(undefined);
  return Meter.open(dataset, {
    ...{ metrics, mirror: data.mirror, device, detectors, cacheFolder: statisticsFolder() },
  });
}

/** A result as a line of its file. */
export function metricRow(
  { metric, results, details, images, seconds }: MetricResult,
  { device, ...shown }: Shown & { device: Device },
): MetricRow {
  return {
    results,
    metric: metric.name,
    total_time: seconds,
    total_time_str: timeText(seconds),
    num_gpus: device === "cpu" ? 0 : 1,
    snapshot_pkl: snapshotName(shown),
    timestamp: Date.now() / 1000,
    nimg: shown.curNimg,
    images,
    ...details,
  };
}

/** A result for a person. */
export function metricLine({ metric, results }: MetricResult, curNimg: number): string {
  const values = metric.values.map(({ name }) => `${name} ${shortNumber(results[name] as number)}`);
  return `${values.join(", ")} at ${(curNimg / 1000).toFixed(1)} kimg`;
}

/** Four significant digits: 103.9, 0.001660. */
export function shortNumber(value: number): string {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(4);
}

/** As NVIDIA's files have it: 1h 02m 03s. */
function timeText(seconds: number): string {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  if (h > 0) return `${h}h ${two(m)}m ${two(s)}s`;
  return m > 0 ? `${m}m ${two(s)}s` : `${s}s`;
}
