// The life of a run: started from fresh networks or from a network of a file, or resumed. The command line and the
// library are thin shells over it: they say what is wanted, and what is said where.

import { existsSync } from "node:fs";
import { type Dataset, type DatasetOptions, openDataset } from "../data/dataset.js";
import { createDiscriminator } from "../networks/registry.js";
import { networkPrefixes, type SnapshotSource } from "../networks/snapshot.js";
import { UserError } from "../system/errors.js";
import { checkPrecision } from "../torch/precision.js";
import type { Device } from "../torch/tensor.js";
import type { BestNetworks } from "./best.js";
import { isByResolution, valuesOf } from "./byResolution.js";
import { readSettingChanges } from "./checkpoint.js";
import { checkValues, resolveConfig, type Transfer } from "./config.js";
import type { TrainingConfig } from "./configSchema.js";
import { type Reporter, train } from "./loop.js";
import { OptionError } from "./optionError.js";
import { type OptionName, optionOf, type TrainingOptions } from "./options.js";
import { withValueAt } from "./paths.js";
import { defaultPreset, presetNamed } from "./presets.js";
import { RunDirectory } from "./runDirectory.js";
import { nimgOfGrowth } from "./schedule.js";
import { withChanges } from "./settings.js";

/** What is wanted of a new run. */
export interface RunRequest {
  /** Name of a preset. Default `stylegan2`. */
  cfg?: string | undefined;
  options: TrainingOptions;
  /** The networks to start from instead of fresh ones; open until the run has started. */
  network?: SnapshotSource | undefined;
  device: Device;
  /** Where prepared pictures are kept. */
  cacheDirectory?: string | undefined;
}

/** What goes on, for whoever has started it. */
export interface RunListener {
  /** While pictures are prepared, which happens once for each set. */
  preparing?(progress: { source: string; done: number; total: number | null }): void;
  /** The pictures are there; `skipped` says which are not. */
  opened?(dataset: Dataset): void;
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
}

/** A run that could start: its data are open until `dataset.close()`. */
export interface PreparedRun {
  config: TrainingConfig;
  dataset: Dataset;
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
  const { config, dataset } = await prepareRun(request, listener);
  try {
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

/** Everything of `startRun` before there is a folder: checks and data. */
export async function prepareRun(
  request: RunRequest,
  listener: Pick<RunListener, "preparing" | "opened">,
): Promise<PreparedRun> {
  const { cfg = defaultPreset, options, network, device, cacheDirectory } = request;
  const { data: source, subset, background = "white", cond: conditional = false, mirror = false } = options;
  checkValues(options);
  presetNamed(cfg);
  if (source === undefined)
    throw new OptionError(
      (name) =>
        `${name("data")} is missing: give a folder, a zip or emoji, for example ${name("data", "emoji:smileys")}`,
    );
  checkPrecisionOf(options.precision, device);
  checkStart(options, network);
  const resolution = options.resolution ?? network?.info.description.config.resolution;
  const subsetSeed = options.seed ?? presetNamed(cfg).values(64).seed[0]; // the same at every resolution
  if (!network) checkEarly(cfg, options);
  const dataset = await open(
    {
      ...{ source, background, conditional, subsetSeed },
      ...(resolution === undefined ? {} : { resolution }),
      ...(subset === undefined ? {} : { subset }),
      ...(cacheDirectory === undefined ? {} : { cacheDirectory }),
    },
    listener,
  );
  try {
    const facts = {
      ...{ resolution: dataset.resolution, source, background, conditional, mirror },
      ...{ subset: subset ?? null, subsetSeed },
      ...{ fingerprint: dataset.fingerprint, classNames: [...dataset.classNames] },
    };
    const resolve = (transfer?: Transfer) => resolveConfig(cfg, facts, options, transfer);
    if (!network) return { config: resolve(), dataset };
    const { file: from, info } = network;
    const { freezeD = 0, resumeKimg } = options;
    const transfer = { from, description: info.description, freezeD, kimg: resumeKimg ?? 0 };
    const config = resolve(transfer);
    if (resumeKimg !== undefined || !config.growth) return { config, dataset };
    // Networks that have grown go on at their size.
    const fullLevel = Math.log2(info.description.config.resolution);
    const nimg = nimgOfGrowth(config.growth, info.growth ?? { level: fullLevel, alpha: 1 });
    return { config: resolve({ ...transfer, kimg: nimg / 1000 }), dataset };
  } catch (error) {
    dataset.close();
    throw error;
  }
}

/**
 * What does not depend on the pictures is refused before they are prepared, which can take minutes.
 * @throws OptionError
 */
function checkEarly(cfg: string, options: TrainingOptions): void {
  const { resolution, cond = false, mirror = false } = options;
  if (resolution === undefined) return; // a zip has one of its own
  resolveConfig(
    cfg,
    {
      ...{ resolution, mirror, source: "", background: "", fingerprint: "" },
      ...{ conditional: cond, classNames: cond ? ["any"] : [], subset: null, subsetSeed: 0 },
    },
    options,
  );
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
  const { source, background, conditional, subset, subsetSeed, fingerprint } = saved.data;
  const { resolution } = saved.network.config;
  const dataset = await open(
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
    if (error instanceof UserError) about.run.log(error.message);
    throw error;
  }
}

async function open(
  request: DatasetOptions,
  listener: Pick<RunListener, "preparing" | "opened">,
): Promise<Dataset> {
  const { source } = request;
  listener.preparing?.({ source, done: 0, total: null });
  const dataset = await openDataset({
    ...request,
    onProgress: (done, total) => listener.preparing?.({ source, done, total }),
  });
  listener.opened?.(dataset);
  return dataset;
}

/** @throws OptionError when no training can start from the network, or an option wants one that is not there */
function checkStart(options: TrainingOptions, network: SnapshotSource | undefined): void {
  const { freezeD = 0 } = options;
  if (!network) {
    const wanting = (["freezeD", "resumeKimg"] as const).find((option) => options[option] !== undefined);
    if (wanting)
      throw new OptionError(
        (name) =>
          `${name(wanting)} is for a run that starts from a trained network; give ${name("resume")} and a file`,
      );
    return;
  }
  const { file, info, shapes } = network;
  const prefixes = networkPrefixes(shapes);
  if (!prefixes.includes("D") || !prefixes.includes("G_ema"))
    throw new OptionError(
      (name) =>
        `${name("resume", file)}: it has ${prefixes.join(", ")} alone; a training needs a generator and its discriminator`,
    );
  if (freezeD === 0) return;
  const D = createDiscriminator(info.description);
  const { length } = D.layersFromImage();
  D.dispose();
  if (length === 0)
    throw new OptionError(
      (name) =>
        `${name("freezeD")}: the discriminator of ${info.description.architecture} grows, its first layers change; leave it out`,
    );
  if (freezeD > length)
    throw new OptionError(
      (name) =>
        `${name("freezeD", freezeD)}: the discriminator has ${length} layers before 4 px; give at most ${length}`,
    );
}

function checkPrecisionOf(precision: TrainingOptions["precision"], device: Device): void {
  if (precision === undefined) return;
  try {
    checkPrecision(precision, device);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new OptionError((name) => `${name("precision", precision)}: ${error.message}`);
  }
}

/** @throws OptionError when no networks can be read from a file of that name */
export function checkNetworkPath(path: string): void {
  const isAddress = path.includes("://"); // opening it says more
  if (!isAddress && !existsSync(path))
    throw new OptionError((name) => `${name("resume", path)}: no such file or folder`);
  if (path.endsWith("training-state.safetensors"))
    throw new OptionError(
      (name) =>
        `${name("resume")} takes a run's folder (exact) or a network-snapshot file, not the state file itself`,
    );
}
