// Checkpoints of the widely used PyTorch port of StyleGAN2 (rosinality's stylegan2-pytorch): state dictionaries
// `g`, `d` and `g_ema` and the mean of w, `latent_avg`. The port stores what NVIDIA's networks store, under other
// names and with dimensions of size 1 around it; it clamps no activations.

import { firFilter } from "../layers/resample.js";
import { MappingNetwork } from "../networks/mapping.js";
import type { StyleGan2Config } from "../networks/stylegan2.js";
import {
  channelRule,
  countOf,
  type ForeignSnapshot,
  isStoredTensor,
  reshaped,
  sizesOf,
  stateDictionary,
  type Tensors,
  UnsupportedNetwork,
  valuesOf,
} from "./describe.js";
import { meanW, meanWSamples } from "./meanW.js";
import { printable } from "./pickle.js";
import type { StoredTensor } from "./torchFile.js";

const format = "PyTorch port of StyleGAN2 (checkpoint)";

/** Whether the object of a file of torch.save is a checkpoint of the port. */
export function isPortCheckpoint(root: unknown): boolean {
  return root instanceof Map && [root.get("g_ema"), root.get("g")].some(isPortGenerator);
}

function isPortGenerator(state: unknown): boolean {
  return state instanceof Map && state.has("input.input") && state.has("conv1.conv.modulation.weight");
}

/** @throws UnsupportedNetwork that names what we do not have */
export function portSnapshot(root: unknown): ForeignSnapshot {
  if (!(root instanceof Map)) throw new UnsupportedNetwork("it is no dictionary");
  const gEma = stateDictionary(root.get("g_ema") ?? root.get("g"), "g_ema");
  const config = configOf(gEma);
  const latentAvg: unknown = root.get("latent_avg") ?? null;
  if (latentAvg !== null && !isStoredTensor(latentAvg))
    throw new UnsupportedNetwork("latent_avg is no tensor");
  const tensors = new Map<string, StoredTensor>();
  const add = (prefix: string, entries: Iterable<[string, StoredTensor]>) => {
    for (const [name, tensor] of entries) tensors.set(`${prefix}.${name}`, tensor);
  };
  const generators = new Map([["G_ema", gEma]]);
  if (root.has("g")) generators.set("G", stateDictionary(root.get("g"), "g"));
  for (const [prefix, state] of generators) {
    const entries = generatorEntries(state, config);
    // The port's trainer saves no mean of w and its tools compute one when they truncate.
    const wAvg = latentAvg ? reshaped(latentAvg, [config.wDim]) : meanW(entries, mappingOf(config));
    add(prefix, [...entries, ["mapping.w_avg", wAvg]]);
  }
  if (root.has("d")) add("D", discriminatorEntries(stateDictionary(root.get("d"), "d"), config));
  return {
    info: { description: { architecture: "stylegan2", config }, curNimg: null, classNames: [] },
    format,
    tensors,
    notes: latentAvg
      ? []
      : [`the file has no latent_avg: the mean of w was computed from ${meanWSamples} latents`],
  };
}

function mappingOf({
  zDim,
  wDim,
  mappingLayers: layers,
  mappingLrMultiplier: lrMultiplier,
}: StyleGan2Config) {
  return { create: () => new MappingNetwork({ zDim, cDim: 0, wDim, layers, lrMultiplier }), zDim, wDim };
}

function configOf(state: Tensors): StyleGan2Config {
  const layers = countOf(state, "convs.", ".conv.weight");
  if (layers % 2 !== 0) throw new UnsupportedNetwork(`it has ${layers} convs, not two for each resolution`);
  const outChannels = (name: string) => sizesOf(state, name, 5)[1] as number;
  const channels = [
    outChannels("conv1.conv.weight"),
    ...Array.from({ length: layers / 2 }, (_, i) => outChannels(`convs.${2 * i + 1}.conv.weight`)),
  ];
  const [wDim = 0, zDim = 0] = sizesOf(state, "style.1.weight", 2);
  // Entry 0 of the port's list normalizes the latents.
  let mappingLayers = 0;
  while (state.has(`style.${mappingLayers + 1}.weight`)) mappingLayers += 1;
  return {
    resolution: 4 * 2 ** (layers / 2),
    zDim,
    wDim,
    cDim: 0,
    ...channelRule(channels),
    mappingLayers,
    mappingLrMultiplier: 0.01, // what all of the port's scripts give
    wAvgBeta: 0.995, // the port keeps no running mean: ours from here on
    convClamp: null,
    mbstdGroupSize: 4,
    mbstdNumFeatures: 1,
    discriminatorArchitecture: "resnet",
    discriminatorMappingLayers: 8, // of no effect without classes
  };
}

/** Hands over the entries of a state dictionary one by one and knows at the end whether any is left. */
class Taker {
  readonly #state: Map<string, StoredTensor>;
  readonly entries = new Map<string, StoredTensor>();

  constructor(state: Tensors) {
    this.#state = new Map(state);
  }

  /** The port's `from` is our `to`; `shape` is ours. */
  take(from: string, to: string, shape?: (theirs: readonly number[]) => readonly number[]): void {
    const tensor = this.#state.get(from);
    if (!tensor) throw new UnsupportedNetwork(`it has no ${from}`);
    this.#state.delete(from);
    this.entries.set(to, shape ? reshaped(tensor, shape(tensor.shape)) : tensor);
  }

  /** The filter [1, 3, 3, 1], times `gain`, is the only one here. */
  filter(from: string, gain: number): void {
    const tensor = this.#state.get(from);
    if (!tensor) throw new UnsupportedNetwork(`it has no ${from}`);
    const wanted = [1, 3, 3, 1].flatMap((a) => [1, 3, 3, 1].map((b) => (gain * a * b) / 64));
    const fits = String(tensor.shape) === "4,4" && valuesOf(tensor).every((value, i) => value === wanted[i]);
    if (!fits)
      throw new UnsupportedNetwork(`${from} is not [1, 3, 3, 1], the only filter that is possible here`);
    this.#state.delete(from);
  }

  /** Our layers keep their filter; the port's only where it is used. */
  ownFilters(names: readonly string[]): void {
    for (const name of names)
      this.entries.set(`${name}resample_filter`, { shape: [4, 4], read: () => firFilter() });
  }

  done(): Map<string, StoredTensor> {
    const [left] = this.#state.keys();
    if (left !== undefined)
      throw new UnsupportedNetwork(`it has ${printable(left)}, which is not part of the port's StyleGAN2`);
    return this.entries;
  }
}

const withoutFirst = (shape: readonly number[]) => shape.slice(1);
const flat = (shape: readonly number[]) => [shape.reduce((product, size) => product * size, 1)];
const scalar = () => [];
const lastTwo = (shape: readonly number[]) => shape.slice(-2);

function generatorEntries(
  state: Tensors,
  { resolution, mappingLayers }: StyleGan2Config,
): Map<string, StoredTensor> {
  const taker = new Taker(state);
  for (let i = 0; i < mappingLayers; i++) {
    for (const part of ["weight", "bias"]) taker.take(`style.${i + 1}.${part}`, `mapping.fc${i}.${part}`);
  }
  const modulated = (from: string, to: string) => {
    taker.take(`${from}.conv.weight`, `${to}.weight`, withoutFirst);
    for (const part of ["weight", "bias"])
      taker.take(`${from}.conv.modulation.${part}`, `${to}.affine.${part}`);
  };
  const layer = (from: string, to: string, noise: number) => {
    modulated(from, to);
    taker.take(`${from}.noise.weight`, `${to}.noise_strength`, scalar);
    taker.take(`${from}.activate.bias`, `${to}.bias`);
    taker.take(`noises.noise_${noise}`, `${to}.noise_const`, lastTwo);
    taker.ownFilters([`${to}.`]);
  };
  const toRgb = (from: string, to: string) => {
    modulated(from, to);
    taker.take(`${from}.bias`, `${to}.bias`, flat);
  };
  taker.take("input.input", "synthesis.b4.const", withoutFirst);
  layer("conv1", "synthesis.b4.conv1", 0);
  toRgb("to_rgb1", "synthesis.b4.torgb");
  taker.ownFilters(["synthesis.b4."]);
  for (let i = 0, r = 8; r <= resolution; i++, r *= 2) {
    const block = `synthesis.b${r}`;
    taker.filter(`convs.${2 * i}.conv.blur.kernel`, 4);
    layer(`convs.${2 * i}`, `${block}.conv0`, 2 * i + 1);
    layer(`convs.${2 * i + 1}`, `${block}.conv1`, 2 * i + 2);
    taker.filter(`to_rgbs.${i}.upsample.kernel`, 4);
    toRgb(`to_rgbs.${i}`, `${block}.torgb`);
    taker.ownFilters([`${block}.`]);
  }
  return taker.done();
}

function discriminatorEntries(state: Tensors, { resolution }: StyleGan2Config): Map<string, StoredTensor> {
  const taker = new Taker(state);
  const conv = (from: string, to: string, { weight, bias }: { weight: number; bias: number }) => {
    taker.take(`${from}.${weight}.weight`, `${to}.weight`);
    taker.take(`${from}.${bias}.bias`, `${to}.bias`);
    taker.ownFilters([`${to}.`]);
  };
  conv("convs.0", `b${resolution}.fromrgb`, { weight: 0, bias: 1 });
  for (let i = 1, r = resolution; r > 4; i++, r /= 2) {
    conv(`convs.${i}.conv1`, `b${r}.conv0`, { weight: 0, bias: 1 });
    taker.filter(`convs.${i}.conv2.0.kernel`, 1);
    conv(`convs.${i}.conv2`, `b${r}.conv1`, { weight: 1, bias: 2 });
    taker.filter(`convs.${i}.skip.0.kernel`, 1);
    taker.take(`convs.${i}.skip.1.weight`, `b${r}.skip.weight`);
    taker.ownFilters([`b${r}.skip.`, `b${r}.`]);
  }
  conv("final_conv", "b4.conv", { weight: 0, bias: 1 });
  for (const part of ["weight", "bias"]) {
    taker.take(`final_linear.0.${part}`, `b4.fc.${part}`);
    taker.take(`final_linear.1.${part}`, `b4.out.${part}`);
  }
  return taker.done();
}
