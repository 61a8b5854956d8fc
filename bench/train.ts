// npm run bench: speed of training, and what it is bound by.
//
//     npm run bench -- --config M,minimal          configurations of configurations.ts, each in a process of its own
//     npm run bench -- --cfg stylegan2 --resolution 64 --batch 8
//     npm run bench -- --config M --profile         where the time of each phase goes
//     npm run bench -- --config M --against v0.1.0  another revision beside this one, in turn

import { Command, Option } from "commander";
import { integerFrom, listOf, numberIn, oneOf } from "../src/cli/values.js";
import { precisions } from "../src/torch/precision.js";
import { manualSeed } from "../src/torch/random.js";
import { setThreads, threads, torchVersion } from "../src/torch/runtime.js";
import type { TrainingOptions } from "../src/training/options.js";
import { presets } from "../src/training/presets.js";
import { against } from "./against.js";
import { inProcess } from "./child.js";
import { type BenchConfiguration, configurations } from "./configurations.js";
import { javascriptShare } from "./javascript.js";
import { describe, measureTraining, type TrainingResult } from "./training.js";

interface BenchOptions extends TrainingOptions {
  config?: string[];
  cfg: string;
  resolution: number;
  threads?: number;
  repeats: number;
  json: boolean;
  profile?: number;
  javascript: boolean;
  against?: string;
}

const integer = (flags: string, text: string) => new Option(flags, text).argParser(integerFrom(1));
const names = Object.keys(configurations);
const command = new Command("bench")
  .description("Times the phases of a training step on random data.")
  .addOption(
    new Option("--config <names>", `some of ${names.join(", ")}; or the following options`).argParser(
      listOf(names),
    ),
  )
  .option("--cfg <name>", `configuration: ${Object.keys(presets).join(", ")}`, "stylegan2")
  .addOption(integer("--resolution <pixels>", "side of the pictures").default(64))
  .addOption(integer("--batch <n>", "pictures per step"))
  .addOption(integer("--channel-base <n>", "channels at resolution r are n / r …"))
  .addOption(integer("--channel-max <n>", "… but at most n"))
  .addOption(integer("--mapping-layers <n>", "layers of the mapping network"))
  .addOption(
    new Option("--pl-weight <x>", "weight of the path length regularization").argParser(numberIn({ min: 0 })),
  )
  .addOption(new Option("--precision <name>", precisions.join(", ")).argParser(oneOf(precisions)))
  .addOption(integer("--threads <n>", "threads of libtorch (default: all cores)"))
  .addOption(integer("--repeats <n>", "measured runs of each phase").default(7))
  .addOption(integer("--profile [rows]", "print where the time of each phase goes").preset(15))
  .option("--javascript", "only measure the share of a cycle that is not inside of libtorch", false)
  .option("--against <revision>", "also build another git revision and run it in turn with this one")
  .option("--json", "one line of JSON", false)
  .parse();
const options = command.opts<BenchOptions>();

async function main(): Promise<void> {
  const { config } = options;
  if (options.against !== undefined) {
    await against(options.against, { configurations: chosen(), repeats: options.repeats });
  } else if (config && config.length > 1) {
    // The peak of memory is a process's, so each configuration has its own.
    const rest = process.argv
      .slice(2)
      .filter((arg, i, all) => arg !== "--config" && all[i - 1] !== "--config");
    for (const name of config) await inProcess(["--config", name, ...rest]);
  } else {
    measure();
  }
}

function chosen(): BenchConfiguration[] {
  const { precision } = options;
  if (options.config)
    return options.config.map((name) => {
      const { overrides, ...rest } = configurations[name] as BenchConfiguration;
      return { ...rest, overrides: { ...overrides, ...(precision ? { precision } : {}) } };
    });
  const { cfg, resolution, config, threads, repeats, json, profile, javascript, against, ...overrides } =
    options;
  return [{ cfg, resolution, overrides }];
}

function measure(): void {
  setThreads(options.threads);
  manualSeed(0);
  const configuration = chosen()[0] as BenchConfiguration;
  if (options.javascript) {
    process.stdout.write(
      `${(100 * javascriptShare(configuration, options.repeats)).toFixed(2)} % of a cycle outside of libtorch\n`,
    );
    return;
  }
  const result = measureTraining(configuration, { repeats: options.repeats, profileRows: options.profile });
  const { batch, network } = describe(configuration);
  if (options.json) {
    const { cfg, resolution } = configuration;
    const facts = {
      cfg,
      resolution,
      batch,
      network: network.config,
      threads: threads(),
      torch: torchVersion(),
    };
    process.stdout.write(`${JSON.stringify({ ...facts, ...result })}\n`);
    return;
  }
  print(result);
}

function print(result: TrainingResult): void {
  const name = options.config?.[0] ?? options.cfg;
  const phases = Object.entries(result.seconds).map(([phase, seconds]) => {
    const conv = result.convSeconds[phase] as number;
    return `  ${phase.padEnd(6)} ${seconds.toFixed(3)} s  convolutions ${conv.toFixed(3)} s`;
  });
  const memory = result.memory.map(({ what, megabytes }) => `  ${String(megabytes).padStart(6)} MB  ${what}`);
  process.stdout.write(
    `${name}: ${result.imgPerSec} img/s  convBound ${result.convBound}  directBound ${result.directBound}  convolutions at ${result.convGflops} GFLOP/s (one of 128 channels: ${result.referenceGflops})  peak memory ${result.peakMemoryMb} MB\n${[...phases, ...memory].join("\n")}\n`,
  );
}

await main();
