// The smallest run that has every phase.

import { randn } from "../../src/torch/random.js";
import { resolveConfig, type TrainingOverrides } from "../../src/training/config.js";
import type { TrainingConfig } from "../../src/training/configSchema.js";
import type { Reals } from "../../src/training/objective.js";

export function tinyConfig(overrides: TrainingOverrides = {}, classNames: string[] = []): TrainingConfig {
  const facts = {
    resolution: 8,
    source: "test",
    background: "white",
    conditional: classNames.length > 0,
    subset: null,
    subsetSeed: 0,
    mirror: false,
    fingerprint: "test",
    classNames,
  };
  const config = resolveConfig("stylegan2-small", facts, {
    batch: 4,
    channelBase: 128,
    channelMax: 16,
    plWeight: 2,
    styleMixing: 0.9,
    ...overrides,
  });
  if (config.network.architecture !== "stylegan2") throw new Error("tinyConfig makes StyleGAN2 only");
  const network = { ...config.network, config: { ...config.network.config, zDim: 16, wDim: 16 } };
  return { ...config, network };
}

/** Random pictures; the caller owns them. */
export function reals(config: TrainingConfig): Reals {
  const { resolution } = config.network.config;
  return { images: randn([config.batch, 3, resolution, resolution]), c: null };
}
