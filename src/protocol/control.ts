// Steering a run: what can be changed while it trains, and the commands in its control.jsonl. Which options these are,
// the trainer says in running.json.

import { z } from "zod";

/** An option by its name in the library. */
const settingName = z.string().min(1).max(40);

/** An option that a run takes new values for while it trains. */
export const settingSchema = z.strictObject({
  name: settingName,
  /** What it is, for people. */
  text: z.string().max(400),
  value: z.number(),
  range: z.strictObject({
    min: z.number(),
    max: z.number().optional(),
    /** `min` itself is not allowed. */
    aboveMin: z.boolean().optional(),
    whole: z.boolean().optional(),
  }),
});
export type Setting = z.infer<typeof settingSchema>;

const count = z.number().int().nonnegative();

/** One setting that was changed while the run trained. */
export const settingChangeSchema = z.strictObject({
  /** 1 for the run's first change, and so on: tells a resume which changes its state already has. */
  number: z.number().int().positive(),
  /** Images shown before the first step that the new value had an effect on. */
  nimg: count,
  setting: settingName,
  from: z.number(),
  to: z.number(),
});
export type SettingChange = z.infer<typeof settingChangeSchema>;

// ---- control.jsonl: what the trainer reads between steps ----

const id = z.string().min(1).max(64);

/** New values by the names of options; absent ones stay. */
export const settingsSchema = z.record(settingName, z.number());
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
