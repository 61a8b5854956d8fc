// The life of a run: started from fresh networks or from a network of a file, or resumed. The command line and the
// library are thin shells over it: they say what is wanted, and what is said where.

import type { Dataset } from "../data/dataset.js";
import { UserError } from "../system/errors.js";
import type { BestNetworks } from "./best.js";
import { isByResolution, valuesOf } from "./byResolution.js";
import { checkStateShapes, readSettingChanges } from "./checkpoint.js";
import { checkValues } from "./config.js";
import type { TrainingConfig } from "./configSchema.js";
import { type Reporter, train } from "./loop.js";
import { OptionError } from "./optionError.js";
import { type OptionName, optionOf } from "./options.js";
import { withValueAt } from "./paths.js";
import { openPictures, type Plan, type PreparationListener, prepareRun, type RunRequest } from "./prepare.js";
import { RunDirectory } from "./runDirectory.js";
import { withChanges } from "./settings.js";

/** What goes on, for whoever has started it. */
export interface RunListener extends PreparationListener {
  /** What a run will take whose configuration nobody has chosen; what this throws ends it before it begins. */
  planned?(about: { config: TrainingConfig; plan: Plan }): void;
  /** Training begins; the reporter is told what follows. */
  started(run: StartedRun): Reporter;
  /** Asked after every step; a run that stops early has a snapshot and can be resumed. */
  shouldStop(): boolean;
}

export interface StartedRun {
  run: RunDirectory;
  config: TrainingConfig;
  dataset: Dataset;
}

export interface FinishedRun {
  run: RunDirectory;
  config: TrainingConfig;
  /** Real images shown. */
  curNimg: number;
  /** False when it was asked to stop. */
  complete: boolean;
  /** The last picture of fakes. */
  fakesFile: string;
  /** The networks of the run's best value; null when nothing has been measured. */
  best: BestNetworks | null;
  /** Of a complete run: what is plainly wrong with it, in sentences. */
  verdict: string[];
}

/**
 * Trains a new run in a new folder below `outdir`.
 * @throws OptionError or UserError when data and choices do not go together; DivergenceError
 */
export async function startRun(
  request: RunRequest,
  { outdir, listener }: { outdir: string; listener: RunListener },
): Promise<FinishedRun> {
  const { network, device } = request;
  const { config, dataset, plan } = await prepareRun(request, listener);
  try {
    if (plan) listener.planned?.({ config, plan });
    const run = RunDirectory.create(outdir, `${dataset.name}-${config.cfg}-${dataset.resolution}`);
    const lock = run.lock();
    try {
      run.writeOptions(config);
      const resume = network && { snapshot: network };
      return await trained({ run, config, dataset }, { device, listener, ...(resume ? { resume } : {}) });
    } finally {
      lock.release();
    }
  } finally {
    dataset.close();
  }
}

/**
 * Goes on with a run where it was, to the same bits. Of `options`, only those that may change are taken.
 * @throws OptionError or UserError when it cannot be resumed so; DivergenceError
 */
export async function resumeRun(
  path: string,
  request: Omit<RunRequest, "network">,
  listener: RunListener,
): Promise<FinishedRun> {
  const { options } = request;
  const given = Object.keys(options).filter((name) => options[name as OptionName] !== undefined);
  checkValues(options);
  const run = RunDirectory.open(path);
  const fixed = given.filter((name) => !optionOf(name as OptionName).changes?.match(/resume|both/));
  if (request.cfg !== undefined) fixed.unshift("cfg");
  if (fixed.length > 0)
    throw new OptionError(
      (name) =>
        `${fixed.map((option) => name(option)).join(", ")} cannot change when a run is resumed; leave it out, or start a new run with ${name("resume")} and a snapshot file`,
    );
  const lock = run.lock();
  try {
    run.checkState(); // of a run that trains it may be still to come
    return await resumeLocked(run, request, { given, listener });
  } finally {
    lock.release();
  }
}

async function resumeLocked(
  run: RunDirectory,
  { options, device, cacheDirectory }: Omit<RunRequest, "network">,
  { given, listener }: { given: readonly string[]; listener: RunListener },
): Promise<FinishedRun> {
  const saved = withChanges(run.readOptions(), run.readState(readSettingChanges));
  const config = given.reduce(
    (changed, name) => withOption(changed, name as OptionName, options[name as OptionName]),
    saved,
  );
  run.readState((file) => checkStateShapes(file, config.network));
  const { source, background, conditional, subset, subsetSeed, fingerprint } = saved.data;
  const { resolution } = saved.network.config;
  const dataset = await openPictures(
    {
      ...{ source, background, conditional, subsetSeed, resolution },
      ...(subset === null ? {} : { subset }),
      ...(cacheDirectory === undefined ? {} : { cacheDirectory }),
    },
    listener,
  );
  try {
    if (dataset.fingerprint !== fingerprint)
      throw new OptionError(
        (name) =>
          `the pictures in ${source} are not those that the run was started with; start a new run with ${name("resume")} and a snapshot file`,
      );
    run.writeOptions(config);
    return await trained({ run, config, dataset }, { device, listener, resume: "run" });
  } finally {
    dataset.close();
  }
}

/** The configuration of a run that goes on with another value of an option. */
function withOption(config: TrainingConfig, name: OptionName, value: unknown): TrainingConfig {
  const { at } = optionOf(name);
  if (at === undefined) throw new Error(`${name} has no place in a configuration`);
  const { resolution } = config.network.config;
  const changed = withValueAt(config, at, isByResolution(value) ? valuesOf(value)(resolution) : value);
  if (name !== "tickKimg" || !config.growth) return changed;
  return { ...changed, growth: { ...config.growth, tickKimg: isByResolution(value) ? value : null } };
}

async function trained(
  about: StartedRun,
  options: Pick<Parameters<typeof train>[0], "device" | "resume"> & { listener: RunListener },
): Promise<FinishedRun> {
  const { listener, ...how } = options;
  const reporter = listener.started(about);
  const shouldStop = () => listener.shouldStop();
  try {
    const end = await train({ ...about, ...how, reporter, shouldStop });
    return { run: about.run, config: about.config, ...end };
  } catch (error) {
    if (error instanceof UserError) about.run.logIfPossible(error.message);
    throw error;
  }
}
