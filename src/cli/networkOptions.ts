// The options that commands with a `--network` share, each defined once.

import { type Command, Option } from "commander";
import type { NoiseMode, TruncationOptions } from "../networks/network.js";
import { mostThreads } from "../torch/runtime.js";
import { integerFrom, numberIn, oneOf } from "./values.js";

const devices = ["cpu", "cuda"] as const;
const noiseModes = ["const", "random", "none"] as const;

// ---- where libtorch works ----

export interface DeviceOptions {
  device: (typeof devices)[number];
  threads?: number;
}

/** `--device` and `--threads`. */
export function addDeviceOptions(command: Command): Command {
  return command
    .addOption(new Option("--device <name>", devices.join(" or ")).argParser(oneOf(devices)).default("cpu"))
    .addOption(
      new Option("--threads <n>", "threads of libtorch (default: all cores)").argParser(
        integerFrom(1, mostThreads),
      ),
    );
}

// ---- which network ----

export interface NetworkOptions extends DeviceOptions {
  network: string;
}

/** `--network`. `addDeviceOptions` belongs to it, at the end of a command's options. */
export function networkOption(): Option {
  return new Option(
    "--network <file>",
    "a network snapshot, a run's folder for its latest, or a file of another program (see import)",
  ).makeOptionMandatory();
}

// ---- what its pictures look like ----

export interface ClassOption {
  class?: string;
}

export function classOption(): Option {
  return new Option("--class <k>", "class by number or name, for conditional networks");
}

export interface TruncationChoice {
  trunc: number;
  truncCutoff?: number;
}

/** What `--trunc` takes; a number or several. */
export const truncationPsi = numberIn({ min: -10, max: 10 });

export function truncOption(): Option {
  return new Option("--trunc <psi>", "truncation: 1 none, 0 the mean picture")
    .argParser(truncationPsi)
    .default(1);
}

export function truncCutoffOption(): Option {
  return new Option("--trunc-cutoff <n>", "truncate only the first n layers").argParser(integerFrom(0));
}

/** The choice as the networks take it. */
export function truncationOf({ trunc, truncCutoff }: TruncationChoice): TruncationOptions {
  return { truncationPsi: trunc, ...(truncCutoff === undefined ? {} : { truncationCutoff: truncCutoff }) };
}

export interface NoiseOption {
  noiseMode: NoiseMode;
}

export function noiseModeOption(): Option {
  return new Option("--noise-mode <mode>", noiseModes.join(", "))
    .argParser(oneOf(noiseModes))
    .default("const");
}

export interface BatchOption {
  batch: number;
}

/** Enough to keep the cores busy, few enough for 1024 px. */
const defaultBatch = 8;

export function batchOption(): Option {
  return new Option("--batch <n>", "pictures computed at once")
    .argParser(integerFrom(1, 4096))
    .default(defaultBatch);
}
