// The life of a run: started from fresh networks or from a network of a file, or resumed. The command line and the
// library are thin shells over it: they say what is wanted, and what is said where.

import type { Dataset } from "../data/dataset.js";
import { UserError } from "../system/errors.js";
import type { BestNetworks } from "./best.js";
import { isByResolution, valuesOf } from "./byResolution.js";
import { checkStateShapes, readCurNimg, readSettingChanges } from "./checkpoint.js";
import { checkValues, definedOf } from "./config.js";
import type { TrainingConfig } from "./configSchema.js";
import { type Reporter, train } from "./loop.js";
import { OptionError } from "./optionError.js";
import { type OptionName, optionOf, type TrainingOptions } from "./options.js";
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
  /** Of a run that starts from networks: their file, and whether it keeps the options of their training. */
  start?: { file: string; before: TrainingConfig | undefined; isKept: boolean };
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
  const { config, dataset, plan, foundation } = await prepareRun(request, listener);
  try {
    if (plan) listener.planned?.({ config, plan });
    const run = RunDirectory.create(outdir, `${dataset.name}-${config.cfg}-${dataset.resolution}`);
    const lock = run.lock();
    try {
      run.writeOptions(config);
      if (!network) return await trained({ run, config, dataset }, { device, listener });
      const { before, isKept } = foundation;
      const start = { file: network.file, before, isKept };
      return await trained(
        { run, config, dataset, start },
        { device, listener, resume: { snapshot: network } },
      );
    } finally {
      lock.release();
    }
  } finally {
    dataset.close();
  }
}

/** A run that could go on: its data are open until `dataset.close()`. */
export interface PreparedResume extends StartedRun {
  /** Real images shown so far. */
  curNimg: number;
}

/**
 * Goes on with a run where it was, to the same bits. Of `options`, only those that may change are taken, and `data` when
 * the same pictures are there.
 * @throws OptionError or UserError when it cannot be resumed so; DivergenceError
 */
export async function resumeRun(
  path: string,
  request: ResumeRequest,
  listener: RunListener,
): Promise<FinishedRun> {
  const run = openedRun(path, request);
  const lock = run.lock();
  try {
    const { config, dataset } = await prepareResumed(run, request, listener);
    try {
      run.writeOptions(config);
      return await trained({ run, config, dataset }, { device: request.device, listener, resume: "run" });
    } finally {
      dataset.close();
    }
  } finally {
    lock.release();
  }
}

export type ResumeRequest = Omit<RunRequest, "network" | "before">;

/** Everything of `resumeRun` before something is written. */
export function prepareResume(
  path: string,
  request: ResumeRequest,
  listener: PreparationListener,
): Promise<PreparedResume> {
  return prepareResumed(openedRun(path, request), request, listener);
}

/**
 * Whether a run can go on with the pictures in `options.data`: they are its own, perhaps in another place, and nothing is
 * asked for that a resume cannot change.
 */
export async function isSameRun(
  path: string,
  request: ResumeRequest,
  listener: PreparationListener,
): Promise<boolean> {
  const run = RunDirectory.open(path);
  checkValues(request.options);
  if (fixedOptions(request).length > 0) return false;
  const { data } = run.readOptions();
  const dataset = await openOwn(run.readOptions(), request, listener);
  dataset.close();
  return dataset.fingerprint === data.fingerprint;
}

/** What the last state of a run was trained with. @throws UserError when there is none */
export function trainingOfRun(path: string): TrainingConfig {
  const run = RunDirectory.open(path);
  run.checkState();
  return withChanges(run.readOptions(), run.readState(readSettingChanges));
}

/** What is given that no resume can change. */
function fixedOptions({ cfg, options }: ResumeRequest): string[] {
  const fixed: string[] = givenNames(options).filter(
    (name) => name !== "data" && !optionOf(name).changes?.match(/resume|both/),
  );
  return cfg === undefined ? fixed : ["cfg", ...fixed];
}

function givenNames(options: TrainingOptions): OptionName[] {
  return Object.keys(definedOf(options)) as OptionName[];
}

function openedRun(path: string, request: ResumeRequest): RunDirectory {
  checkValues(request.options);
  const run = RunDirectory.open(path);
  const fixed = fixedOptions(request);
  if (fixed.length > 0)
    throw new OptionError(
      (name) =>
        `${fixed.map((option) => name(option)).join(", ")} cannot change when a run is resumed; leave it out, or start a new run with ${name("resume")} and a snapshot file`,
    );
  return run;
}

async function prepareResumed(
  run: RunDirectory,
  request: ResumeRequest,
  listener: PreparationListener,
): Promise<PreparedResume> {
  const { options } = request;
  const saved = trainingOfRun(run.path); // of a run that trains the state may be still to come
  const curNimg = run.readState(readCurNimg);
  const config = givenNames(options).reduce(
    (changed, name) => (name === "data" ? changed : withOption(changed, name, options[name])),
    saved,
  );
  run.readState((file) => checkStateShapes(file, config.network));
  // Nothing is left of the pictures between: a run goes on, it never goes back.
  if (config.kimg !== saved.kimg && config.kimg * 1000 < curNimg)
    throw new OptionError(
      (name) =>
        `${name("kimg", config.kimg)}: ${run.path} has shown ${curNimg / 1000} kimg already, which count; give a larger total, or leave it out to go on to ${saved.kimg}`,
    );
  const dataset = await openOwn(saved, request, listener);
  if (dataset.fingerprint === saved.data.fingerprint) {
    const data = { ...config.data, source: options.data ?? config.data.source };
    return { run, config: { ...config, data }, dataset, curNimg };
  }
  dataset.close();
  throw new OptionError(
    (name) =>
      `the pictures in ${dataset.source} are not those that the run was started with; ${name("data")} says where these are now, and with other pictures a new run starts from a snapshot file (${name("resume")} and ${name("data")})`,
  );
}

/** The pictures of a run, or what there is of them in another place. */
function openOwn(
  { data, network }: TrainingConfig,
  { options, cacheDirectory }: ResumeRequest,
  listener: PreparationListener,
): Promise<Dataset> {
  const { background, conditional, subset, subsetSeed } = data;
  const { resolution } = network.config;
  return openPictures(
    {
      ...{ source: options.data ?? data.source, background, conditional, subsetSeed, resolution },
      ...(subset === null ? {} : { subset }),
      ...(cacheDirectory === undefined ? {} : { cacheDirectory }),
    },
    listener,
  );
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
