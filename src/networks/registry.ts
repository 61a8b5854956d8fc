// From the description of a pair of networks to the networks.

import { scope } from "../torch/scope.js";
import type { Discriminator, Generator } from "./network.js";
import { type StyleGan2Config, StyleGan2Discriminator, StyleGan2Generator } from "./stylegan2.js";

/** What rebuilds a generator and its discriminator: the architecture and its options. */
export interface NetworkDescription {
  architecture: "stylegan2";
  config: StyleGan2Config;
}

/** A generator with fresh weights from libtorch's random generator. */
export function createGenerator({ config }: NetworkDescription): Generator {
  return scope(() => new StyleGan2Generator(config));
}

/** A discriminator with fresh weights from libtorch's random generator. */
export function createDiscriminator({ config }: NetworkDescription): Discriminator {
  return scope(() => new StyleGan2Discriminator(config));
}
