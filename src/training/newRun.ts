// A training run from a data set to its last snapshot, in one call: what `stylegan train` does, for programs.

import type { SnapshotSource } from "../networks/snapshot.js";
import type { Device } from "../torch/tensor.js";
import type { TickReport } from "./loop.js";
import type { TrainingOptions } from "./options.js";
import { type RunListener, resumeRun, startRun } from "./run.js";

export interface NewRunOptions extends TrainingOptions {
  /** The run becomes a new folder below it. Default `runs`. */
  outdir?: string;
  /** Name of a preset. Default `auto`: what the device can train, sized by the pictures, for hours (auto.ts). */
  cfg?: string;
  /**
   * A run's folder: goes on with it exactly, with new values of what may change. A network that `openSnapshot` has opened:
   * a new run starts from it.
   */
  resume?: string | SnapshotSource;
  /** `cpu` (default) or `cuda`. */
  device?: Device;
  /** Where prepared pictures are kept. */
  cacheDirectory?: string;
  onTick?: (report: TickReport) => void;
  /** Asked after every step; a run that stops early has a snapshot and can be resumed. */
  shouldStop?: () => boolean;
}

export interface FinishedRun {
  /** The run's folder, with its snapshots, pictures and figures. */
  path: string;
  /** Real images shown. */
  curNimg: number;
  /** False when `shouldStop` ended it. */
  complete: boolean;
  /** Of a complete run: what is plainly wrong with it, in sentences; empty when nothing is seen to be. */
  verdict: string[];
}

/**
 * Trains a generator and its discriminator. What is not given comes from the preset.
 * @throws UserError when data and choices do not go together
 */
export async function trainNewRun(options: NewRunOptions): Promise<FinishedRun> {
  const {
    outdir = "runs",
    cfg,
    resume,
    device = "cpu",
    cacheDirectory,
    onTick,
    shouldStop,
    ...given
  } = options;
  const listener: RunListener = {
    started: ({ run }) => ({
      step: () => {},
      tick: onTick ?? (() => {}),
      message: (line) => run.log(line),
    }),
    shouldStop: shouldStop ?? (() => false),
  };
  const request = { cfg, options: given, device, cacheDirectory };
  const { run, curNimg, complete, verdict } =
    typeof resume === "string"
      ? await resumeRun(resume, request, listener)
      : await startRun({ ...request, network: resume }, { outdir, listener });
  return { path: run.path, curNimg, complete, verdict };
}
