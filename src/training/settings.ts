// What can be changed while a run trains: the rows of options.ts that say so, as they are in a configuration.

import type { Setting, SettingChange } from "../protocol/control.js";
import { above0, isInRange, type NumberRange, rangeText } from "../system/numberRange.js";
import type { TrainingConfig } from "./configSchema.js";
import { type OptionName, optionNames, optionOf } from "./options.js";
import { valueAtPath, withValueAt } from "./paths.js";

const settingNames = optionNames.filter((name) => optionOf(name).changes?.match(/training|both/));

// A penalty that comes or goes changes the phases of a step, which are fixed when a run starts.
const penalties: Partial<Record<OptionName, string>> = {
  gamma: "the R1 penalty",
  r2Gamma: "the R2 penalty",
  gpLambda: "the WGAN-GP penalty",
  plWeight: "path length regularization",
};

const rates = ["gLr", "dLr"] as const;

/** The present value, of an option that can be changed while a run trains. */
export function settingOf(config: TrainingConfig, name: string): number {
  if (name === "lr") return settingOf(config, "gLr");
  const rate = rates.find((known) => known === name);
  const value = rate && config.growth ? config.growth[rate].base : valueAtPath(config, placeOf(name));
  return value as number;
}

/** A learning rate holds at every resolution from then on, as `--lr` with one number does. */
export function withSetting(config: TrainingConfig, name: string, value: number): TrainingConfig {
  if (name === "lr") return rates.reduce((changed, rate) => withSetting(changed, rate, value), config);
  const changed = withValueAt(config, placeOf(name), value);
  const rate = rates.find((known) => known === name);
  if (!rate || !changed.growth) return changed;
  return { ...changed, growth: { ...changed.growth, [rate]: { base: value, at: {} } } };
}

function placeOf(name: string): string {
  const place = settingNames.find((known) => known === name) && optionOf(name as OptionName).at;
  if (place === undefined) throw new Error(`${name} is no setting of a run that trains`);
  return place;
}

/** Why this run cannot have that value, or undefined when it can. */
export function settingProblem(config: TrainingConfig, name: string, value: number): string | undefined {
  const known = settingNames.find((setting) => setting === name);
  if (known === undefined) return `${name} cannot be changed while a run trains`;
  const range = rangeOf(known);
  return (
    obstacle(config, known) ??
    (isInRange(range, value) ? undefined : `${name} ${value} is not ${rangeText(range)}`)
  );
}

/** Everything that can be changed in a run as it is now. */
export function settingsOf(config: TrainingConfig): Setting[] {
  return settingNames
    .filter((name) => obstacle(config, name) === undefined)
    .map((name) => ({
      ...{ name, text: optionOf(name).text, value: settingOf(config, name), range: rangeOf(name) },
    }));
}

/** The configuration after the changes, in their order. */
export function withChanges(config: TrainingConfig, changes: readonly SettingChange[]): TrainingConfig {
  return changes.reduce((changed, { setting, to }) => withSetting(changed, setting, to), config);
}

function rangeOf(name: OptionName): NumberRange {
  const { range = above0 } = optionOf(name).type;
  return name in penalties ? { ...range, aboveMin: true } : range;
}

function obstacle(config: TrainingConfig, name: OptionName): string | undefined {
  const penalty = penalties[name];
  if (penalty !== undefined && settingOf(config, name) === 0)
    return `${penalty} is off in this run, so it has no ${name}`;
  const { mode } = config.augment;
  if (name === "augP" && mode !== "ada" && mode !== "fixed")
    return "this run augments nothing with a probability, so it has no augP";
  const areOne = settingOf(config, "gLr") === settingOf(config, "dLr");
  if (name === "lr" && !areOne) return "the networks have learning rates of their own: change gLr or dLr";
  if ((name === "gLr" || name === "dLr") && areOne) return "both networks have one learning rate: change lr";
  return undefined;
}
