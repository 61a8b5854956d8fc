// What a run will be, before there is a folder: the user's choices over a preset, and the pictures.

import { existsSync } from "node:fs";
import { type Dataset, type DatasetOptions, openDataset } from "../data/dataset.js";
import { createDiscriminator } from "../networks/registry.js";
import { networkPrefixes, type SnapshotSource } from "../networks/snapshot.js";
import { UserError } from "../system/errors.js";
import { checkPrecision } from "../torch/precision.js";
import type { Device } from "../torch/tensor.js";
import { automatic, automaticChoice, automaticKimg } from "./auto.js";
import {
  type Basis,
  checkValues,
  type DatasetFacts,
  definedOf,
  resolveConfig,
  type Transfer,
} from "./config.js";
import type { TrainingConfig } from "./configSchema.js";
import { estimateRun } from "./dryRun.js";
import { OptionError } from "./optionError.js";
import type { TrainingOptions } from "./options.js";
import { presetNamed } from "./presets.js";
import { recipeOf, trainingIn, withoutReplaced } from "./recipe.js";
import { nimgOfGrowth } from "./schedule.js";

/** What is wanted of a new run. */
export interface RunRequest {
  /** Name of a preset. Default `auto`: see auto.ts. */
  cfg?: string | undefined;
  options: TrainingOptions;
  /** The networks to start from instead of fresh ones; open until the run has started. */
  network?: SnapshotSource | undefined;
  /** The training that these come from, where their file does not say: snapshots of earlier versions. */
  before?: TrainingConfig | undefined;
  device: Device;
  /** Where prepared pictures are kept. */
  cacheDirectory?: string | undefined;
}

/** What goes on before a run starts. */
export interface PreparationListener {
  /** While pictures are prepared, which happens once for each set. */
  preparing?(progress: { source: string; done: number; total: number | null }): void;
  /** The pictures are there; `skipped` says which are not. */
  opened?(dataset: Dataset): void;
  /** The time that this configuration takes is measured, which takes seconds. */
  measuring?(config: TrainingConfig): void;
}

/** A run that could start: its data are open until `dataset.close()`. */
export interface PreparedRun {
  config: TrainingConfig;
  dataset: Dataset;
  foundation: Foundation;
  /** Of a run whose configuration nobody has chosen. */
  plan?: Plan;
}

/** What the user's choices stand on. */
export interface Foundation {
  cfg: string;
  /** Values in the place of the preset's, and why. */
  instead: { options: TrainingOptions; source: string };
  /** Whether nobody has chosen a configuration. */
  isAutomatic: boolean;
  /** The training of the networks that the run starts from. */
  before?: TrainingConfig | undefined;
  /** Whether the run keeps its options. */
  isKept: boolean;
}

/** What a run will take, measured on this machine before it starts. */
export interface Plan {
  secPerKimg: number;
  seconds: number;
}

/**
 * Everything of `startRun` before there is a folder: checks, data, and where nobody has chosen a configuration, the choice
 * of one.
 */
export async function prepareRun(request: RunRequest, listener: PreparationListener): Promise<PreparedRun> {
  const { options, network, device, cacheDirectory } = request;
  checkValues(options);
  const early = foundationOf(request, 64); // what is asked of it here is the same at every resolution
  const chosen = { ...early.instead.options, ...definedOf(options) };
  const { background = "white", cond: conditional = false, mirror = false } = chosen;
  const subsetSeed = chosen.seed ?? presetNamed(early.cfg).values(64).seed[0];
  const { data: source, subset } = options;
  if (source === undefined)
    throw new OptionError(
      (name) =>
        `${name("data")} is missing: give a folder, a zip or emoji, for example ${name("data", "emoji:smileys")}`,
    );
  checkPrecisionOf(chosen.precision, device);
  checkStart(options, network);
  const resolution = options.resolution ?? network?.info.description.config.resolution;
  if (!network) checkEarly(request);
  const dataset = await openPictures(
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
    const foundation = foundationOf(request, dataset.resolution);
    const config = configOf(request, facts, foundation);
    if (!foundation.isAutomatic) return { config, dataset, foundation };
    listener.measuring?.(config);
    const { secPerKimg } = estimateRun(config, device);
    return { dataset, ...planned({ request, facts, foundation, config, secPerKimg }) };
  } catch (error) {
    dataset.close();
    throw error;
  }
}

/** Whether the length of the run follows a measurement. */
export function choosesLength({ options, device }: RunRequest, { isAutomatic }: Foundation): boolean {
  return isAutomatic && options.kimg === undefined && device === "cpu";
}

/** @throws OptionError when there is no such configuration */
export function foundationOf(request: RunRequest, resolution: number): Foundation {
  const { cfg = automatic, device, network, options } = request;
  const before = network && (request.before ?? trainingIn(network.info.training));
  if (before && (cfg === automatic || cfg === before.cfg)) {
    const instead = withoutReplaced(recipeOf(before), options);
    const source = "the training of its networks";
    return {
      cfg: before.cfg,
      instead: { options: instead, source },
      isAutomatic: false,
      before,
      isKept: true,
    };
  }
  if (cfg !== automatic) {
    presetNamed(cfg);
    return { cfg, instead: { options: {}, source: "" }, isAutomatic: false, before, isKept: false };
  }
  const architecture = network?.info.description.architecture;
  const choice = automaticChoice({ device, resolution, architecture });
  const instead = { options: choice.options, source: `auto, ${resolution} px` };
  return { cfg: choice.cfg, instead, isAutomatic: true, before, isKept: false };
}

function configOf(
  { options, network }: RunRequest,
  facts: DatasetFacts,
  { cfg, instead }: Foundation,
): TrainingConfig {
  const resolve = (basis: Basis) =>
    resolveConfig(cfg, facts, options, { ...basis, instead: instead.options });
  if (!network) return resolve({});
  const { file: from, info } = network;
  const { freezeD = 0, resumeKimg } = options;
  const transfer: Transfer = { from, description: info.description, freezeD, kimg: resumeKimg ?? 0 };
  const config = resolve({ transfer });
  if (resumeKimg !== undefined || !config.growth) return config;
  // Networks that have grown go on at their size.
  const fullLevel = Math.log2(info.description.config.resolution);
  const nimg = nimgOfGrowth(config.growth, info.growth ?? { level: fullLevel, alpha: 1 });
  return resolve({ transfer: { ...transfer, kimg: nimg / 1000 } });
}

/** The length of a run that nobody has chosen one for: on a CPU as long as the machine gets through in hours. */
function planned(about: {
  request: RunRequest;
  facts: DatasetFacts;
  foundation: Foundation;
  config: TrainingConfig;
  secPerKimg: number;
}): Omit<PreparedRun, "dataset"> {
  const { request, facts, foundation, config, secPerKimg } = about;
  const start = config.transfer?.kimg ?? 0;
  const planOf = ({ kimg }: TrainingConfig): Plan => ({ secPerKimg, seconds: (kimg - start) * secPerKimg });
  if (!choosesLength(request, foundation)) return { config, foundation, plan: planOf(config) };
  const { source, options } = foundation.instead;
  const kimg = start + automaticKimg(secPerKimg);
  const timed = { ...foundation, instead: { source, options: { ...options, kimg } } };
  const longer = configOf(request, facts, timed);
  return { config: longer, foundation: timed, plan: planOf(longer) };
}

/**
 * What does not depend on the pictures is refused before they are prepared, which can take minutes.
 * @throws OptionError
 */
function checkEarly(request: RunRequest): void {
  const { resolution, cond = false, mirror = false } = request.options;
  if (resolution === undefined) return; // a zip has one of its own
  const facts = {
    ...{ resolution, mirror, source: "", background: "", fingerprint: "" },
    ...{ conditional: cond, classNames: cond ? ["any"] : [], subset: null, subsetSeed: 0 },
  };
  configOf(request, facts, foundationOf(request, resolution));
}

/** The pictures of a run, with a word on what takes long. */
export async function openPictures(request: DatasetOptions, listener: PreparationListener): Promise<Dataset> {
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
