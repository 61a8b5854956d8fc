// A training run from a data set to its last snapshot, in one call: what `stylegan train` does, for programs.

import { type DatasetOptions, openDataset } from "../data/dataset.js";
import { resolveConfig, type TrainingOverrides } from "./config.js";
import { type TickReport, train } from "./loop.js";
import { defaultPreset } from "./presets.js";
import { RunDirectory } from "./runDirectory.js";

export interface NewRunOptions extends TrainingOverrides {
  /** A folder, a zip, `emoji` or `emoji:GROUP`; or a data set with more choices. */
  data: string | DatasetOptions;
  /** The run becomes a new folder below it. */
  outdir: string;
  /** Name of a preset. Default `stylegan2`. */
  cfg?: string;
  /** Side of the pictures. Default: the data's own. */
  resolution?: number;
  /** Show every picture mirrored as well. */
  mirror?: boolean;
  /** `cpu` (default) or `cuda`. */
  device?: string;
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
}

/**
 * Trains a generator and its discriminator. What is not given comes from the preset.
 * @throws UserError when data and choices do not go together
 */
export async function trainNewRun(options: NewRunOptions): Promise<FinishedRun> {
  const { data, outdir, cfg = defaultPreset, mirror = false, device = "cpu", ...rest } = options;
  const { resolution, onTick = () => {}, shouldStop = () => false, ...overrides } = rest;
  const { subsetSeed = overrides.seed ?? 0, ...request } =
    typeof data === "string" ? ({ source: data } as DatasetOptions) : data;
  const dataset = await openDataset({
    ...request,
    subsetSeed,
    ...(resolution === undefined ? {} : { resolution }),
  });
  try {
    const config = resolveConfig(
      cfg,
      {
        resolution: dataset.resolution,
        source: request.source,
        background: request.background ?? "white",
        conditional: request.conditional ?? false,
        subset: request.subset ?? null,
        subsetSeed,
        mirror,
        fingerprint: dataset.fingerprint,
        classNames: [...dataset.classNames],
      },
      overrides,
    );
    const run = RunDirectory.create(outdir, `${dataset.name}-${config.cfg}-${dataset.resolution}`);
    run.writeOptions(config);
    const reporter = { step: () => {}, tick: onTick, message: (line: string) => run.log(line) };
    const { curNimg, complete } = await train({ config, dataset, run, device, shouldStop, reporter });
    return { path: run.path, curNimg, complete };
  } finally {
    dataset.close();
  }
}
