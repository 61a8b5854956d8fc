// What a training was done with, as choices over its preset: what another one takes over that starts from its networks.

import { isDeepStrictEqual } from "node:util";
import type { PenaltyName } from "../losses/penalties.js";
import { type DatasetFacts, resolveConfig } from "./config.js";
import { type TrainingConfig, trainingConfigSchema } from "./configSchema.js";
import { type OptionName, optionNames, optionOf, type TrainingOptions } from "./options.js";
import { valueAtPath } from "./paths.js";

export interface Recipe {
  cfg: string;
  /** Only what is not as the preset has it. */
  options: TrainingOptions;
}

/** The training that a snapshot says it comes from; undefined when it says nothing, as those of earlier versions. */
export function trainingIn(training: unknown): TrainingConfig | undefined {
  return trainingConfigSchema.safeParse(training).data;
}

/** What a snapshot says of its training: all but where the pictures were, which is nobody's business. */
export function trainingOf(config: TrainingConfig): TrainingConfig {
  return { ...config, data: { ...config.data, source: "", fingerprint: "" }, transfer: null };
}

// Follow from the transfer itself, see `effective` in config.ts.
const ofTransfers: readonly OptionName[] = ["emaRampup", "adaKimg"];

const penaltyWeights: Readonly<Partial<Record<OptionName, PenaltyName>>> = {
  gamma: "r1",
  r2Gamma: "r2",
  gpLambda: "wgan-gp",
};

/** The choices that make `config` of its preset. @throws OptionError when there is no such preset any more */
export function recipeOf(config: TrainingConfig): Recipe {
  const { cfg, data, network, loss } = config;
  const facts: DatasetFacts = { ...data, resolution: network.config.resolution };
  const preset = resolveConfig(cfg, facts);
  const options: Record<string, unknown> = {
    ...placedChoices(config, preset),
    ...penaltyChoices(config, preset),
    ...growthChoices(config, preset),
    ...(loss.name === preset.loss.name ? {} : { loss: loss.name }),
    ...loss.options,
    ...(data.mirror ? { mirror: true } : {}),
    ...(data.conditional ? { cond: true } : {}),
    ...(data.background === "white" ? {} : { background: data.background }),
  };
  const { gLr, dLr, ...rest } = options;
  const chosen = isDeepStrictEqual(gLr, dLr)
    ? { ...rest, ...(gLr === undefined ? {} : { lr: gLr }) }
    : options;
  const mbstdGroup = groupOf(config);
  const isGroupChosen = mbstdGroup !== groupOf(resolveConfig(cfg, facts, {}, { instead: chosen }));
  return { cfg, options: isGroupChosen ? { ...chosen, mbstdGroup } : chosen };
}

/** The options that have a place of their own in a configuration. */
function placedChoices(config: TrainingConfig, preset: TrainingConfig): Record<string, unknown> {
  const others: readonly OptionName[] = [...ofTransfers, ...(Object.keys(penaltyWeights) as OptionName[])];
  return Object.fromEntries(
    optionNames.flatMap((name) => {
      const { at } = optionOf(name);
      if (at === undefined || others.includes(name)) return [];
      const value = valueAtPath(config, at);
      return isDeepStrictEqual(value, valueAtPath(preset, at)) ? [] : [[name, value]];
    }),
  );
}

/** A penalty whose weight is 0 is off. */
function penaltyChoices(config: TrainingConfig, preset: TrainingConfig): Record<string, unknown> {
  const weightsOf = (of: TrainingConfig) =>
    Object.entries(penaltyWeights).map(
      ([name, penalty]) => [name, penalty, valueAtPath(of, optionOf(name as OptionName).at ?? "")] as const,
    );
  const on = weightsOf(config).filter(([, , weight]) => weight !== 0);
  const usual = weightsOf(preset).filter(([, , weight]) => weight !== 0);
  const [names, usualNames] = [on, usual].map((weights) => weights.map(([, penalty]) => penalty));
  return {
    ...(isDeepStrictEqual(names, usualNames) ? {} : { penalty: names }),
    ...Object.fromEntries(
      on
        .filter((weight) => !usual.some((one) => isDeepStrictEqual(one, weight)))
        .map(([name, , weight]) => [name, weight]),
    ),
  };
}

/** Networks that grow have values for each size where others have one. */
function growthChoices(
  { growth, tickKimg }: TrainingConfig,
  preset: TrainingConfig,
): Record<string, unknown> {
  if (!growth || !preset.growth) return {};
  const { startResolution, fadeKimg: growthKimg, batch, batchGpu, gLr, dLr } = growth;
  const usual = preset.growth;
  const values = {
    startResolution,
    growthKimg,
    batch,
    batchGpu,
    gLr,
    dLr,
    tickKimg: growth.tickKimg ?? tickKimg,
  };
  const usualValues: Record<string, unknown> = {
    ...usual,
    growthKimg: usual.fadeKimg,
    tickKimg: usual.tickKimg ?? preset.tickKimg,
  };
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      isDeepStrictEqual(value, usualValues[name]) ? undefined : value,
    ]),
  );
}

function groupOf({ network }: TrainingConfig): number | undefined {
  const shape: { mbstdGroupSize?: number; groupSize?: number } = network.config;
  return shape.mbstdGroupSize ?? shape.groupSize;
}

/** The recipe's options where the user has chosen nothing that stands in their place. */
export function withoutReplaced({ options }: Recipe, given: TrainingOptions): TrainingOptions {
  const replaced: OptionName[] = [];
  if (given.lr !== undefined) replaced.push("gLr", "dLr");
  if (given.loss !== undefined && given.loss !== options.loss)
    replaced.push("realLabel", "fakeLabel", "driftEpsilon");
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => !replaced.includes(name as OptionName)),
  );
}

/** What two trainings differ in. */
export interface Difference {
  name: OptionName | "cfg";
  before: unknown;
  after: unknown;
}

export function differencesOf(before: TrainingConfig, after: TrainingConfig): Difference[] {
  const rows: Difference[] = [
    { name: "cfg", before: before.cfg, after: after.cfg },
    { name: "mirror", before: before.data.mirror, after: after.data.mirror },
    { name: "background", before: before.data.background, after: after.data.background },
    { name: "loss", before: before.loss.name, after: after.loss.name },
  ];
  for (const name of optionNames) {
    const { at } = optionOf(name);
    const isUnused = name === "adaKimg" && after.augment.mode !== "ada";
    if (at !== undefined && !isUnused)
      rows.push({ name, before: valueAtPath(before, at), after: valueAtPath(after, at) });
  }
  return rows.filter((row) => !isDeepStrictEqual(row.before, row.after));
}
