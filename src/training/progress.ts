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

  state(): State {
    const { tick, tickStartNimg, totalSeconds, changes } = this;
    return { tensors: new Map(), values: { tick, tickStartNimg, totalSeconds, changes } };
  }

  restore({ values }: State): void {
    Object.assign(this, schema.parse(values));
  }
}
