// What trainer, server and page say to each other: the rows of a run's stats.jsonl, the commands in its
// control.jsonl, and the server's API. The page imports the types alone.

import { z } from "zod";

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

/** What can be changed while a run trains. */
export const settingNames = ["gamma", "lr", "snapshotTicks"] as const;
export type SettingName = (typeof settingNames)[number];

const count = z.number().int().nonnegative();

/** One setting that was changed while the run trained. */
export const settingChangeSchema = z.strictObject({
  /** 1 for the run's first change, and so on: tells a resume which changes its state already has. */
  number: z.number().int().positive(),
  /** Images shown before the first step that the new value had an effect on. */
  nimg: count,
  setting: z.enum(settingNames),
  from: z.number(),
  to: z.number(),
});
export type SettingChange = z.infer<typeof settingChangeSchema>;

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
]);
export type EventRow = z.infer<typeof eventRowSchema>;

/** A tick: means over it by name ("Loss/G/loss"), and histograms ("Histogram/scores/real"). */
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

// ---- running.json: there while a process trains the run ----

export const runningSchema = z.object({
  pid: z.number().int().positive(),
  /** Tells the process from a later one with the same pid; null where the system does not say. */
  processStart: z.string().nullable(),
  hostname: z.string(),
  state: z.enum(["training", "paused"]),
});
export type Running = z.infer<typeof runningSchema>;

// ---- control.jsonl: what the trainer reads between steps ----

const id = z.string().min(1).max(64);

/** New values; absent ones stay. */
export const settingsSchema = z.strictObject({
  gamma: z.number().positive().max(1e6).optional(),
  lr: z.number().positive().max(10).optional(),
  snapshotTicks: z.number().int().positive().max(1e6).optional(),
});
export type Settings = z.infer<typeof settingsSchema>;

const plainCommands = ["pause", "resume", "snapshot", "stop"] as const;

/** What a page may ask of a run; the server adds the id. */
export const commandRequestSchema = z.discriminatedUnion("command", [
  z.strictObject({ command: z.enum(plainCommands) }),
  z.strictObject({ command: z.literal("set"), settings: settingsSchema }),
]);
export type CommandRequest = z.infer<typeof commandRequestSchema>;

/** A line of control.jsonl. */
export const commandSchema = z.discriminatedUnion("command", [
  z.strictObject({ id, command: z.enum(plainCommands) }),
  z.strictObject({ id, command: z.literal("set"), settings: settingsSchema }),
]);
export type Command = z.infer<typeof commandSchema>;

// ---- the server's API ----

/** Names of the files in a run's folder that the trainer writes and the server reads. */
export const runFiles = {
  options: "training_options.json",
  stats: "stats.jsonl",
  log: "log.txt",
  running: "running.json",
  control: "control.jsonl",
} as const;

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

export interface MetricPoint {
  nimg: number;
  value: number;
}

/** Everything of a run but its statistics and its log. */
export interface RunDetail {
  summary: RunSummary;
  /** training_options.json; null when it is missing or garbage. */
  options: Record<string, unknown> | null;
  reals: RunFile | null;
  /** In their order in time; the first may be of the start (`fakes_init.png`, kimg 0). */
  fakes: RunFile[];
  snapshots: RunFile[];
  /** By name; the main value of each. */
  metrics: Record<string, MetricPoint[]>;
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

// ---- model.json: what an exporter writes beside a generator's two ONNX models ----

export const modelFormat = "stylegan.ts onnx 1";

/** What a program that runs the models has to know; also in the models' own metadata, under `stylegan`. */
export interface OnnxDescription {
  architecture: string;
  /** What people call the architecture. */
  title: string;
  zDim: number;
  wDim: number;
  /** Number of classes; 0: the mapping model has no input `c`. */
  cDim: number;
  classNames: readonly string[];
  /** Number of w vectors that one picture takes. */
  numWs: number;
  /** How many of them have an effect: fewer than `numWs` in a network that is still growing. */
  numWsInUse: number;
  /** Side of the pictures. */
  resolution: number;
  /** Whether the mapping model has the input `truncation_psi`. */
  truncation: boolean;
  /** Whether the synthesis model has the input `noise`. */
  noise: boolean;
  precision: "float32" | "float16";
}

export interface ModelFile extends OnnxDescription {
  format: typeof modelFormat;
  /** The models' files, beside this one. */
  mapping: string;
  synthesis: string;
}

// ---- exploring a generator on the server ----

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
