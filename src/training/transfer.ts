// A training that starts from the networks in a file, with everything else fresh.

import { disposeAll, loadInto, networkPrefixes, type SnapshotSource, stateOf } from "../networks/snapshot.js";
import type { Trainer } from "./trainer.js";

/**
 * Puts the networks of a snapshot into `trainer`: G to G, D to D and the moving average to the moving average, as in the
 * published programs. Where the file has no G, as the files for generating have it, the moving average is both.
 */
export function startFromSnapshot(snapshot: SnapshotSource, { G, D, gEma }: Trainer): void {
  const { file } = snapshot;
  const source = networkPrefixes(snapshot.shapes).includes("G") ? "G" : "G_ema";
  const tensors = snapshot.read(["G_ema", "G", "D"]);
  try {
    loadInto(G, stateOf(tensors, source), file);
    loadInto(D, stateOf(tensors, "D"), file);
    loadInto(gEma, stateOf(tensors, "G_ema"), file);
  } finally {
    disposeAll(tensors);
  }
}
