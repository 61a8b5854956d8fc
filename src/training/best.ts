// The best networks of a run: those of the best value of the first of its measures. The values in the run's files decide
// and nothing else is remembered, so that a resume comes to what the run itself would have come to, wherever it goes on.

import { metricNamed } from "../metrics/metrics.js";
import { isSnapshotOf } from "../networks/snapshot.js";
import { keepFile } from "../system/atomicFile.js";
import type { RunDirectory } from "./runDirectory.js";

export interface BestNetworks {
  /** What is compared: `swd`, `pr50k3_full_precision`. */
  name: string;
  value: number;
  /** Real images shown until then. */
  curNimg: number;
  file: string;
}

/**
 * Makes `network-best.safetensors` of the run another name of the snapshot that is best by the first of `metrics`: of
 * equal ones the earliest, of removed ones only that which is kept already.
 * @returns what is kept; null when there is no value
 */
export function keepBest(run: RunDirectory, metrics: readonly string[]): BestNetworks | null {
  const [metric] = metrics;
  const [compared] = metric === undefined ? [] : metricNamed(metric).values;
  if (metric === undefined || !compared) return null;
  const { name, better } = compared;
  const file = run.bestFile;
  const sign = better === "lower" ? 1 : -1;
  const candidates = run
    .measured(metric)
    .map(({ results, ...snapshot }) => ({ ...snapshot, value: results[name] ?? Number.NaN }))
    .filter(({ value }) => Number.isFinite(value))
    .sort((a, b) => sign * (a.value - b.value));
  for (const { file: snapshot, curNimg, value } of candidates) {
    const isThere = isSnapshotOf(snapshot, curNimg);
    // Also where there is one of so many images: it can be from before the run was taken up from an older state.
    if (isThere) keepFile(snapshot, file);
    if (isThere || isSnapshotOf(file, curNimg)) return { name, value, curNimg, file };
  }
  return null;
}
