// The smallest generator of each architecture, with weights that depend on nothing but a seed.

import type { Generator } from "../../src/networks/network.js";
import { type Architecture, createGenerator, type NetworkDescription } from "../../src/networks/registry.js";
import { manualSeed } from "../../src/torch/random.js";

const mapping = { mappingLayers: 2, mappingLrMultiplier: 0.01, wAvgBeta: 0.995 };
const growing = {
  ...{ resolution: 16, zDim: 12, cDim: 0 as const, channelBase: 128, channelMax: 16 },
  ...{ mbstdGroupSize: 2, mbstdNumFeatures: 1, fromRgbActivation: "lrelu" as const },
};

/** 16 px; StyleGAN2 with classes if asked for. */
export function describeTiny(architecture: Architecture, cDim = 0): NetworkDescription {
  switch (architecture) {
    case "stylegan2":
      return {
        architecture,
        config: {
          ...{ resolution: 16, zDim: 12, wDim: 10, cDim, channelBase: 128, channelMax: 16 },
          ...{ ...mapping, convClamp: 256, mbstdGroupSize: 2, mbstdNumFeatures: 1 },
          ...{ discriminatorArchitecture: "resnet" as const, discriminatorMappingLayers: 8 },
        },
      };
    case "stylegan2-minimal":
      return {
        architecture,
        config: {
          ...{ resolution: 16, latentDim: 12, cDim: 0, generatorFeatures: 4, discriminatorFeatures: 4 },
          ...{ maxFeatures: 16, ...mapping, zNorm: "length", groupSize: 2 },
        },
      };
    case "stylegan1":
      return { architecture, config: { ...growing, ...mapping, wDim: 10 } };
    case "progan":
      return { architecture, config: growing };
  }
}

/** The caller owns it. */
export function tinyGenerator(architecture: Architecture, cDim = 0): Generator {
  manualSeed(5);
  return createGenerator(describeTiny(architecture, cDim));
}
