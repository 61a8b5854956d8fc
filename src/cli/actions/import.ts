// stylegan import: what it does.

import { resolve } from "node:path";
import { openSnapshot } from "../../interop/openSnapshot.js";
import {
  createNetwork,
  disposeAll,
  loadInto,
  type NetworkPrefix,
  networkPrefixes,
  stateOf,
  writeSnapshot,
} from "../../networks/snapshot.js";
import { UserError } from "../../system/errors.js";
import type { Module } from "../../torch/module.js";
import { printNotes } from "./openNetwork.js";

export function run(file: string, { out }: { out: string }): void {
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
    printNotes(notes);
    const { architecture, config } = info.description;
    process.stdout.write(
      `${out}: ${architecture}, ${config.resolution} px, ${prefixes.join(", ")} from ${info.origin?.format}\n`,
    );
  } finally {
    for (const network of Object.values(networks)) network.dispose();
    snapshot.close();
  }
}
