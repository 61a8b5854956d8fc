// The state of a run: everything that makes a resumed run equal, bit for bit, to one that never stopped.

import { z } from "zod";
import {
  disposeAll,
  loadInto,
  prefixedState,
  readSnapshotInfo,
  type SnapshotSource,
  stateOf,
} from "../networks/snapshot.js";
import { type SettingChange, settingChangeSchema } from "../protocol/control.js";
import { histogramSchema } from "../protocol/runFiles.js";
import { UserError } from "../system/errors.js";
import type { Adam } from "../torch/adam.js";
import type { Module } from "../torch/module.js";
import { randomState, setRandomState } from "../torch/random.js";
import { readSafetensors, readSafetensorsHeader, writeSafetensors } from "../torch/safetensors.js";
import { scope } from "../torch/scope.js";
import { type Tensor, tensorFromBytes } from "../torch/tensor.js";
import type { Trainer } from "./trainer.js";

const format = "stylegan.ts training state 2";

/** What the loop itself has to remember. */
const progressSchema = z.strictObject({
  /** Ticks completed. */
  tick: z.number().int().nonnegative(),
  /** Images shown when the present tick began. */
  tickStartNimg: z.number().int().nonnegative(),
  /** Seconds of training in all, earlier parts included. */
  totalSeconds: z.number().nonnegative(),
  sampler: z.strictObject({ seed: z.number(), epoch: z.number(), position: z.number() }),
  /** Settings that were changed while the run trained. States from before that was possible have none. */
  changes: z.array(settingChangeSchema).default([]),
});

export type LoopProgress = z.infer<typeof progressSchema>;

const metadataSchema = z.object({
  format: z.literal(format),
  curNimg: z.coerce.number().int(),
  batchIndex: z.coerce.number().int(),
  plUpdates: z.coerce.number().int(),
  gSteps: z.coerce.number().int(),
  dSteps: z.coerce.number().int(),
  statistics: z.string(),
  histograms: z.string().default("{}"),
  progress: z.string(),
});

const statisticsSchema = z.record(z.string(), z.strictObject({ sum: z.number(), count: z.number() }));
const histogramsSchema = z.record(z.string(), histogramSchema);

/** Writes the state of `trainer` and of the loop; the file is replaced only when the new one is complete. */
export function writeTrainingState(file: string, trainer: Trainer, progress: LoopProgress): void {
  const { G, D, gEma, gOptimizer, dOptimizer, objective, statistics, device } = trainer;
  const generators = new Map(
    randomDevices(device).map((name) => {
      const state = randomState(name);
      return [`random.${name}`, tensorFromBytes(state, [state.length], "uint8")] as const;
    }),
  );
  const moments = new Map(momentsOf(trainer));
  const tensors = new Map([
    ...prefixedState({ G, D, G_ema: gEma }),
    ...moments,
    ["pl_mean", objective.plMean] as const,
    ...generators,
  ]);
  statistics.collect();
  try {
    writeSafetensors(file, tensors, {
      format,
      curNimg: String(trainer.curNimg),
      batchIndex: String(trainer.batchIndex),
      plUpdates: String(objective.plUpdates),
      gSteps: String(gOptimizer.steps),
      dSteps: String(dOptimizer.steps),
      statistics: JSON.stringify(statistics.state.sums),
      histograms: JSON.stringify(statistics.state.histograms),
      progress: JSON.stringify(progress),
    });
  } finally {
    disposeAll(moments);
    disposeAll(generators);
  }
}

/**
 * Puts `trainer`, built for the same configuration, into the saved state.
 * @throws UserError when the file is damaged or belongs to another configuration
 */
export function readTrainingState(file: string, trainer: Trainer): LoopProgress {
  const { tensors, metadata } = readSafetensors(file);
  try {
    const saved = parseMetadata(file, metadata);
    const take = (name: string): Tensor => {
      const tensor = tensors.get(name);
      if (!tensor) throw new UserError(`${file} is damaged: ${name} is missing`);
      return tensor;
    };
    loadInto(trainer.G, stateOf(tensors, "G"), file);
    loadInto(trainer.D, stateOf(tensors, "D"), file);
    loadInto(trainer.gEma, stateOf(tensors, "G_ema"), file);
    scope(() => {
      for (const [name, moment] of momentsOf(trainer)) moment.copy_(take(name));
    });
    trainer.gOptimizer.steps = saved.gSteps;
    trainer.dOptimizer.steps = saved.dSteps;
    trainer.objective.plMean.copy_(take("pl_mean"));
    trainer.objective.plUpdates = saved.plUpdates;
    trainer.curNimg = saved.curNimg;
    trainer.batchIndex = saved.batchIndex;
    trainer.statistics.restore({ sums: saved.statistics, histograms: saved.histograms });
    trainer.resumeSchedule();
    for (const device of randomDevices(trainer.device)) {
      // A run that moves to another kind of device goes on there with that device's own random numbers.
      const state = tensors.get(`random.${device}`);
      if (state) setRandomState(device, state.toBytes());
    }
    return saved.progress;
  } finally {
    disposeAll(tensors);
  }
}

/**
 * The settings that had been changed when the state was written: what a resume starts from beside the run's options.
 * @throws UserError when the file is damaged
 */
export function readSettingChanges(file: string): SettingChange[] {
  return parseMetadata(file, readSafetensorsHeader(file).metadata).progress.changes;
}

/**
 * Starts `trainer` from the networks of a snapshot, with everything else fresh: the moving average of the generator
 * becomes both generators, as published for transfer learning.
 */
export function startFromSnapshot(snapshot: SnapshotSource, trainer: Trainer): void {
  const { file } = snapshot;
  const tensors = snapshot.read(["G_ema", "D"]);
  try {
    const gEma = stateOf(tensors, "G_ema");
    loadInto(trainer.G, gEma, file);
    loadInto(trainer.D, stateOf(tensors, "D"), file);
    loadInto(trainer.gEma, gEma, file);
  } finally {
    disposeAll(tensors);
  }
}

/** Whether `file` is a whole snapshot taken after `curNimg` images. */
export function isSnapshotOf(file: string, curNimg: number): boolean {
  try {
    return readSnapshotInfo(file).curNimg === curNimg;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

/** Views of the moments of both optimizers, by the names of their parameters: no matter how these lie in memory. */
function momentsOf({ G, D, gOptimizer, dOptimizer }: Trainer): [string, Tensor][] {
  const named = (name: string, network: Module, optimizer: Adam): [string, Tensor][] => {
    const { first, second } = optimizer.moments();
    const names = network.namedParameters().map(([parameter]) => parameter);
    return [
      ...first.map((moment, i): [string, Tensor] => [`adam.${name}.first.${names[i]}`, moment]),
      ...second.map((moment, i): [string, Tensor] => [`adam.${name}.second.${names[i]}`, moment]),
    ];
  };
  return [...named("G", G, gOptimizer), ...named("D", D, dOptimizer)];
}

function randomDevices(device: string): string[] {
  return device === "cpu" ? ["cpu"] : ["cpu", device];
}

function parseMetadata(file: string, metadata: Readonly<Record<string, string>>) {
  try {
    const parsed = metadataSchema.parse(metadata);
    return {
      ...parsed,
      statistics: statisticsSchema.parse(JSON.parse(parsed.statistics)),
      histograms: histogramsSchema.parse(JSON.parse(parsed.histograms)),
      progress: progressSchema.parse(JSON.parse(parsed.progress)),
    };
  } catch {
    throw new UserError(`${file} is damaged or of another version: the run cannot be resumed`);
  }
}
