// What one cycle of training costs, and how much of it are the convolutions alone.

import { memoryInUse, type RecordedCall } from "../src/torch/runtime.js";
import { scope } from "../src/torch/scope.js";
import { resolveConfig } from "../src/training/config.js";
import type { TrainingConfig } from "../src/training/configSchema.js";
import { randomReals, trainerFor } from "../src/training/dryRun.js";
import type { Phase, PhaseName } from "../src/training/phases.js";
import type { Trainer } from "../src/training/trainer.js";
import type { BenchConfiguration } from "./configurations.js";
import { flops, recordConvolutions, referenceGflops, replayTimes } from "./convolutions.js";
import { profile, profileTable } from "./profile.js";
import { median } from "./statistics.js";

/** Something that is timed: a phase with its convolutions, or the moving average. */
interface Part {
  name: PhaseName | "ema";
  /** It runs in every so many-th step. */
  interval: number;
  run(): void;
  convolutions: RecordedCall[];
}

export interface MemoryRow {
  what: string;
  megabytes: number;
}

export interface TrainingResult {
  /** Seconds of each part, and of its convolutions on their own. */
  seconds: Record<string, number>;
  convSeconds: Record<string, number>;
  imgPerSec: number;
  /** Share of a cycle's time that its convolutions take on their own. */
  convBound: number;
  /** The time of the same convolutions by libtorch's direct algorithm, over the cycle's. */
  directBound: number;
  convGflops: number;
  /** One 3x3 convolution of 128 channels at 32x32 with both of its gradients, in the same run. */
  referenceGflops: number;
  peakMemoryMb: number;
  memory: MemoryRow[];
}

export function describe({ cfg, resolution, overrides }: BenchConfiguration): TrainingConfig {
  const facts = {
    ...{ resolution, source: "random", background: "white", conditional: false },
    ...{ subset: null, subsetSeed: 0, mirror: false, fingerprint: "", classNames: [] },
  };
  // Networks that grow are measured fully grown.
  return { ...resolveConfig(cfg, facts, overrides), growth: null };
}

export function measureTraining(
  configuration: BenchConfiguration,
  { repeats, profileRows }: { repeats: number; profileRows?: number | undefined },
): TrainingResult {
  const baseMb = residentMb();
  const trainer = trainerFor(describe(configuration));
  const reals = randomReals(trainer);
  const run = (phase: Phase) => trainer.runPhase(phase, reals);
  const persistent = memoryInUse().bytes;
  memoryInUse();
  const parts = trainer.phases.map((phase): Part => {
    run(phase);
    const convolutions = recordConvolutions(() => run(phase));
    return { name: phase.name, interval: phase.every * phase.interval, run: () => run(phase), convolutions };
  });
  const { peakBytes } = memoryInUse();
  const saved = Math.max(...trainer.phases.map((phase) => savedBytes(trainer, phase)));
  const peakMemoryMb = peakResidentMb();
  const { batch } = trainer.config;
  parts.push({ name: "ema", interval: 1, run: () => trainer.updateEma(batch), convolutions: [] });

  if (profileRows !== undefined)
    for (const part of parts)
      process.stdout.write(`${part.name}\n${profileTable(profile(part.run), profileRows)}\n`);

  const timings = parts.map((part) => ({ ...part, ...timed(part, repeats) }));
  const reference = referenceGflops();
  trainer.dispose();

  // One cycle is a step with its share of the lazy regularization.
  type Timing = (typeof timings)[number];
  const perCycle = (value: (timing: Timing) => number) =>
    timings.reduce((sum, timing) => sum + value(timing) / timing.interval, 0);
  const cycleSeconds = perCycle(({ seconds }) => seconds);
  const convSeconds = perCycle((timing) => timing.convSeconds);
  const directSeconds = perCycle((timing) => timing.directSeconds);
  const convFlops = perCycle(({ convolutions }) => flops(convolutions));
  const named = (value: (timing: Timing) => number) =>
    Object.fromEntries(timings.map((timing) => [timing.name, rounded(value(timing))]));
  return {
    seconds: named(({ seconds }) => seconds),
    convSeconds: named((timing) => timing.convSeconds),
    imgPerSec: rounded(batch / cycleSeconds),
    convBound: rounded(convSeconds / cycleSeconds),
    directBound: rounded(directSeconds / cycleSeconds),
    convGflops: rounded(convFlops / convSeconds / 1e9),
    referenceGflops: rounded(reference),
    peakMemoryMb,
    memory: memoryRows({ baseMb, persistent, saved, peakBytes, peakMemoryMb }),
  };
}

/** A part and its convolutions in turn, so that a change in the machine's speed meets both. */
function timed(part: Part, repeats: number): { seconds: number; convSeconds: number; directSeconds: number } {
  const rounds = Array.from({ length: repeats }, () => {
    const start = performance.now();
    part.run();
    const whole = (performance.now() - start) / 1000;
    return { whole, ...replayTimes(part.convolutions) };
  });
  return {
    seconds: median(rounds.map(({ whole }) => whole)),
    convSeconds: median(rounds.map(({ seconds }) => seconds)),
    directSeconds: median(rounds.map(({ directSeconds }) => directSeconds)),
  };
}

/** Bytes that the largest graph of a phase keeps for its gradients, counted when its loss is known. */
function savedBytes(trainer: Trainer, phase: Phase): number {
  const { objective } = trainer;
  trainer.trainOnly(phase.network);
  const bytes = phase.terms.map((term) =>
    scope(() => {
      const batch = objective.draw(term, randomReals(trainer));
      const before = memoryInUse().bytes;
      objective.evaluate(term, batch);
      return memoryInUse().bytes - before;
    }),
  );
  return Math.max(...bytes);
}

function memoryRows(bytes: {
  baseMb: number;
  persistent: number;
  saved: number;
  peakBytes: number;
  peakMemoryMb: number;
}): MemoryRow[] {
  const { baseMb, persistent, saved, peakBytes, peakMemoryMb } = bytes;
  if (peakBytes === 0) return [];
  const mb = (value: number) => Math.round(value / 2 ** 20);
  return [
    { what: "Node and libtorch before any network", megabytes: baseMb },
    { what: "parameters, moments, moving average", megabytes: mb(persistent) },
    { what: "activations saved for gradients, largest phase", megabytes: mb(saved) },
    {
      what: "gradients and other temporary tensors at the largest moment",
      megabytes: mb(peakBytes - persistent - saved),
    },
    {
      what: "the rest: small tensors, oneDNN's buffers and code, kept blocks",
      megabytes: peakMemoryMb - baseMb - mb(peakBytes),
    },
    { what: "peak of the process", megabytes: peakMemoryMb },
  ];
}

function residentMb(): number {
  return Math.round(process.memoryUsage.rss() / 2 ** 20);
}

function peakResidentMb(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
