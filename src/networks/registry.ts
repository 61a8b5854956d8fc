// From the description of a pair of networks to the networks: the one place that knows every architecture.

import { z } from "zod";
import { scope } from "../torch/scope.js";
import type { Discriminator, Generator } from "./network.js";
import { ProGanDiscriminator, ProGanGenerator, proganConfigSchema } from "./progan.js";
import { StyleGan1Discriminator, StyleGan1Generator, stylegan1ConfigSchema } from "./stylegan1.js";
import { StyleGan2Discriminator, StyleGan2Generator, stylegan2ConfigSchema } from "./stylegan2.js";
import { MinimalDiscriminator, MinimalGenerator, stylegan2MinimalConfigSchema } from "./stylegan2Minimal.js";

/** What rebuilds a generator and its discriminator: the architecture and its options. */
export const networkDescriptionSchema = z.discriminatedUnion("architecture", [
  z.strictObject({ architecture: z.literal("stylegan2"), config: stylegan2ConfigSchema }),
  z.strictObject({ architecture: z.literal("stylegan2-minimal"), config: stylegan2MinimalConfigSchema }),
  z.strictObject({ architecture: z.literal("stylegan1"), config: stylegan1ConfigSchema }),
  z.strictObject({ architecture: z.literal("progan"), config: proganConfigSchema }),
]);

export type NetworkDescription = z.infer<typeof networkDescriptionSchema>;
export type Architecture = NetworkDescription["architecture"];

/** A generator with fresh weights from libtorch's random generator. */
export function createGenerator(description: NetworkDescription): Generator {
  return scope(() => {
    switch (description.architecture) {
      case "stylegan2":
        return new StyleGan2Generator(description.config);
      case "stylegan2-minimal":
        return new MinimalGenerator(description.config);
      case "stylegan1":
        return new StyleGan1Generator(description.config);
      case "progan":
        return new ProGanGenerator(description.config);
    }
  });
}

/** A discriminator with fresh weights from libtorch's random generator. */
export function createDiscriminator(description: NetworkDescription): Discriminator {
  return scope(() => {
    switch (description.architecture) {
      case "stylegan2":
        return new StyleGan2Discriminator(description.config);
      case "stylegan2-minimal":
        return new MinimalDiscriminator(description.config);
      case "stylegan1":
        return new StyleGan1Discriminator(description.config);
      case "progan":
        return new ProGanDiscriminator(description.config);
    }
  });
}

/** The options that say how a network is shaped but not what its weights are: they may differ in a transfer. */
export const optionsWithoutWeights: readonly string[] = ["mbstdGroupSize", "groupSize"];
