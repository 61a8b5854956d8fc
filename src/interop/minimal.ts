// Weights of labml.ai's minimal StyleGAN2: the state dictionaries of its mapping network, generator and
// discriminator, in one file. Names are ours already. The source keeps no mean of w and no stored noise, and trains
// one generator without a moving average.

import { minimalMapping, type StyleGan2MinimalConfig } from "../networks/stylegan2Minimal.js";
import { latentsOfSeed } from "../synthesis/latents.js";
import {
  countOf,
  type ForeignSnapshot,
  isStoredTensor,
  sizesOf,
  stateDictionary,
  type Tensors,
  UnsupportedNetwork,
} from "./describe.js";
import { meanW, meanWSamples } from "./meanW.js";
import { printable } from "./pickle.js";
import type { StoredTensor } from "./torchFile.js";

const format = "labml.ai's minimal StyleGAN2 (weights)";

const parts = {
  mapping: ["mapping", "mapping_network"],
  generator: ["generator"],
  discriminator: ["discriminator"],
};

/**
 * The source trains its mapping network a hundred times as slowly as the rest. Here that is a matter of how weights
 * are stored: divided by this and multiplied by it when they are used.
 */
const mappingLrMultiplier = 0.01;

/** Whether a file's object, or the tensors of a safetensors file by name, are the minimal StyleGAN2's. */
export function isMinimalWeights(root: unknown): boolean {
  if (!(root instanceof Map)) return false;
  return flatten(root).has("generator.initial_constant");
}

/** One dictionary of all tensors, whether they come in one for each network or in one already. */
function flatten(root: ReadonlyMap<unknown, unknown>): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, value] of root) {
    if (typeof name !== "string") continue;
    if (isStoredTensor(value)) {
      tensors.set(name, value);
    } else if (value instanceof Map && Object.values(parts).flat().includes(name)) {
      for (const [entry, tensor] of stateDictionary(value, name)) tensors.set(`${name}.${entry}`, tensor);
    }
  }
  return new Map(
    [...tensors].map(([name, tensor]) => [name.replace(/^mapping_network\./, "mapping."), tensor]),
  );
}

/** @throws UnsupportedNetwork that names what we do not have */
export function minimalSnapshot(root: unknown): ForeignSnapshot {
  if (!(root instanceof Map)) throw new UnsupportedNetwork("it is no dictionary");
  const state = flatten(root);
  const unknown = [...state.keys()].find((name) => !(name.slice(0, name.indexOf(".")) in parts));
  if (unknown !== undefined)
    throw new UnsupportedNetwork(`it has ${printable(unknown)}, which is not part of the minimal StyleGAN2`);
  const config = configOf(state);
  const generator = [...generatorEntries(state, config)];
  const discriminator = [...state].filter(([name]) => name.startsWith("discriminator."));
  return {
    info: { description: { architecture: "stylegan2-minimal", config }, curNimg: null, classNames: [] },
    format,
    tensors: new Map([
      ...generator.map(([name, tensor]) => [`G_ema.${name}`, tensor] as const),
      ...generator.map(([name, tensor]) => [`G.${name}`, tensor] as const),
      ...discriminator.map(([name, tensor]) => [name.replace("discriminator.", "D."), tensor] as const),
    ]),
    notes: [
      `the source keeps no mean of w and no stored noise: the mean was computed from ${meanWSamples} latents, the noise drawn from seeds`,
    ],
  };
}

function configOf(state: Tensors): StyleGan2MinimalConfig {
  const outChannels = (name: string) => sizesOf(state, name, 4)[0] as number;
  const blocks = countOf(state, "generator.blocks.", ".style_block2.conv.weight.weight");
  const [latentDim = 0] = sizesOf(state, "mapping.net.0.weight.weight", 2);
  // From the full resolution down.
  const generatorChannels = [
    ...Array.from({ length: blocks }, (_, i) =>
      outChannels(`generator.blocks.${blocks - 1 - i}.style_block2.conv.weight.weight`),
    ),
    outChannels("generator.style_block.conv.weight.weight"),
  ];
  const hasDiscriminator = state.has("discriminator.from_rgb.0.weight.weight");
  const discriminatorChannels = hasDiscriminator
    ? [
        outChannels("discriminator.from_rgb.0.weight.weight"),
        ...Array.from({ length: blocks }, (_, i) =>
          outChannels(`discriminator.blocks.${i}.block.2.weight.weight`),
        ),
      ]
    : [];
  const maxFeatures = Math.max(...generatorChannels, ...discriminatorChannels);
  for (const channels of [generatorChannels, discriminatorChannels]) {
    const first = channels[0] ?? 0;
    if (channels.some((count, i) => count !== Math.min(maxFeatures, first * 2 ** i)))
      throw new UnsupportedNetwork(`its channels ${channels.join(", ")} do not double up to ${maxFeatures}`);
  }
  const generatorFeatures = generatorChannels[0] as number;
  // The activations between them are entries of their own in the source's list.
  let mappingLayers = 0;
  while (state.has(`mapping.net.${2 * mappingLayers}.weight.weight`)) mappingLayers += 1;
  return {
    resolution: 4 * 2 ** blocks,
    latentDim,
    cDim: 0,
    generatorFeatures,
    discriminatorFeatures: discriminatorChannels[0] ?? 2 * generatorFeatures, // the source's defaults: 32 and 64
    maxFeatures,
    mappingLayers,
    mappingLrMultiplier,
    wAvgBeta: 0.995, // ours from here on
    zNorm: "length", // the source's, as is the next
    groupSize: 4,
  };
}

function generatorEntries(state: Tensors, config: StyleGan2MinimalConfig): Map<string, StoredTensor> {
  const entries = new Map<string, StoredTensor>();
  for (const [name, tensor] of state) {
    if (name.startsWith("mapping.")) entries.set(name, divided(tensor, config.mappingLrMultiplier));
    else if (name.startsWith("generator.")) entries.set(name, tensor);
  }
  const layers = ["style_block"];
  for (let r = 8, i = 0; r <= config.resolution; r *= 2, i++)
    layers.push(`blocks.${i}.style_block1`, `blocks.${i}.style_block2`);
  for (const [i, layer] of layers.entries()) {
    const r = 4 * 2 ** Math.ceil(i / 2);
    entries.set(`generator.${layer}.noise_const`, { shape: [r, r], read: () => latentsOfSeed(i, r, r) });
  }
  const { latentDim } = config;
  const mapping = { create: () => minimalMapping(config), zDim: latentDim, wDim: latentDim };
  entries.set("mapping.w_avg", meanW(entries, mapping));
  return entries;
}

function divided(tensor: StoredTensor, by: number): StoredTensor {
  return {
    shape: tensor.shape,
    read: () => {
      const source = tensor.read();
      const result = source.div(by);
      source.dispose();
      return result;
    },
  };
}
