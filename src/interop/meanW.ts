// The mean of w of networks that were saved without it: what truncation moves towards.

import { MappingNetwork } from "../networks/mapping.js";
import type { StyleGan2Config } from "../networks/stylegan2.js";
import { latentsOfSeed } from "../synthesis/latents.js";
import { noGrad } from "../torch/autograd.js";
import type { Tensor } from "../torch/tensor.js";
import type { Tensors } from "./describe.js";
import type { StoredTensor } from "./torchFile.js";

/** As many as the tools of the PyTorch port take. */
export const meanWSamples = 4096;

/** The mean of w over the latents of seed 0, for a mapping network among `tensors` under `mapping.`. */
export function meanW(tensors: Tensors, config: StyleGan2Config): StoredTensor {
  const { zDim, cDim, wDim, mappingLayers: layers, mappingLrMultiplier: lrMultiplier } = config;
  return {
    shape: [wDim],
    read: () =>
      noGrad(() => {
        const network = new MappingNetwork({ zDim, cDim, wDim, layers, lrMultiplier });
        const prefix = "mapping.";
        const state = new Map<string, Tensor>();
        for (const [name, tensor] of tensors)
          if (name.startsWith(prefix)) state.set(name.slice(prefix.length), tensor.read());
        try {
          network.loadStateDict(state);
          return network.forward(latentsOfSeed(0, meanWSamples, zDim), null).mean([0]);
        } finally {
          network.dispose();
        }
      }),
  };
}
