// What the server tells the page. Types alone.

import type { Setting } from "./control.js";
import type { EventRow, Histogram, StatsRow } from "./runFiles.js";

/**
 * - `training`, `paused`: a process is at it
 * - `complete`: it has shown all of its images
 * - `stopped`: it has been ended before, and can be resumed
 * - `lost`: its process has gone without a word
 */
export type RunStatus = "training" | "paused" | "complete" | "stopped" | "lost";

/** A run in a list. What its files do not say is null. */
export interface RunSummary {
  name: string;
  status: RunStatus;
  cfg: string | null;
  data: string | null;
  resolution: number | null;
  nimg: number;
  totalNimg: number | null;
  tick: number;
  secPerKimg: number | null;
  totalSeconds: number | null;
  memoryMb: number | null;
  /** Seconds since 1970 of the last change of its statistics. */
  updated: number;
  /** File name of the latest picture of fakes, with a mark that changes when its content does. */
  picture: string | null;
}

/** A grid of fakes or a snapshot in a run's folder. */
export interface RunFile {
  name: string;
  /** As in the name. */
  kimg: number;
  /** Changes when the content does. */
  version: string;
  bytes: number;
}

/** What a chart says of a measure's value. */
export interface MetricFacts {
  /** For a person: FID. */
  title: string;
  better: "lower" | "higher";
  /** Not a value of its own but the spread of another. */
  isSpread: boolean;
}

export interface MetricPoint {
  nimg: number;
  value: number;
}

/** Everything of a run but its statistics and its log. */
export interface RunDetail {
  summary: RunSummary;
  /** What can be changed now; empty when nothing trains the run. */
  settings: Setting[];
  /** training_options.json; null when it is missing or garbage. */
  options: Record<string, unknown> | null;
  reals: RunFile | null;
  /** In their order in time; the first may be of the start (`fakes_init.png`, kimg 0). */
  fakes: RunFile[];
  snapshots: RunFile[];
  /** By the names of values: `fid50k_full`, `pr50k3_full_recall`. */
  metrics: Record<string, MetricPoint[]>;
  /** What is known of these values; those of other programs are missing. */
  metricFacts: Record<string, MetricFacts>;
}

/** A piece of a run's statistics, in columns. A line of the answer to `GET …/history`. */
export interface HistoryBlock {
  /** Ticks in the block. */
  length: number;
  /** By name; null where a tick has no such value. */
  columns: Record<string, (number | null)[]>;
  events: EventRow[];
  /** Of some ticks, so that all of a run together stay few. */
  histograms: HistogramPoint[];
}

export interface HistogramPoint {
  nimg: number;
  real?: Histogram;
  fake?: Histogram;
}

/** The last line of the answer to `GET …/history`: from here on `GET /api/events` tells what comes. */
export interface HistoryEnd {
  cursor: string;
}

/** What the server shows beside finished runs: the training that it was started by. */
export interface Session {
  /** The folder that the page shows, as the user has named it. */
  folder: string;
  training: SessionTraining | null;
}

export type SessionTraining =
  | { state: "preparing"; source: string; done: number; total: number | null }
  | { state: "run"; run: string };

/** The server-sent events, by their names. */
export interface ServerEvents {
  session: Session;
  /** At the start. */
  runs: RunSummary[];
  run: RunSummary;
  gone: { run: string };
  detail: { run: string; detail: RunDetail };
  rows: { run: string; rows: StatsRow[] };
  /** The statistics have been rewritten, or too many have come: ask for the history again from `cursor` on. */
  history: { run: string; cursor: string | null };
  log: { run: string; text: string };
}

export interface ApiError {
  error: string;
}
