// What an architecture tells the rest of the program: an entry of the registry.

import { z } from "zod";
import type { Discriminator, Generator } from "./network.js";

/** What a run says of its networks, whatever their architecture; each takes what it knows of. */
export interface NetworkShape {
  resolution: number;
  /** Number of classes; 0 for unconditional networks. */
  classes: number;
  zDim: number;
  wDim: number;
  /** Channels at resolution r are min(channelBase / r, channelMax). */
  channelBase: number;
  channelMax: number;
  mappingLayers: number;
  mappingLrMultiplier: number;
  wAvgBeta: number;
  /** What z is scaled to; a choice of the minimal StyleGAN2 alone. */
  zNorm: "length" | "rms";
  convClamp: number | null;
  mbstdGroupSize: number;
  mbstdNumFeatures: number;
  discriminatorArchitecture: "resnet" | "orig";
  discriminatorMappingLayers: number;
}

/** What networks of an architecture have. Whoever offers or checks something asks for these, not for a name. */
export interface Capabilities {
  /** A mapping network makes w of z, and w styles the layers: truncation, style mixing, path length regularization. */
  mapping: boolean;
  /** Layers of the generator that noise is added to. */
  noise: boolean;
  /** Both networks can be told the class of a picture. */
  classes: boolean;
  /** Both networks begin small and grow. */
  growth: boolean;
}

interface Definition<Name extends string, Schema extends z.ZodType> {
  /** As it stands in files. */
  name: Name;
  /** As people write it. */
  title: string;
  capabilities: Capabilities;
  /** Everything that rebuilds the two networks. */
  configSchema: Schema;
  configOf(shape: NetworkShape): z.infer<Schema>;
  createGenerator(config: z.infer<Schema>): Generator;
  createDiscriminator(config: z.infer<Schema>): Discriminator;
}

/** An entry of the registry, with the schema of a description that names it. */
export function defineArchitecture<Name extends string, Schema extends z.ZodType>(
  definition: Definition<Name, Schema>,
) {
  const { name, configSchema: config } = definition;
  return { ...definition, descriptionSchema: z.strictObject({ architecture: z.literal(name), config }) };
}
