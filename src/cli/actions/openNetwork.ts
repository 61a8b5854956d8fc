// What commands with a `--network` do first: the device, the network, the class.

import { type LoadedNetwork, loadNetwork } from "../../interop/loadNetwork.js";
import type { Generator } from "../../networks/network.js";
import type { SnapshotInfo } from "../../networks/snapshot.js";
import { UserError } from "../../system/errors.js";
import { checkDevice, setThreads, warnAboutSlowBlas } from "../../torch/runtime.js";
import type { ClassOption, DeviceOptions, NetworkOptions } from "../networkOptions.js";

/** Before anything else of a command. @throws UserError when there is no such device */
export function useDevice({ device, threads }: DeviceOptions): void {
  setThreads(threads);
  warnAboutSlowBlas();
  checkDevice(device);
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
