// The mean of w of networks that were saved without it: what truncation moves towards.

import { latentsOfSeed } from "../synthesis/latents.js";
import { noGrad } from "../torch/autograd.js";
import type { Module } from "../torch/module.js";
import type { Tensor } from "../torch/tensor.js";
import type { Tensors } from "./describe.js";
import type { StoredTensor } from "./torchFile.js";

/** As many as the tools of the PyTorch port take. */
export const meanWSamples = 4096;

export interface MappingToMeasure {
  create: () => Module & { forward(z: Tensor, c: null): Tensor };
  zDim: number;
  wDim: number;
}

/** The mean of w over the latents of seed 0, for a mapping network whose weights are in `tensors` under `mapping.`. */
export function meanW(tensors: Tensors, { create, zDim, wDim }: MappingToMeasure): StoredTensor {
  const read = () =>
    noGrad(() => {
      const network = create();
      try {
        const prefix = "mapping.";
        // It may keep a mean itself, which is not asked for here.
        const state = new Map([...network.stateDict()].filter(([name]) => name === "w_avg"));
        for (const [name, tensor] of tensors) {
          const own = name.slice(prefix.length);
          if (name.startsWith(prefix) && !state.has(own)) state.set(own, tensor.read());
        }
        network.loadStateDict(state);
        return network.forward(latentsOfSeed(0, meanWSamples, zDim), null).mean([0]);
      } finally {
        network.dispose();
      }
    });
  return { shape: [wDim], read };
}
