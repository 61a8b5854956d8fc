// The configurations whose speed is kept track of.

import type { TrainingOptions } from "../src/training/options.js";

export interface BenchConfiguration {
  cfg: string;
  resolution: number;
  overrides: TrainingOptions;
}

/** By name. Mapping networks have two layers in S to XL, as in small trainings; what is not given is the preset's. */
export const configurations: Readonly<Record<string, BenchConfiguration>> = {
  S: stylegan2(32, 16, 2048),
  M: stylegan2(64, 8, 4096),
  L: stylegan2(64, 8, 16384),
  "128": stylegan2(128, 8, 8192),
  XL: stylegan2(256, 4, 8192),
  minimal: { cfg: "stylegan2-minimal", resolution: 64, overrides: { batch: 8 } },
  stylegan1: { cfg: "stylegan1", resolution: 64, overrides: { batch: 8, channelBase: 4096 } },
};

function stylegan2(resolution: number, batch: number, channelBase: number): BenchConfiguration {
  return {
    cfg: "stylegan2",
    resolution,
    overrides: { batch, channelBase, channelMax: 512, mappingLayers: 2 },
  };
}
