// The configuration of a run: made of a preset and the user's choices.

import { createLoss, type LossOptions, resolveLossName } from "../losses/adversarial.js";
import { checkMetricResolution } from "../metrics/descriptors.js";
import type { MetricName } from "../metrics/names.js";
import type { NetworkShape } from "../networks/architecture.js";
import {
  describeNetwork,
  type NetworkDescription,
  networkDescriptionSchema,
  optionsWithoutWeights,
} from "../networks/registry.js";
import { UserError } from "../system/errors.js";
import type { Precision } from "../torch/precision.js";
import { type TrainingConfig, trainingConfigSchema } from "./configSchema.js";
import { gridSize } from "./grids.js";
import { commonDefaults, type PenaltyName, type PresetValues, presetNamed } from "./presets.js";
import { type GrowthSchedule, valueAt } from "./schedule.js";

/** What the user may set; everything absent comes from the preset. */
export interface TrainingOverrides extends LossOptions {
  batch?: number;
  kimg?: number;
  loss?: string;
  penalty?: readonly PenaltyName[];
  gamma?: number;
  r2Gamma?: number;
  gpLambda?: number;
  gpTarget?: number;
  penaltyInterval?: number;
  lr?: number;
  channelBase?: number;
  channelMax?: number;
  mappingLayers?: number;
  /** Elements of z and of w. */
  latentDim?: number;
  plWeight?: number;
  styleMixing?: number;
  precision?: Precision;
  emaKimg?: number;
  tickKimg?: number;
  snapshotTicks?: number;
  /** Thousands of images to fade a block in, and as many to stabilize. */
  growthKimg?: number;
  seed?: number;
  metrics?: readonly MetricName[];
  transfer?: Transfer;
}

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
  kimg?: number;
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

/**
 * The full configuration of a run: preset, then the user's choices.
 * @throws UserError that names an option whose value makes no sense, or choices that do not go together
 */
export function resolveConfig(
  cfg: string,
  facts: DatasetFacts,
  overrides: TrainingOverrides = {},
): TrainingConfig {
  const preset = presetNamed(cfg).values(facts.resolution, overrides.batch);
  const { loss, penalty: _, metrics: __, transfer, ...numbers } = overrides;
  const { latentDim } = overrides;
  const latents = latentDim === undefined ? {} : { zDim: latentDim, wDim: latentDim };
  const values: PresetValues = { ...preset, ...withoutUndefined(numbers), ...latents };
  const { resolution, ...data } = facts;
  checkCombination(cfg, values, facts, overrides);
  const growth = growthOf(values, overrides);
  const { beta1, beta2 } = commonDefaults.adam;
  const { plDecay: decay } = commonDefaults;
  const described = describeNetwork(values.architecture, shapeOf(values, growth, facts));
  const config: TrainingConfig = {
    cfg,
    data,
    network: transfer ? transferred(described, { cfg, transfer, facts, overrides }) : described,
    seed: overrides.seed ?? commonDefaults.seed,
    batch: growth ? valueAt(growth.batch, resolution) : values.batch,
    batchGpu: commonDefaults.batchGpu,
    dRepeats: values.dRepeats,
    minibatchRepeats: values.minibatchRepeats,
    kimg: values.kimg,
    loss: lossOf(loss ?? values.loss, overrides),
    penalty: penaltyOf(values, overrides),
    pathLength: {
      ...{ weight: values.plWeight, decay, interval: values.plInterval },
      ...{
        batchShrink: values.plBatchShrink,
        startSteps: values.plStartSteps,
        biasCorrection: values.plBiasCorrection,
      },
      meanInGradient: commonDefaults.plMeanInGradient,
    },
    styleMixing: values.styleMixing,
    precision: overrides.precision ?? commonDefaults.precision,
    optimizer: {
      ...{ gLr: values.lr, dLr: values.lr, beta1, beta2, eps: values.adamEps },
      maxGradientNorm: values.maxGradientNorm,
      lrRampupKimg: commonDefaults.lrRampupKimg,
    },
    // ADA: no ramp-up where the moving average starts from a trained network.
    ema: { kimg: values.emaKimg, rampup: transfer ? null : values.emaRampup },
    tickKimg: values.tickKimg,
    snapshotTicks: values.snapshotTicks,
    imageSnapshotTicks: values.imageSnapshotTicks,
    histograms: commonDefaults.histograms,
    growth,
    grid: gridSize(resolution, values.kimg * 1000),
    metrics: [...(overrides.metrics ?? [])],
    transfer: transfer ? { from: transfer.from, freezeD: transfer.freezeD, kimg: transfer.kimg ?? 0 } : null,
  };
  if (config.metrics.length > 0) checkMetricResolution(resolution);
  const checked = trainingConfigSchema.safeParse(config);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new UserError(
    `the option ${issue?.path.join(".")} has no valid value: ${issue?.message} (resolution ${resolution})`,
  );
}

function shapeOf(
  values: PresetValues,
  growth: GrowthSchedule | null,
  { resolution, classNames }: DatasetFacts,
): NetworkShape {
  const { zDim, wDim, channelBase, channelMax, mappingLayers, zNorm } = values;
  const { mappingLrMultiplier, wAvgBeta, convClamp, mbstdNumFeatures } = commonDefaults;
  const { discriminatorArchitecture, discriminatorMappingLayers } = commonDefaults;
  const batches = growth ? [growth.batch.base, ...Object.values(growth.batch.at)] : [values.batch];
  return {
    ...{ resolution, classes: classNames.length, zDim, wDim, channelBase, channelMax, convClamp },
    ...{ mappingLayers, mappingLrMultiplier, wAvgBeta, zNorm },
    ...{ mbstdGroupSize: commonDivisor(batches, commonDefaults.mbstdGroupSize), mbstdNumFeatures },
    ...{ discriminatorArchitecture, discriminatorMappingLayers },
  };
}

/** Which fields of a description the user's options decide. */
const shapedBy = {
  channelBase: ["channelBase", "generatorFeatures", "discriminatorFeatures"],
  channelMax: ["channelMax", "maxFeatures"],
  mappingLayers: ["mappingLayers"],
  latentDim: ["zDim", "wDim", "latentDim"],
} as const;

/**
 * The networks of the file, with what has no weights as `described` has it: groups that fill the run's batch.
 * @throws UserError when the data or an option asks for other networks
 */
function transferred(
  described: NetworkDescription,
  {
    cfg,
    transfer,
    facts,
    overrides,
  }: { cfg: string; transfer: Transfer; facts: DatasetFacts; overrides: TrainingOverrides },
): NetworkDescription {
  const { from, description } = transfer;
  const { architecture } = description;
  const refuse = (has: string, wants: string, advice: string) =>
    new UserError(`--resume ${from}: its networks have ${has}, this run ${wants}; ${advice}`);
  if (architecture !== described.architecture)
    throw refuse(
      `the architecture ${architecture}`,
      described.architecture,
      `choose another --cfg than ${cfg}`,
    );
  const theirs: Record<string, unknown> = description.config;
  const ours: Record<string, unknown> = described.config;
  const { resolution, classNames } = facts;
  if (theirs.resolution !== resolution)
    throw refuse(
      `${theirs.resolution} px`,
      `${resolution} px`,
      `give --resolution ${theirs.resolution} or leave it out`,
    );
  if (theirs.cDim !== classNames.length)
    throw refuse(
      `${theirs.cDim} classes`,
      String(classNames.length),
      theirs.cDim === 0 ? "leave out --cond" : "give --cond and data with as many classes",
    );
  for (const [option, fields] of Object.entries(shapedBy)) {
    if (overrides[option as keyof typeof shapedBy] === undefined) continue;
    const field = fields.find((name) => name in theirs && theirs[name] !== ours[name]);
    if (field) throw refuse(`${field} ${theirs[field]}`, String(ours[field]), "leave the option out");
  }
  const kept = Object.entries(ours).filter(([name]) => optionsWithoutWeights.includes(name));
  return networkDescriptionSchema.parse({
    architecture,
    config: { ...description.config, ...Object.fromEntries(kept) },
  });
}

function lossOf(
  name: string,
  { generatorWeight, realLabel, fakeLabel, driftEpsilon }: LossOptions,
): TrainingConfig["loss"] {
  const options = withoutUndefined({ generatorWeight, realLabel, fakeLabel, driftEpsilon });
  createLoss(name, options); // says what is wrong with them
  return { name: resolveLossName(name), options };
}

function penaltyOf(values: PresetValues, overrides: TrainingOverrides): TrainingConfig["penalty"] {
  const names: readonly PenaltyName[] = overrides.penalty ?? values.penalties;
  const weights: [PenaltyName, string, number | undefined][] = [
    ["r1", "--gamma", overrides.gamma],
    ["r2", "--r2-gamma", overrides.r2Gamma],
    ["wgan-gp", "--gp-lambda", overrides.gpLambda],
  ];
  for (const [name, flag, value] of weights) {
    if (value !== undefined && value > 0 && !names.includes(name))
      throw new UserError(
        `${flag} is the weight of ${name}, which is not on; add --penalty ${[...names, name].join(",")}`,
      );
  }
  if (overrides.gpTarget !== undefined && !names.includes("wgan-gp"))
    throw new UserError(
      `--gp-target is for wgan-gp, which is not on; add --penalty ${[...names, "wgan-gp"].join(",")}`,
    );
  if (overrides.penaltyInterval !== undefined && names.length === 0)
    throw new UserError("--penalty-interval: there is no penalty; leave it out");
  return {
    r1Gamma: names.includes("r1") ? values.gamma : 0,
    r2Gamma: names.includes("r2") ? (overrides.r2Gamma ?? values.gamma) : 0,
    gpLambda: names.includes("wgan-gp") ? values.gpLambda : 0,
    gpTarget: overrides.gpTarget ?? commonDefaults.gpTarget,
    interval: values.penaltyInterval,
  };
}

function growthOf(
  { growth }: PresetValues,
  { growthKimg, lr, tickKimg }: TrainingOverrides,
): GrowthSchedule | null {
  if (!growth) return null;
  return {
    ...growth,
    ...(growthKimg === undefined ? {} : { stabilizeKimg: growthKimg, fadeKimg: growthKimg }),
    ...(lr === undefined ? {} : { gLr: { base: lr, at: {} }, dLr: { base: lr, at: {} } }),
    ...(tickKimg === undefined ? {} : { tickKimg: null }),
  };
}

/** @throws UserError for choices that each make sense, but not together */
function checkCombination(
  cfg: string,
  values: PresetValues,
  facts: DatasetFacts,
  overrides: TrainingOverrides,
): void {
  const { architecture, growth } = values;
  if (facts.classNames.length > 0 && architecture !== "stylegan2")
    throw new UserError(
      `--cond: the networks of ${cfg} have no classes; choose --cfg stylegan2 or stylegan2-small`,
    );
  if (architecture === "progan" && values.plWeight > 0)
    throw new UserError(`--pl-weight: ${cfg} has no w whose path length could be regularized; leave it out`);
  if (architecture === "progan" && values.styleMixing > 0)
    throw new UserError(`--style-mixing: ${cfg} has no styles to mix; leave it out`);
  if (overrides.growthKimg !== undefined && !growth)
    throw new UserError(
      `--growth-kimg: ${cfg} does not grow; choose --cfg progan or stylegan1, or leave it out`,
    );
}

/** The largest number up to `limit` that divides all of `numbers`: groups must fill every batch. */
function commonDivisor(numbers: readonly number[], limit: number): number {
  for (let divisor = limit; divisor > 1; divisor--) {
    if (numbers.every((n) => n % divisor === 0)) return divisor;
  }
  return 1;
}

function withoutUndefined<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
