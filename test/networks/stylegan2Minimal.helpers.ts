// The network of the reference values `labml-minimal.*`.

import type { StyleGan2MinimalConfig } from "../../src/networks/stylegan2Minimal.js";
import { readSafetensors } from "../../src/torch/safetensors.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { fixturePath } from "../helpers.js";

export const fixtureConfig: StyleGan2MinimalConfig = {
  resolution: 32,
  latentDim: 32,
  cDim: 0,
  generatorFeatures: 8,
  discriminatorFeatures: 8,
  maxFeatures: 32,
  mappingLayers: 4,
  mappingLrMultiplier: 1,
  wAvgBeta: 0.995,
  zNorm: "length",
  groupSize: 4,
};

/** The source's weights as the state dictionary of one of our networks; owned by the caller. */
export function sourceState(network: "G" | "D"): Map<string, Tensor> {
  const prefix = "discriminator.";
  const { tensors } = readSafetensors(fixturePath("labml-minimal.weights.safetensors"));
  const ofD = (name: string) => name.startsWith(prefix);
  return new Map(
    [...tensors]
      .filter(([name]) => ofD(name) === (network === "D"))
      .map(([name, tensor]) => [network === "D" ? name.slice(prefix.length) : name, tensor]),
  );
}
