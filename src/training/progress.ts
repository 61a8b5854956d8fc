// What the loop itself has to remember between two parts of a run.

import { z } from "zod";
import { type SettingChange, settingChangeSchema } from "../protocol/control.js";
import type { State, Stateful } from "../torch/state.js";

const schema = z.strictObject({
  tick: z.number().int().nonnegative(),
  tickStartNimg: z.number().int().nonnegative(),
  totalSeconds: z.number().nonnegative(),
  // States from before settings could be changed have none.
  changes: z.array(settingChangeSchema).default([]),
  // Nor do states from before a crash after them was made good in full.
  due: z.strictObject({ picture: z.boolean(), metrics: z.boolean() }).optional(),
});

export class Progress implements Stateful {
  /** Ticks completed. */
  tick = 0;
  /** Images shown when the present tick began. */
  tickStartNimg = 0;
  /** Seconds of training in all, earlier parts included. */
  totalSeconds = 0;
  /** Settings that were changed while the run trained, in their order. */
  changes: SettingChange[] = [];
  /** What the state is written before: whoever resumes from it makes it if it is not there. */
  due: { picture: boolean; metrics: boolean } | undefined;

  state(): State {
    const { tick, tickStartNimg, totalSeconds, changes, due } = this;
    return { tensors: new Map(), values: { tick, tickStartNimg, totalSeconds, changes, due } };
  }

  restore({ values }: State): void {
    const { due, ...rest } = schema.parse(values);
    Object.assign(this, rest);
    this.due = due;
  }
}
