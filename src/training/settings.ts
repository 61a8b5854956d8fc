// What can be changed while a run trains, and where it is in the configuration.

import type { SettingChange, SettingName } from "../protocol/control.js";
import type { TrainingConfig } from "./configSchema.js";

interface Setting {
  get(config: TrainingConfig): number;
  with(config: TrainingConfig, value: number): TrainingConfig;
  /** Why this run cannot change it; undefined when it can. */
  obstacle?(config: TrainingConfig): string | undefined;
}

const settings: Readonly<Record<SettingName, Setting>> = {
  gamma: {
    get: ({ penalty }) => penalty.r1Gamma,
    with: (config, r1Gamma) => ({ ...config, penalty: { ...config.penalty, r1Gamma } }),
    // A penalty that comes or goes changes the phases of a step, which are fixed when a run starts.
    obstacle: ({ penalty }) =>
      penalty.r1Gamma > 0 ? undefined : "the R1 penalty is off in this run, so it has no gamma",
  },
  lr: {
    get: ({ optimizer, growth }) => growth?.gLr.base ?? optimizer.gLr,
    with: (config, lr) => ({
      ...config,
      optimizer: { ...config.optimizer, gLr: lr, dLr: lr },
      // As --lr does: the same at every resolution.
      growth: config.growth && { ...config.growth, gLr: { base: lr, at: {} }, dLr: { base: lr, at: {} } },
    }),
  },
  snapshotTicks: {
    get: ({ snapshotTicks }) => snapshotTicks,
    with: (config, snapshotTicks) => ({ ...config, snapshotTicks }),
  },
};

export function settingOf(config: TrainingConfig, name: SettingName): number {
  return settings[name].get(config);
}

export function withSetting(config: TrainingConfig, name: SettingName, value: number): TrainingConfig {
  return settings[name].with(config, value);
}

/** Why `name` cannot change in this run, or undefined when it can. */
export function settingObstacle(config: TrainingConfig, name: SettingName): string | undefined {
  return settings[name].obstacle?.(config);
}

/** The configuration after the changes, in their order. */
export function withChanges(config: TrainingConfig, changes: readonly SettingChange[]): TrainingConfig {
  return changes.reduce((changed, { setting, to }) => withSetting(changed, setting, to), config);
}
