// A network from a file or a run, ready to make pictures.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Generator } from "../networks/network.js";
import type { SnapshotInfo } from "../networks/snapshot.js";
import { kimgOfName, snapshotPattern } from "../protocol/runFiles.js";
import { UserError } from "../system/errors.js";
import { isDirectory } from "../system/files.js";
import type { Device } from "../torch/tensor.js";
import { loadGenerator } from "./openSnapshot.js";

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

/**
 * `path` itself, or the latest network snapshot in it when it is a folder.
 * @throws UserError when the folder has none
 */
export function latestSnapshot(path: string): string {
  if (!isDirectory(path)) return path;
  const kimg = (name: string) => kimgOfName(name, snapshotPattern) ?? -1;
  const snapshots = readdirSync(path).filter((name) => kimg(name) >= 0);
  const [latest] = snapshots.sort((a, b) => kimg(b) - kimg(a));
  if (latest === undefined)
    throw new UserError(
      `--network ${path}: no network snapshot in this folder; give a run's folder or a snapshot file`,
    );
  return join(path, latest);
}
