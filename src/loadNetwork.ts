// A network from a file or a run, ready to make pictures.

import { loadGenerator } from "./interop/openSnapshot.js";
import type { Generator } from "./networks/network.js";
import type { SnapshotInfo } from "./networks/snapshot.js";
import type { Device } from "./torch/tensor.js";
import { latestSnapshot } from "./training/runDirectory.js";

export interface LoadedNetwork {
  /** The moving average of the generator's weights (G_ema), owned by the caller: `G.dispose()` frees it. */
  G: Generator;
  /** What the file says of it: architecture, classes, images shown. */
  info: SnapshotInfo;
  /** The file itself, where a run's folder was given. */
  file: string;
  /** What a file of another program lacked and what stands in its place. */
  notes: readonly string[];
}

/**
 * Loads a generator from a snapshot, from the latest snapshot of a run's folder, from a pickle of NVIDIA's or from a
 * checkpoint of the PyTorch port. Nothing in the file is run. Its weights ask for no gradients
 * (`G.setRequiresGrad(true)` changes that).
 *
 * libtorch works with one thread until `setThreads` says otherwise.
 * @param options device: `cpu` (default) or `cuda`
 * @throws UserError with one line that says what is wrong with the file
 */
export function loadNetwork(path: string, { device = "cpu" }: { device?: Device } = {}): LoadedNetwork {
  const file = latestSnapshot(path);
  const { G, info, notes } = loadGenerator(file);
  G.to(device);
  G.setRequiresGrad(false);
  return { G, info, file, notes };
}
