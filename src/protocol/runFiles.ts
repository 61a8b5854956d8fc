// The files of a run's folder: their names, and the rows and records that trainer, server and page share.
// The page imports the types alone.

import { z } from "zod";
import { settingChangeSchema, settingSchema } from "./control.js";

// ---- names ----

/** The files of a run's folder that there is one of. */
export const runFiles = {
  options: "training_options.json",
  state: "training-state.safetensors",
  /** The state before it. */
  olderState: "training-state-before.safetensors",
  stats: "stats.jsonl",
  log: "log.txt",
  running: "running.json",
  control: "control.jsonl",
  reals: "reals.png",
  fakesInit: "fakes_init.png",
  /** The networks of the end of the run. */
  final: "network-final.safetensors",
  /** Another name of the snapshot with the best value of the run's first measure. */
  best: "network-best.safetensors",
} as const;

/** How far a run has come: what names its snapshots and pictures. */
export interface Shown {
  /** Real images shown. */
  curNimg: number;
  /** Images of a step. */
  batch: number;
}

/**
 * Thousands of images as in file names: 000200. What is not the first step past a whole thousand has the images over
 * it as well, 000004_200: no two steps have the same name, and names sort as time goes.
 */
function kimgLabel({ curNimg, batch }: Shown): string {
  const over = curNimg % 1000;
  const kimg = String(Math.floor(curNimg / 1000)).padStart(6, "0");
  return over < batch ? kimg : `${kimg}_${String(over).padStart(3, "0")}`;
}

export const snapshotName = (shown: Shown) => `network-snapshot-${kimgLabel(shown)}.safetensors`;
export const fakesName = (shown: Shown) => `fakes${kimgLabel(shown)}.png`;
export const metricFileName = (metric: string) => `metric-${metric}.jsonl`;

/** Names of snapshots and of pictures of fakes; their groups are the thousands of images and the images over them. */
export const snapshotPattern = /^network-snapshot-(\d{1,12})(?:_(\d{3}))?\.safetensors$/;
export const fakesPattern = /^fakes(\d{1,12})(?:_(\d{3}))?\.png$/;
export const metricFilePattern = /^metric-([\w-]{1,40})\.jsonl$/;

/** Thousands of images that a name says, with their fraction; null when `pattern` does not fit. */
export function kimgOfName(name: string, pattern: RegExp): number | null {
  const match = pattern.exec(name);
  return match && Number(match[1]) + Number(match[2] ?? 0) / 1000;
}

const count = z.number().int().nonnegative();

// ---- stats.jsonl: what the trainer writes ----

/**
 * Counts of values in bins of one width whose edges are multiples of it: `counts[i]` values lie in
 * [(first + i) width, (first + i + 1) width).
 */
export const histogramSchema = z.strictObject({
  width: z.number().positive(),
  first: z.number().int(),
  counts: z.array(z.number().int().nonnegative()),
});
export type Histogram = z.infer<typeof histogramSchema>;

/** A line of stats.jsonl that is no tick: something happened between two steps. */
export const eventRowSchema = z.discriminatedUnion("event", [
  z.object({
    ...settingChangeSchema.shape,
    event: z.literal("changed"),
    timestamp: z.number(),
    id: z.string().optional(),
  }),
  z.object({
    event: z.enum(["paused", "resumed", "snapshot", "stopping"]),
    nimg: count,
    timestamp: z.number(),
    /** Of the command that it answers. */
    id: z.string().optional(),
  }),
  z.object({
    event: z.literal("refused"),
    nimg: count,
    timestamp: z.number(),
    id: z.string().optional(),
    reason: z.string(),
  }),
  /** At its end: the run has plainly failed. */
  z.object({
    event: z.literal("failed"),
    nimg: count,
    timestamp: z.number(),
    id: z.string().optional(),
    reasons: z.array(z.string()),
  }),
]);
export type EventRow = z.infer<typeof eventRowSchema>;

/**
 * A tick: means over it by name ("Loss/G/loss"), and histograms: of scores ("Histogram/scores/real"), and where a run is
 * asked for them of weights and activations at its end ("Histogram/weights/G.synthesis.b8.conv0.weight",
 * "Histogram/activations/D.b8").
 */
export interface TickRow {
  nimg: number;
  tick: number;
  secPerKimg: number;
  totalSeconds: number;
  memoryMb: number;
  /** Seconds since 1970. */
  timestamp: number;
  [name: string]: number | Histogram;
}

export type StatsRow = TickRow | EventRow;

// ---- metric-*.jsonl ----

/** A line of a measure's file, with the fields of NVIDIA's tools and what a resume and the page look at. */
export interface MetricRow {
  /** By the measure's values: `pr50k3_full_precision`, `pr50k3_full_recall`. */
  results: Record<string, number>;
  metric: string;
  /** Seconds, and the same for a person to read. */
  total_time: number;
  total_time_str: string;
  num_gpus: number;
  /** The snapshot that was measured, beside this file. */
  snapshot_pkl: string;
  /** Seconds since 1970. */
  timestamp: number;
  nimg: number;
  /** Pictures of the generator, or pairs of them. */
  images: number;
  [detail: string]: unknown;
}

// ---- running.json: there while a process trains the run ----

export const runningSchema = z.object({
  pid: z.number().int().positive(),
  /** Tells the process from a later one with the same pid; null where the system does not say. */
  processStart: z.string().nullable(),
  hostname: z.string(),
  state: z.enum(["training", "paused"]),
  /** What can be changed in it, as it is now. Earlier versions did not say. */
  settings: z.array(settingSchema).default([]),
});
export type Running = z.infer<typeof runningSchema>;
