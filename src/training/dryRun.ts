// What a run would be, without starting it: sizes of the networks, memory, time.

import { classRows } from "../synthesis/latents.js";
import { noGrad } from "../torch/autograd.js";
import type { Module } from "../torch/module.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Device } from "../torch/tensor.js";
import type { Reals } from "./batch.js";
import type { TrainingConfig } from "./configSchema.js";
import type { Phase, PhaseName } from "./phases.js";
import { Trainer } from "./trainer.js";

export interface PartSize {
  name: string;
  parameters: number;
  buffers: number;
}

export interface Estimate {
  /** Layers or blocks of each network, then the network's total. */
  sizes: PartSize[];
  /** Seconds of each phase, measured after a first time that warms up. */
  phaseSeconds: Partial<Record<PhaseName, number>>;
  secPerKimg: number;
  /** Largest resident memory of the process so far, in MB. */
  peakMemoryMb: number;
}

/** Builds the networks and runs every phase on random pictures, to measure instead of guess. Writes nothing. */
export function estimateRun(config: TrainingConfig, device: Device): Estimate {
  // Networks that grow are measured fully grown.
  const trainer = trainerFor({ ...config, growth: null }, device);
  try {
    const sizes = [...partSizes("G", trainer.G), ...partSizes("D", trainer.D)];
    const phaseSeconds: Partial<Record<PhaseName, number>> = {};
    let secPerStep = 0;
    for (const phase of trainer.phases) {
      const seconds = secondsOf(phase, trainer);
      phaseSeconds[phase.name] = seconds;
      secPerStep += seconds / (phase.every * phase.interval);
    }
    const peakMemoryMb = Math.round(process.resourceUsage().maxRSS / 1024);
    return { sizes, phaseSeconds, secPerKimg: (secPerStep / config.batch) * 1000, peakMemoryMb };
  } finally {
    trainer.dispose();
  }
}

/** With this a phase is measured well enough; large networks take longer for the two times that it needs. */
const enoughSeconds = 0.5;

/** Seconds of a phase, after a first time that warms up: the mean of as many as half a second has room for. */
function secondsOf(phase: Phase, trainer: Trainer): number {
  const timed = () => {
    const start = performance.now();
    scope(() => trainer.runPhase(phase, randomReals(trainer)));
    trainer.statistics.collect(); // on a GPU this waits for the phase to end
    return (performance.now() - start) / 1000;
  };
  timed();
  let [total, count] = [0, 0];
  while (total < enoughSeconds && count < 100) {
    total += timed();
    count += 1;
  }
  return total / count;
}

/** A trainer for random pictures, of each class as many. */
export function trainerFor(config: TrainingConfig, device: Device = "cpu"): Trainer {
  return new Trainer(config, { device, labels: [...config.data.classNames.keys()] });
}

/** A batch of noise in the place of pictures. */
export function randomReals({ config, device, G }: Trainer): Reals {
  const { resolution } = config.network.config;
  const images = noGrad(() =>
    randn([config.batch, 3, resolution, resolution], { device }).clamp(-1, 1).contiguous("channelsLast"),
  );
  return { images, c: classRows(new Int32Array(config.batch), G.cDim, device) };
}

/** Number of elements of each child, two levels deep, and of the whole. */
function partSizes(name: string, network: Module): PartSize[] {
  const size = (label: string, module: Module): PartSize => ({
    name: label,
    parameters: count(module.parameters()),
    buffers: count(module.buffers()),
  });
  const parts = network.namedChildren().flatMap(([child, module]) => {
    const blocks = module.namedChildren().filter(([, block]) => block.namedChildren().length > 0);
    return blocks.length > 0
      ? blocks.map(([block, part]) => size(`${name}.${child}.${block}`, part))
      : [size(`${name}.${child}`, module)];
  });
  return [...parts, size(name, network)];
}

function count(tensors: readonly { numel: number }[]): number {
  return tensors.reduce((sum, { numel }) => sum + numel, 0);
}
