// From the description of a pair of networks to the networks: the one place that knows every architecture.

import { z } from "zod";
import { scope } from "../torch/scope.js";
import type { Capabilities, NetworkShape } from "./architecture.js";
import type { Discriminator, Generator } from "./network.js";
import { progan } from "./progan.js";
import { stylegan1 } from "./stylegan1.js";
import { stylegan2 } from "./stylegan2.js";
import { stylegan2Minimal } from "./stylegan2Minimal.js";

const architectures = [stylegan2, stylegan2Minimal, stylegan1, progan] as const;

type SchemasOf<Entries extends readonly { descriptionSchema: unknown }[]> = {
  -readonly [I in keyof Entries]: Entries[I]["descriptionSchema"];
};

/** What rebuilds a generator and its discriminator: the architecture and its options. */
export const networkDescriptionSchema = z.discriminatedUnion(
  "architecture",
  architectures.map(({ descriptionSchema }) => descriptionSchema) as unknown as SchemasOf<
    typeof architectures
  >,
);

export type NetworkDescription = z.infer<typeof networkDescriptionSchema>;
export type Architecture = NetworkDescription["architecture"];

/** An entry whose configuration is known to be its own. */
interface Entry {
  title: string;
  capabilities: Capabilities;
  configOf(shape: NetworkShape): unknown;
  createGenerator(config: unknown): Generator;
  createDiscriminator(config: unknown): Discriminator;
}

function entryOf(architecture: Architecture): Entry {
  return architectures.find(({ name }) => name === architecture) as unknown as Entry;
}

/** What people call an architecture. */
export function titleOf(architecture: Architecture): string {
  return entryOf(architecture).title;
}

export function capabilitiesOf(architecture: Architecture): Capabilities {
  return entryOf(architecture).capabilities;
}

/** The networks of an architecture that a run asks for. */
export function describeNetwork(architecture: Architecture, shape: NetworkShape): NetworkDescription {
  return { architecture, config: entryOf(architecture).configOf(shape) } as NetworkDescription;
}

/** A generator with fresh weights from libtorch's random generator. */
export function createGenerator({ architecture, config }: NetworkDescription): Generator {
  return scope(() => entryOf(architecture).createGenerator(config));
}

/** A discriminator with fresh weights from libtorch's random generator. */
export function createDiscriminator({ architecture, config }: NetworkDescription): Discriminator {
  return scope(() => entryOf(architecture).createDiscriminator(config));
}

/** The options that say how a network is shaped but not what its weights are: they may differ in a transfer. */
export const optionsWithoutWeights: readonly string[] = ["mbstdGroupSize", "groupSize"];
