// The state of a run in a file: everything that makes a resumed run equal, bit for bit, to one that never stopped.
//
// Each object that has a state gives it and takes it (`torch/state.ts`); here it is only written and read.

import { z } from "zod";
import type { NetworkDescription } from "../networks/registry.js";
import { checkDescription, disposeAll, networkPrefixes } from "../networks/snapshot.js";
import type { SettingChange } from "../protocol/control.js";
import { keepFile } from "../system/atomicFile.js";
import { UserError } from "../system/errors.js";
import { readSafetensors, readSafetensorsHeader, writeSafetensors } from "../torch/safetensors.js";
import { scope } from "../torch/scope.js";
import type { State, Stateful } from "../torch/state.js";
import type { Tensor } from "../torch/tensor.js";
import { Progress } from "./progress.js";
import { DivergenceError } from "./statistics.js";

const format = "stylegan.ts training state 3";

/** The objects of a run that have a state, by the names that the file has for them. */
export type Parts = Readonly<Record<string, Stateful>>;

/** The name of the loop's own progress among them. */
export const progressName = "progress";

/**
 * Writes the states of `parts`; the file is replaced only when the new one is complete.
 * @param keepAs where what it replaces is kept
 * @throws DivergenceError that names an element that is not finite; nothing is replaced then
 */
export function writeTrainingState(file: string, parts: Parts, { keepAs }: { keepAs?: string } = {}): void {
  scope(() => {
    const states = Object.entries(parts).map(([name, part]): [string, State] => [name, part.state()]);
    const tensors = states.flatMap(([name, state]) =>
      [...state.tensors].map(([key, tensor]): [string, Tensor] => [`${name}.${key}`, tensor]),
    );
    const bad = notFinite(tensors);
    if (bad !== undefined) throw new DivergenceError(`${bad} has elements that are not finite`);
    const values = Object.fromEntries(states.map(([name, state]) => [name, state.values]));
    if (keepAs !== undefined) keepFile(file, keepAs);
    writeSafetensors(file, new Map(tensors), { format, values: JSON.stringify(values) });
  });
}

/**
 * Puts `parts`, made for the same configuration, into the saved states.
 * @throws UserError when the file is damaged or belongs to another configuration
 */
export function readTrainingState(file: string, parts: Parts): void {
  const { tensors, metadata } = readSafetensors(file);
  try {
    const bad = notFinite([...tensors]);
    if (bad !== undefined) throw new UserError(`${file} is damaged: ${bad} has elements that are not finite`);
    const values = valuesIn(file, metadata);
    for (const [name, part] of Object.entries(parts)) {
      const state = { tensors: tensorsOf(name, tensors), values: values[name] };
      try {
        part.restore(state);
      } catch (error) {
        if (error instanceof UserError) throw error;
        if (error instanceof z.ZodError) throw damaged(file);
        throw new UserError(
          `${file} does not fit this run: ${name}: ${error instanceof Error ? error.message : error}`,
        );
      }
    }
  } finally {
    disposeAll(tensors);
  }
}

/**
 * Holds a state's shapes against the networks that it is to be put into, before memory is taken for them: a description
 * of a few bytes may be of networks of gigabytes.
 * @throws UserError that names the file and the first entry that does not fit
 */
export function checkStateShapes(file: string, description: NetworkDescription): void {
  const { shapes } = readSafetensorsHeader(file);
  const missing = (["G", "D", "G_ema"] as const).find((name) => !networkPrefixes(shapes).includes(name));
  if (missing !== undefined) throw new UserError(`${file} does not fit this run: it has no ${missing}`);
  checkDescription({ file, info: { description, curNimg: null, classNames: [] }, shapes });
}

/**
 * The settings that had been changed when the state was written: what a resume starts from beside the run's options.
 * @throws UserError when the file is damaged
 */
export function readSettingChanges(file: string): SettingChange[] {
  const values = valuesIn(file, readSafetensorsHeader(file).metadata);
  const progress = new Progress();
  try {
    progress.restore({ tensors: new Map(), values: values[progressName] });
  } catch {
    throw damaged(file);
  }
  return progress.changes;
}

/** Real images shown when the state was written. @throws UserError when the file is damaged */
export function readCurNimg(file: string): number {
  const { trainer } = valuesIn(file, readSafetensorsHeader(file).metadata);
  const { data } = z.object({ curNimg: z.number().nonnegative() }).safeParse(trainer);
  if (!data) throw damaged(file);
  return data.curNimg;
}

/** The name of the first tensor that has them. */
function notFinite(tensors: readonly (readonly [string, Tensor])[]): string | undefined {
  return tensors.find(([, tensor]) => !tensor.allFinite())?.[0];
}

/** The tensors of one part, without its name. Those of format 2 have other names in one place. */
function tensorsOf(name: string, tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const prefix = `${name}.`;
  const own = [...tensors].flatMap(([key, tensor]): [string, Tensor][] => {
    if (key.startsWith(prefix)) return [[key.slice(prefix.length), tensor]];
    return name === "objective" && key === "pl_mean" ? [[key, tensor]] : [];
  });
  return new Map(own);
}

/** What the parts remember beside tensors, by the parts' names. */
function valuesIn(file: string, metadata: Readonly<Record<string, string>>): Record<string, unknown> {
  try {
    if (metadata.format === format2) return valuesOfFormat2(metadata);
    z.literal(format).parse(metadata.format);
    return z.record(z.string(), z.unknown()).parse(JSON.parse(metadata.values ?? ""));
  } catch {
    throw damaged(file);
  }
}

function damaged(file: string): UserError {
  return new UserError(`${file} is damaged or of another version: the run cannot be resumed`);
}

// ---- format 2, which knew its parts by name ----

const format2 = "stylegan.ts training state 2";

const format2Schema = z.object({
  curNimg: z.coerce.number(),
  batchIndex: z.coerce.number(),
  plUpdates: z.coerce.number(),
  gSteps: z.coerce.number(),
  dSteps: z.coerce.number(),
  statistics: z.string(),
  histograms: z.string().default("{}"),
  progress: z.string(),
});

function valuesOfFormat2(metadata: Readonly<Record<string, string>>): Record<string, unknown> {
  const saved = format2Schema.parse(metadata);
  const { curNimg, batchIndex, plUpdates } = saved;
  const { sampler, ...progress } = z.looseObject({ sampler: z.unknown() }).parse(JSON.parse(saved.progress));
  return {
    // It looked at the schedule after every step.
    trainer: { curNimg, batchIndex, scheduleNimg: curNimg },
    objective: { plUpdates },
    "adam.G": { steps: saved.gSteps },
    "adam.D": { steps: saved.dSteps },
    statistics: { sums: JSON.parse(saved.statistics), histograms: JSON.parse(saved.histograms) },
    loader: sampler,
    [progressName]: progress,
  };
}
