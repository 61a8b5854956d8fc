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
