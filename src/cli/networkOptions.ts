// The options that commands with a `--network` share, each defined once, and how they open it.

import { type Command, Option } from "commander";
import { type LoadedNetwork, loadNetwork } from "../interop/loadNetwork.js";
import type { Generator, NoiseMode, TruncationOptions } from "../networks/network.js";
import type { SnapshotInfo } from "../networks/snapshot.js";
import { UserError } from "../system/errors.js";
import { checkDevice, setThreads } from "../torch/runtime.js";
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
      new Option("--threads <n>", "threads of libtorch (default: all cores)").argParser(integerFrom(1)),
    );
}

/** Before anything else of a command. @throws UserError when there is no such device */
export function useDevice({ device, threads }: DeviceOptions): void {
  setThreads(threads);
  checkDevice(device);
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

/**
 * The generator that `--network` names, on the device that the options say; owned by the caller.
 * @throws UserError when it cannot be opened
 */
export function openGenerator(options: NetworkOptions): LoadedNetwork {
  useDevice(options);
  const network = loadNetwork(options.network, { device: options.device });
  printNotes(network.notes);
  return network;
}

/** What a person should know of a file of another program, where it is no part of a command's output. */
export function printNotes(notes: readonly string[]): void {
  for (const note of notes) process.stderr.write(`Note: ${note}.\n`);
}

// ---- what its pictures look like ----

export interface ClassOption {
  class?: string;
}

export function classOption(): Option {
  return new Option("--class <k>", "class by number or name, for conditional networks");
}

/**
 * The class index that `--class` means; 0 for an unconditional network.
 * @throws UserError when it is missing for a conditional network, unknown, or of no use
 */
export function classIndexOf(options: ClassOption, G: Generator, { classNames }: SnapshotInfo): number {
  const { class: text } = options;
  if (G.cDim === 0) {
    if (text !== undefined) throw new UserError("--class: this network has no classes; leave the option out");
    return 0;
  }
  const known = classNames.length > 0 ? classNames.map((name, i) => `${i} ${name}`) : [`0 to ${G.cDim - 1}`];
  const names = listed(known);
  if (text === undefined) throw new UserError(`--class is missing: this network has the classes ${names}`);
  const index = /^\d+$/.test(text) ? Number(text) : classNames.indexOf(text);
  if (index < 0 || index >= G.cDim)
    throw new UserError(`--class ${text}: no such class; choose one of ${names}`);
  return index;
}

/** With commas, the middle of a long list left out. */
function listed(names: readonly string[]): string {
  return names.length <= 40 ? names.join(", ") : `${names.slice(0, 39).join(", ")}, …, ${names.at(-1)}`;
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
