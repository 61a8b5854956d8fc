// The smallest run that has every phase.

import { randn } from "../../src/torch/random.js";
import type { Reals } from "../../src/training/batch.js";
import { type DatasetFacts, resolveConfig } from "../../src/training/config.js";
import type { TrainingConfig } from "../../src/training/configSchema.js";
import type { TrainingOptions } from "../../src/training/options.js";

/** A data set that nobody has to open. */
export const facts = (resolution: number, classNames: string[] = []): DatasetFacts => ({
  resolution,
  source: "test",
  background: "white",
  conditional: classNames.length > 0,
  subset: null,
  subsetSeed: 0,
  mirror: false,
  fingerprint: "test",
  classNames,
});

export function tinyConfig(overrides: TrainingOptions = {}, classNames: string[] = []): TrainingConfig {
  const config = resolveConfig("stylegan2-small", facts(8, classNames), {
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

/** Tiny networks of a preset, with path length regularization and style mixing where they have styles. */
export function tinyFamilyConfig(cfg: string, overrides: TrainingOptions = {}): TrainingConfig {
  const styles = cfg === "progan" ? {} : { plWeight: 2, styleMixing: 0.9, mappingLayers: 2 };
  const small = { batch: 4, channelBase: 64, channelMax: 8, latentDim: 8 };
  return resolveConfig(cfg, facts(8), { ...small, ...styles, ...overrides });
}

/** Random pictures; the caller owns them. */
export function reals(config: TrainingConfig): Reals {
  const { resolution } = config.network.config;
  return { images: randn([config.batch, 3, resolution, resolution]), c: null };
}
