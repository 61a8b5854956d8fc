// Steering a run: what can be changed while it trains, and the commands in its control.jsonl.

import { z } from "zod";

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
