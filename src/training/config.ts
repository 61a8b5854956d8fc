// The configuration of a run: made of a preset and the user's choices.

import { createLoss, type LossOptions, resolveLossName } from "../losses/adversarial.js";
import type { PenaltyName } from "../losses/penalties.js";
import type { NetworkShape } from "../networks/architecture.js";
import {
  capabilitiesOf,
  describeNetwork,
  type NetworkDescription,
  networkDescriptionSchema,
  optionsWithoutWeights,
} from "../networks/registry.js";
import { UserError } from "../system/errors.js";
import { type ByResolution, isByResolution, valuesOf } from "./byResolution.js";
import { type TrainingConfig, trainingConfigSchema } from "./configSchema.js";
import { gridSize } from "./grids.js";
import { checkMetrics } from "./measuring.js";
import { OptionError } from "./optionError.js";
import {
  type GivenValue,
  type OptionName,
  optionNames,
  optionOf,
  options,
  type PlacedOptions,
  type PresetOptionName,
  type TrainingOptions,
} from "./options.js";
import { withValueAt } from "./paths.js";
import { presetNamed, presets } from "./presets.js";
import type { GrowthSchedule } from "./schedule.js";

/** What a run starts from instead of fresh networks. */
export interface Transfer {
  from: string;
  description: NetworkDescription;
  /**
   * Layers of the discriminator to freeze, counted from the image side.
   * Mo et al., "Freeze the Discriminator: a Simple Baseline for Fine-Tuning GANs" (2020).
   */
  freezeD: number;
  /** Thousands of images at which the schedule starts. */
  kimg: number;
}

/** What the data set decides. */
export interface DatasetFacts {
  resolution: number;
  source: string;
  background: string;
  conditional: boolean;
  subset: number | null;
  subsetSeed: number;
  mirror: boolean;
  fingerprint: string;
  classNames: string[];
}

/** A value for each option, the preset's or the user's. */
type Values = { [Name in PresetOptionName]: GivenValue<Name> } & TrainingOptions;

/** What a configuration is made of. */
interface Parts {
  cfg: string;
  values: Values;
  given: TrainingOptions;
  facts: DatasetFacts;
}

/** What a configuration is made of beside a preset and the user's choices. */
export interface Basis {
  /** The networks to start from. */
  transfer?: Transfer | undefined;
  /** Values in the place of the preset's. */
  instead?: TrainingOptions | undefined;
}

/**
 * The full configuration of a run: preset, then the user's choices.
 * @throws OptionError for an option whose value makes no sense, or choices that do not go together
 */
export function resolveConfig(
  cfg: string,
  facts: DatasetFacts,
  given: TrainingOptions = {},
  { transfer, instead = {} }: Basis = {},
): TrainingConfig {
  checkValues(given);
  const { resolution, ...data } = facts;
  const { architecture, grows } = presetNamed(cfg);
  const values = valuesFor(cfg, resolution, { ...instead, ...definedOf(given) });
  const parts = { cfg, values, given, facts };
  checkCombination(parts);
  const growth = grows ? growthOf(values) : null;
  const described = describeNetwork(
    architecture,
    shapeOf({ cfg, values, resolution, classes: facts.classNames.length }, growth),
  );
  checkUsed(described, parts);
  const config: TrainingConfig = {
    ...placed(effective(values, given, transfer), resolution),
    cfg,
    data,
    network: transfer ? transferred(described, transfer, parts) : described,
    loss: lossOf(values),
    growth,
    grid: gridSize(resolution, values.kimg * 1000),
    transfer: transfer ? { from: transfer.from, freezeD: transfer.freezeD, kimg: transfer.kimg } : null,
  };
  if (transfer && transfer.kimg >= config.kimg)
    throw new OptionError(
      (name) =>
        `${name("resumeKimg", transfer.kimg)}: a run of ${config.kimg} kimg ends before; give a larger ${name("kimg")}, earlier parts included`,
    );
  checkMetrics(config.metrics, resolution);
  const checked = trainingConfigSchema.safeParse(config);
  if (checked.success) return checked.data;
  const { path = [], message = "" } = checked.error.issues[0] ?? {};
  const field = String(path.at(-1));
  const option = shapeOptions.find((shape) => (shapedBy[shape] as readonly string[]).includes(field));
  throw new OptionError((name) =>
    field === "resolution"
      ? `${name("resolution", resolution)} is none of ${architecture}: ${message}`
      : `${option ? name(option) : path.join(".")} has no valid value at ${resolution} px: ${message}`,
  );
}

function valuesFor(cfg: string, resolution: number, given: TrainingOptions): Values {
  const preset = Object.entries(presetNamed(cfg).values(resolution)).map(([name, [value]]) => [name, value]);
  return { ...Object.fromEntries(preset), ...definedOf(given) } as Values;
}

/** Those that have a value. */
export function definedOf(given: TrainingOptions): TrainingOptions {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** What only networks that grow have. */
const growthOptions: readonly OptionName[] = ["growthKimg", "startResolution"];
/** What only networks with a w have. */
const wOptions = /^(pl[A-Z]|styleMixing$)/;

/** Where the value of an option comes from. */
export interface Origin {
  name: OptionName;
  value: unknown;
  /** As in presets.ts; null: the user has given it. */
  source: string | null;
}

/** What each option of a run is and why, in the order of the table; `instead` are values in the place of the preset's. */
export function originsOf(
  cfg: string,
  resolution: number,
  given: TrainingOptions,
  instead: { options: TrainingOptions; source: string } = { options: {}, source: "" },
): Origin[] {
  const { architecture, grows, values: valuesAt } = presetNamed(cfg);
  const values: Partial<Record<OptionName, readonly [unknown, string]>> = valuesAt(resolution);
  const shape = shapeOf({ cfg, values: valuesFor(cfg, resolution, {}), resolution, classes: 0 }, null);
  const { config } = describeNetwork(architecture, shape);
  const isUsed = (name: OptionName) =>
    isShape(name)
      ? shapedBy[name].some((field) => field in config)
      : growthOptions.includes(name)
        ? grows
        : capabilitiesOf(architecture).mapping || !wOptions.test(name);
  return optionNames.flatMap((name): Origin[] => {
    const chosen = given[name];
    if (chosen !== undefined) return [{ name, value: chosen, source: null }];
    const own = instead.options[name];
    if (own !== undefined) return [{ name, value: own, source: instead.source }];
    const [value, source] = values[name] ?? [];
    return source === undefined || !isUsed(name) ? [] : [{ name, value, source }];
  });
}

/** @throws OptionError for a value that an option cannot have, and for what is no option */
export function checkValues(given: TrainingOptions): void {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(options, name)) throw new UserError(`there is no option ${name}`);
    const { type } = optionOf(name as OptionName);
    if (!type.isGiven(value))
      throw new OptionError((named) => `${named(name)}: ${JSON.stringify(value)} is not ${type.wanted}`);
  }
}

/** The values that take effect: what is off is 0, what is not given follows another option. */
function effective(values: Values, given: TrainingOptions, transfer: Transfer | undefined): Values {
  const isOn = (penalty: PenaltyName) => values.penalty.includes(penalty);
  return {
    ...values,
    gamma: isOn("r1") ? values.gamma : 0,
    r2Gamma: isOn("r2") ? (values.r2Gamma ?? values.gamma) : 0,
    gpLambda: isOn("wgan-gp") ? values.gpLambda : 0,
    gLr: values.gLr ?? values.lr,
    dLr: values.dLr ?? values.lr,
    // ADA, program: after a transfer p moves five times as fast.
    adaKimg: transfer && given.adaKimg === undefined ? values.adaKimg / 5 : values.adaKimg,
    // ADA: no ramp-up where the moving average starts from a trained network.
    emaRampup: transfer && given.emaRampup === undefined ? null : values.emaRampup,
  };
}

/** The options that have a place in the configuration, each in it. */
function placed(values: Values, resolution: number): PlacedOptions {
  let config: Record<string, unknown> = {};
  for (const name of optionNames) {
    const { at } = optionOf(name);
    if (at === undefined) continue;
    const value: unknown = values[name];
    config = withValueAt(config, at, isByResolution(value) ? valuesOf(value)(resolution) : value);
  }
  return config as unknown as PlacedOptions;
}

function growthOf(values: Values): GrowthSchedule {
  const { startResolution, growthKimg, batch, batchGpu, lr, gLr = lr, dLr = lr, tickKimg } = values;
  return {
    startResolution,
    ...{ stabilizeKimg: growthKimg, fadeKimg: growthKimg },
    batch: atEach(batch),
    batchGpu: batchGpu === null ? null : atEach(batchGpu),
    ...{ gLr: atEach(gLr), dLr: atEach(dLr) },
    tickKimg: isByResolution(tickKimg) ? tickKimg : null,
  };
}

function atEach(value: number | ByResolution): ByResolution {
  return isByResolution(value) ? value : { base: value, at: {} };
}

function shapeOf(
  {
    cfg,
    values,
    resolution,
    classes,
  }: Pick<Parts, "cfg" | "values"> & { resolution: number; classes: number },
  growth: GrowthSchedule | null,
): NetworkShape {
  const { latentDim, channelBase, channelMax, mappingLayers, mappingLrMultiplier, mbstdGroup, zNorm } =
    values;
  return {
    ...presetNamed(cfg).shape,
    ...{ resolution, classes, zDim: latentDim, wDim: latentDim, channelBase, channelMax },
    ...{ mappingLayers, mappingLrMultiplier, zNorm, discriminatorArchitecture: values.dArchitecture },
    mbstdGroupSize: commonDivisor(partSizes(values, growth, resolution), mbstdGroup),
  };
}

/**
 * How many images each pass of the run takes: a batch, or the parts of one.
 * @throws OptionError when parts do not fill a batch
 */
function partSizes({ batch, batchGpu }: Values, growth: GrowthSchedule | null, full: number): number[] {
  const resolutions = [];
  for (let size = full; size >= (growth ? Math.min(growth.startResolution, full) : full); size /= 2)
    resolutions.push(size);
  return resolutions.map((resolution) => {
    const whole = valuesOf(batch)(resolution);
    const part = batchGpu === null ? whole : Math.min(valuesOf(batchGpu)(resolution), whole);
    if (whole % part !== 0)
      throw new OptionError(
        (name) =>
          `${name("batchGpu", part)}: a batch of ${whole} cannot be divided into such parts; give a divisor of it`,
      );
    return part;
  });
}

/** Which fields of a description the user's options decide. */
const shapedBy = {
  channelBase: ["channelBase", "generatorFeatures", "discriminatorFeatures"],
  channelMax: ["channelMax", "maxFeatures"],
  mappingLayers: ["mappingLayers"],
  mappingLrMultiplier: ["mappingLrMultiplier"],
  latentDim: ["zDim", "wDim", "latentDim"],
  zNorm: ["zNorm"],
  dArchitecture: ["discriminatorArchitecture"],
  mbstdGroup: ["mbstdGroupSize", "groupSize"],
} as const satisfies Partial<Record<OptionName, readonly string[]>>;

const shapeOptions = Object.keys(shapedBy) as (keyof typeof shapedBy)[];

function isShape(name: OptionName): name is keyof typeof shapedBy {
  return Object.hasOwn(shapedBy, name);
}

/** @throws OptionError when an option is given that the networks have no use for */
function checkUsed({ config }: NetworkDescription, { cfg, given }: Parts): void {
  for (const option of shapeOptions) {
    if (given[option] === undefined || shapedBy[option].some((field) => field in config)) continue;
    throw new OptionError(
      (name) => `${name(option)}: the networks of ${cfg} have no use for it; leave it out`,
    );
  }
}

/**
 * The networks of the file, with what has no weights as `described` has it: groups that fill the run's batch.
 * @throws OptionError when the data or an option asks for other networks
 */
function transferred(
  described: NetworkDescription,
  { from, description }: Transfer,
  { cfg, facts, given }: Parts,
): NetworkDescription {
  const { architecture } = description;
  const refuse = (
    has: string,
    wants: string,
    advice: (name: (option: string, value?: string) => string) => string,
  ) =>
    new OptionError(
      (name) => `${name("resume", from)}: its networks have ${has}, this run ${wants}; ${advice(name)}`,
    );
  if (architecture !== described.architecture)
    throw refuse(
      `the architecture ${architecture}`,
      described.architecture,
      (name) => `choose another ${name("cfg")} than ${cfg}`,
    );
  const theirs: Record<string, unknown> = description.config;
  const ours: Record<string, unknown> = described.config;
  const { resolution, classNames } = facts;
  if (theirs.resolution !== resolution)
    throw refuse(
      `${theirs.resolution} px`,
      `${resolution} px`,
      (name) => `give ${name("resolution", String(theirs.resolution))} or leave it out`,
    );
  if (theirs.cDim !== classNames.length)
    throw refuse(`${theirs.cDim} classes`, String(classNames.length), (name) =>
      theirs.cDim === 0 ? `leave out ${name("cond")}` : `give ${name("cond")} and data with as many classes`,
    );
  const kept = optionsWithoutWeights.filter((field) => field in ours);
  for (const option of shapeOptions) {
    if (given[option] === undefined) continue;
    const fields: readonly string[] = shapedBy[option];
    const field = fields.find(
      (name) => !kept.includes(name) && name in theirs && theirs[name] !== ours[name],
    );
    if (field)
      throw refuse(`${field} ${theirs[field]}`, String(ours[field]), (name) => `leave ${name(option)} out`);
  }
  return networkDescriptionSchema.parse({
    architecture,
    config: { ...description.config, ...Object.fromEntries(kept.map((field) => [field, ours[field]])) },
  });
}

const lossOptions = ["generatorWeight", "realLabel", "fakeLabel", "driftEpsilon"] as const;

function lossOf(values: Values): TrainingConfig["loss"] {
  const given = Object.fromEntries(
    lossOptions.flatMap((option) => (values[option] === undefined ? [] : [[option, values[option]]])),
  ) as LossOptions;
  try {
    createLoss(values.loss, given); // says what is wrong with them
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { message } = error;
    const names = new RegExp(`\\b(${lossOptions.join("|")})\\b`, "g");
    throw new OptionError((name) => message.replace(names, (option) => name(option)));
  }
  return { name: resolveLossName(values.loss), options: given as TrainingConfig["loss"]["options"] };
}

/** The options that are the weight of a penalty. */
const penaltyWeights: readonly [PenaltyName, "gamma" | "r2Gamma" | "gpLambda"][] = [
  ["r1", "gamma"],
  ["r2", "r2Gamma"],
  ["wgan-gp", "gpLambda"],
];

/** @throws OptionError for choices that each make sense, but not together */
function checkCombination({ cfg, values, given, facts }: Parts): void {
  const { architecture, grows } = presetNamed(cfg);
  const { mapping, classes } = capabilitiesOf(architecture);
  const refuse = (option: OptionName, reason: string) =>
    new OptionError((name) => `${name(option)}: ${reason}; leave it out`);
  if (facts.classNames.length > 0 && !classes)
    throw new OptionError(
      (name) =>
        `${name("cond")}: the networks of ${cfg} have no classes; choose ${name(
          "cfg",
          namesOf(({ architecture }) => capabilitiesOf(architecture).classes),
        )}`,
    );
  if (!mapping && values.plWeight > 0)
    throw refuse("plWeight", `${cfg} has no w whose path length could be regularized`);
  if (!mapping && values.styleMixing > 0) throw refuse("styleMixing", `${cfg} has no styles to mix`);
  for (const option of optionNames) {
    if (grows || given[option] === undefined) continue;
    const isOfGrowth = growthOptions.includes(option);
    if (isOfGrowth || isByResolution(given[option]))
      throw new OptionError(
        (name) =>
          `${name(option)}: ${cfg} does not grow; choose ${name(
            "cfg",
            namesOf(({ grows }) => grows),
          )}, or ${isOfGrowth ? "leave it out" : "give one number"}`,
      );
  }
  if (given.startResolution !== undefined && given.startResolution > facts.resolution)
    throw refuse(
      "startResolution",
      `${given.startResolution} px are more than the run's ${facts.resolution} px`,
    );
  checkPenalties(values.penalty, given);
  checkAugmentation(values.aug, given);
}

/** Which of the ways to augment an option is for. */
const augmentOptions = {
  augpipe: ["ada", "fixed"],
  augP: ["ada", "fixed"],
  augTarget: ["ada"],
  adaKimg: ["ada"],
} as const satisfies Partial<Record<OptionName, readonly Values["aug"][]>>;

function checkAugmentation(mode: Values["aug"], given: TrainingOptions): void {
  for (const [option, modes] of Object.entries(augmentOptions)) {
    if (given[option as OptionName] === undefined || (modes as readonly string[]).includes(mode)) continue;
    throw new OptionError(
      (name) => `${name(option)} is of ${name("aug", modes.join(" or "))}, which is not on; leave it out`,
    );
  }
}

function checkPenalties(on: readonly PenaltyName[], given: TrainingOptions): void {
  const missing = (
    penalty: PenaltyName,
    text: (name: (option: string, value?: string) => string) => string,
  ) =>
    new OptionError(
      (name) =>
        `${text(name)} ${penalty}, which is not on; add ${name("penalty", [...on, penalty].join(","))}`,
    );
  for (const [penalty, option] of penaltyWeights) {
    if ((given[option] ?? 0) > 0 && !on.includes(penalty))
      throw missing(penalty, (name) => `${name(option)} is the weight of`);
  }
  if (given.gpTarget !== undefined && !on.includes("wgan-gp"))
    throw missing("wgan-gp", (name) => `${name("gpTarget")} is for`);
  if (given.penaltyInterval !== undefined && on.length === 0)
    throw new OptionError((name) => `${name("penaltyInterval")}: there is no penalty; leave it out`);
}

/** `progan or stylegan1` */
function namesOf(wanted: (preset: (typeof presets)[keyof typeof presets]) => boolean): string {
  const names = Object.entries(presets).flatMap(([name, preset]) => (wanted(preset) ? [name] : []));
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

/** The largest number up to `limit` that divides all of `numbers`: groups must fill every batch. */
function commonDivisor(numbers: readonly number[], limit: number): number {
  for (let divisor = limit; divisor > 1; divisor--) {
    if (numbers.every((n) => n % divisor === 0)) return divisor;
  }
  return 1;
}
