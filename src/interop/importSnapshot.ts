// A network file of another program as a snapshot of this one.

import { resolve } from "node:path";
import {
  createNetwork,
  disposeAll,
  loadInto,
  type NetworkPrefix,
  networkPrefixes,
  type SnapshotInfo,
  stateOf,
  writeSnapshot,
} from "../networks/snapshot.js";
import { UserError } from "../system/errors.js";
import type { Module } from "../torch/module.js";
import { openSnapshot } from "./openSnapshot.js";

export interface ImportedSnapshot {
  /** What the file says of its networks. */
  info: SnapshotInfo;
  networks: readonly NetworkPrefix[];
  /** What it lacked and what stands in its place. */
  notes: readonly string[];
}

/**
 * Writes the networks in `file` to `out`. Nothing in the file is run.
 * @throws UserError with one line that says what is wrong with the file
 */
export function importSnapshot(file: string, out: string): ImportedSnapshot {
  if (resolve(file) === resolve(out))
    throw new UserError(`--out ${out} is the file itself; give another name`);
  const snapshot = openSnapshot(file);
  const networks: Partial<Record<NetworkPrefix, Module>> = {};
  try {
    const { info, shapes, notes, isOwn } = snapshot;
    if (isOwn) throw new UserError(`${file} is a network snapshot of this program already; use it as it is`);
    const prefixes = networkPrefixes(shapes);
    for (const prefix of prefixes) {
      const network = createNetwork(prefix, info.description);
      networks[prefix] = network;
      const tensors = snapshot.read([prefix]);
      try {
        loadInto(network, stateOf(tensors, prefix), file);
      } finally {
        disposeAll(tensors);
      }
    }
    writeSnapshot(out, networks, info);
    return { info, networks: prefixes, notes };
  } finally {
    for (const network of Object.values(networks)) network.dispose();
    snapshot.close();
  }
}
