// npm run bench: seconds of each training phase, and how much of them the convolutions take on their own.

import { Command, Option } from "commander";
import { integerFrom, numberIn } from "../src/cli/values.js";
import { manualSeed } from "../src/torch/random.js";
import { setThreads, threads, torchVersion } from "../src/torch/runtime.js";
import { scope } from "../src/torch/scope.js";
import { resolveConfig, type TrainingOverrides } from "../src/training/config.js";
import { randomReals } from "../src/training/dryRun.js";
import { defaultPreset, presets } from "../src/training/presets.js";
import { type PhaseName, Trainer } from "../src/training/trainer.js";
import { type ConvolutionCall, flops, recordConvolutions, replaySeconds } from "./convolutions.js";
import { profile, profileTable } from "./profile.js";
import { median } from "./statistics.js";

interface BenchOptions extends TrainingOverrides {
  cfg: string;
  resolution: number;
  threads?: number;
  repeats: number;
  json: boolean;
  profile?: number;
}

const integer = (flags: string, text: string) => new Option(flags, text).argParser(integerFrom(1));
const options = new Command("bench")
  .description("Times the phases of a training step on random data.")
  .option("--cfg <name>", `configuration: ${Object.keys(presets).join(", ")}`, defaultPreset)
  .addOption(integer("--resolution <pixels>", "side of the pictures").default(64))
  .addOption(integer("--batch <n>", "pictures per step"))
  .addOption(integer("--channel-base <n>", "channels at resolution r are n / r …"))
  .addOption(integer("--channel-max <n>", "… but at most n"))
  .addOption(integer("--mapping-layers <n>", "layers of the mapping network"))
  .addOption(
    new Option("--pl-weight <x>", "weight of the path length regularization").argParser(numberIn({ min: 0 })),
  )
  .addOption(integer("--threads <n>", "threads of libtorch (default: all cores)"))
  .addOption(integer("--repeats <n>", "measured runs of each phase").default(7))
  .option("--json", "one line of JSON", false)
  .addOption(integer("--profile [rows]", "print where the time of each phase goes").preset(15))
  .parse()
  .opts<BenchOptions>();

interface PhaseTiming {
  name: PhaseName;
  interval: number;
  seconds: number;
  convSeconds: number;
  calls: ConvolutionCall[];
}

setThreads(options.threads);
manualSeed(0);
const { cfg, resolution, threads: _threads, repeats, json, profile: profileRows, ...overrides } = options;
const facts = {
  ...{ resolution, source: "random", background: "white", conditional: false },
  ...{ subset: null, mirror: false, fingerprint: "", classNames: [] },
};
const config = resolveConfig(cfg, facts, overrides);
// Networks that grow are measured fully grown.
const trainer = new Trainer({ ...config, growth: null });

const runPhase = (phase: (typeof trainer.phases)[number]) =>
  scope(() => trainer.runPhase(phase, randomReals(trainer)));
const warm = trainer.phases.map((phase) => {
  runPhase(phase);
  return { phase, calls: recordConvolutions(() => runPhase(phase)) };
});
const peakMemoryMb = Math.round(process.resourceUsage().maxRSS / 1024);

if (profileRows !== undefined)
  for (const { phase } of warm)
    process.stdout.write(
      `${phase.name}\n${profileTable(
        profile(() => runPhase(phase)),
        profileRows,
      )}\n`,
    );

const timings = warm.map(({ phase, calls }): PhaseTiming => {
  // Phase and convolutions in turn, so that a change in the machine's speed meets both.
  const rounds = Array.from({ length: repeats }, () => {
    const start = performance.now();
    runPhase(phase);
    const seconds = (performance.now() - start) / 1000;
    return { seconds, convSeconds: replaySeconds(calls) };
  });
  return {
    name: phase.name,
    interval: phase.interval,
    seconds: median(rounds.map((round) => round.seconds)),
    convSeconds: median(rounds.map((round) => round.convSeconds)),
    calls,
  };
});

// One cycle is a step with its share of the lazy regularization.
const perCycle = (value: (timing: PhaseTiming) => number) =>
  timings.reduce((sum, timing) => sum + value(timing) / timing.interval, 0);
const cycleSeconds = perCycle((timing) => timing.seconds);
const convSeconds = perCycle((timing) => timing.convSeconds);
const convFlops = perCycle((timing) => flops(timing.calls));
const named = (value: (timing: PhaseTiming) => number) =>
  Object.fromEntries(timings.map((timing) => [timing.name, Number(value(timing).toPrecision(4))]));
const result = {
  ...{ cfg: config.cfg, resolution, batch: config.batch, network: config.network.config },
  ...{ threads: threads(), torch: torchVersion() },
  seconds: named((timing) => timing.seconds),
  convSeconds: named((timing) => timing.convSeconds),
  imgPerSec: Number((config.batch / cycleSeconds).toPrecision(4)),
  peakMemoryMb,
  convGflops: Number((convFlops / convSeconds / 1e9).toPrecision(4)),
  convBound: Number((convSeconds / cycleSeconds).toPrecision(3)),
};
trainer.dispose();

if (json) {
  process.stdout.write(`${JSON.stringify(result)}\n`);
} else {
  for (const { name, interval, seconds, convSeconds: conv } of timings)
    process.stdout.write(
      `${name.padEnd(6)} ${seconds.toFixed(3)} s  convolutions ${conv.toFixed(3)} s  (every ${interval} steps)\n`,
    );
  process.stdout.write(
    `${result.imgPerSec} img/s  convBound ${result.convBound}  convolutions at ${result.convGflops} GFLOP/s  peak memory ${result.peakMemoryMb} MB\n`,
  );
}
