// StyleGAN2 networks from the pickles of NVIDIA's stylegan2-ada-pytorch and stylegan3. Their names of parameters
// are ours. What the layers do stands in their attributes: everything that we compute in one way only is checked,
// and a network that does it in another way is refused with the name of the attribute.

import { activationGain } from "../layers/activation.js";
import type { StyleGan2Config } from "../networks/stylegan2.js";
import {
  channelRule,
  countOf,
  type ForeignSnapshot,
  isStoredTensor,
  sizesOf,
  type Tensors,
  UnsupportedNetwork,
  valuesOf,
} from "./describe.js";
import { knownOptions } from "./nvidiaOptions.js";
import { printable } from "./pickle.js";
import { PersistentObject, type StoredTensor } from "./torchFile.js";

const format = "NVIDIA's stylegan2-ada-pytorch or stylegan3 (pickle)";

/** Whether the object of a pickle is a snapshot of NVIDIA's trainers, or one of its networks alone. */
export function isNvidiaSnapshot(root: unknown): boolean {
  return (
    root instanceof PersistentObject ||
    networksIn(root).some(([, network]) => network instanceof PersistentObject) ||
    (root instanceof Map && root.has("G_ema") && networksIn(root).length === 0)
  );
}

/** @throws UnsupportedNetwork that names what we do not have */
export function nvidiaSnapshot(root: unknown): ForeignSnapshot {
  const networks = new Map(root instanceof PersistentObject ? [["G_ema", root]] : networksIn(root));
  const generators = ["G_ema", "G"].filter((name) => networks.has(name));
  const [first] = generators;
  if (first === undefined)
    throw new UnsupportedNetwork("it has no G_ema and no G, or they are None: there is no generator");
  const modules = new Map(
    [...networks].map(([name, network]) => [
      name,
      modulesOf(network, name === "D" ? "Discriminator" : "Generator"),
    ]),
  );
  const D = modules.get("D");
  const config: StyleGan2Config = {
    ...generatorConfig(modules.get(first) as NetworkModules),
    ...discriminatorConfig(D),
  };
  for (const [name, network] of modules) check(name, network, config);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, network] of modules) {
    for (const [entry, tensor] of network.tensors) tensors.set(`${name}.${entry}`, tensor);
  }
  // A network alone serves as the moving average.
  if (first === "G")
    for (const [entry, tensor] of modules.get("G")?.tensors ?? []) tensors.set(`G_ema.${entry}`, tensor);
  return {
    info: {
      description: { architecture: "stylegan2", config },
      curNimg: null,
      classNames: [],
    },
    format,
    tensors,
    notes: [],
  };
}

function networksIn(root: unknown): [string, unknown][] {
  if (!(root instanceof Map)) return [];
  return ["G_ema", "G", "D"]
    .filter((name) => root.has(name) && root.get(name) !== null)
    .map((name) => [name, root.get(name)]);
}

// ---- a network as a tree of modules ----

interface LayerModule {
  /** Name within the network, empty for the network itself. */
  path: string;
  className: string;
  attributes: ReadonlyMap<unknown, unknown>;
}

interface NetworkModules {
  layers: readonly LayerModule[];
  /** Parameters and buffers; a frozen layer has its weights among the buffers. */
  tensors: Tensors;
}

const maxModules = 5000;
const maxDepth = 8;

function modulesOf(network: unknown, className: string): NetworkModules {
  if (!(network instanceof PersistentObject))
    throw new UnsupportedNetwork("one of its networks is something else");
  if (network.className !== className)
    throw new UnsupportedNetwork(`a ${printable(network.className)} stands where a ${className} belongs`);
  const layers: LayerModule[] = [];
  const tensors = new Map<string, StoredTensor>();
  const visit = (module: PersistentObject, path: string, depth: number): void => {
    if (layers.length >= maxModules || depth > maxDepth)
      throw new UnsupportedNetwork("its modules do not end");
    layers.push({ path, className: module.className, attributes: module.state });
    const prefix = path === "" ? "" : `${path}.`;
    for (const kind of ["_parameters", "_buffers"]) {
      for (const [name, tensor] of entriesOf(module.state.get(kind))) {
        if (tensor === null) continue; // registered, but not there
        if (!isStoredTensor(tensor)) throw new UnsupportedNetwork(`${printable(prefix + name)} is no tensor`);
        tensors.set(prefix + name, tensor);
      }
    }
    for (const [name, child] of entriesOf(module.state.get("_modules"))) {
      if (child === null) continue;
      if (!(child instanceof PersistentObject))
        throw new UnsupportedNetwork(`${printable(prefix + name)} is no module of NVIDIA's`);
      visit(child, prefix + name, depth + 1);
    }
  };
  visit(network, "", 0);
  return { layers, tensors };
}

function entriesOf(value: unknown): [string, unknown][] {
  if (value === undefined) return [];
  if (!(value instanceof Map)) throw new UnsupportedNetwork("one of its modules is damaged");
  return [...value].filter((entry): entry is [string, unknown] => typeof entry[0] === "string");
}

// ---- the configuration, from shapes and attributes ----

function generatorConfig({ tensors, layers }: NetworkModules) {
  if (layers.some(({ className }) => className === "SynthesisInput"))
    throw new UnsupportedNetwork("it is a StyleGAN3 generator; only StyleGAN2 is read here");
  const foreign = layers.find(({ className }) => !(className in expectations));
  if (foreign)
    throw new UnsupportedNetwork(
      `its ${printable(foreign.path || "network")} is a ${printable(foreign.className)}, which is not part of StyleGAN2`,
    );
  const resolutions = resolutionsOf(tensors);
  const channels = resolutions.map((r) => sizesOf(tensors, `synthesis.b${r}.conv1.weight`, 4)[0] as number);
  const mappingLayers = countOf(tensors, "mapping.fc", ".weight");
  const [, inputs = 0] = sizesOf(tensors, "mapping.fc0.weight", 2);
  const [wDim = 0] = sizesOf(tensors, `mapping.fc${mappingLayers - 1}.weight`, 2);
  const [embedded = 0, cDim = 0] = tensors.has("mapping.embed.weight")
    ? sizesOf(tensors, "mapping.embed.weight", 2)
    : [];
  const attribute = (path: string, name: string) => numberAt(layers, path, name);
  const convClamp = layers
    .find(({ className }) => className === "SynthesisLayer")
    ?.attributes.get("conv_clamp");
  if (convClamp !== null && typeof convClamp !== "number")
    throw new UnsupportedNetwork("its conv_clamp is no number");
  const config = {
    resolution: resolutions.at(-1) as number,
    zDim: inputs - embedded,
    wDim,
    cDim,
    ...channelRule(channels),
    mappingLayers,
    mappingLrMultiplier: attribute("mapping.fc0", "bias_gain"),
    wAvgBeta: attribute("mapping", "w_avg_beta"),
    convClamp,
  };
  return config;
}

/** 4, 8, … as far as there are blocks. */
function resolutionsOf(tensors: Tensors): number[] {
  const resolutions: number[] = [];
  for (let r = 4; tensors.has(`synthesis.b${r}.conv1.weight`); r *= 2) resolutions.push(r);
  if (resolutions.length === 0) throw new UnsupportedNetwork("it has no synthesis.b4.conv1.weight");
  return resolutions;
}

type DiscriminatorConfig = Pick<
  StyleGan2Config,
  "mbstdGroupSize" | "mbstdNumFeatures" | "discriminatorArchitecture" | "discriminatorMappingLayers"
>;

/** A group is never larger than the batch; networks that NVIDIA's tools converted may have one for all of it. */
const wholeBatch = 2 ** 16;

/** NVIDIA's own where the file has no discriminator. */
function discriminatorConfig(network: NetworkModules | undefined): DiscriminatorConfig {
  if (!network)
    return {
      mbstdGroupSize: 4,
      mbstdNumFeatures: 1,
      discriminatorArchitecture: "resnet",
      discriminatorMappingLayers: 8,
    };
  const { layers, tensors } = network;
  const names = new Set(layers.map(({ path }) => path));
  if (!names.has("b4")) throw new UnsupportedNetwork("D has no b4");
  if (!names.has("b4.mbstd"))
    throw new UnsupportedNetwork("D has no b4.mbstd (mbstd_num_channels 0); ours always has one");
  const architecture = attributeAt(layers, "b4", "architecture");
  if (architecture !== "resnet" && architecture !== "orig")
    throw new UnsupportedNetwork(
      `D.b4 has the architecture ${shown(architecture)}; only resnet and orig are here`,
    );
  const mapping = countOf(tensors, "mapping.fc", ".weight");
  return {
    mbstdGroupSize:
      attributeAt(layers, "b4.mbstd", "group_size") === null
        ? wholeBatch
        : numberAt(layers, "b4.mbstd", "group_size"),
    mbstdNumFeatures: numberAt(layers, "b4.mbstd", "num_channels"),
    discriminatorArchitecture: architecture,
    discriminatorMappingLayers: mapping > 0 ? mapping : 8,
  };
}

function attributeAt(layers: readonly LayerModule[], path: string, name: string): unknown {
  const layer = layers.find((candidate) => candidate.path === path);
  if (!layer) throw new UnsupportedNetwork(`it has no ${path}`);
  return layer.attributes.get(name);
}

function numberAt(layers: readonly LayerModule[], path: string, name: string): number {
  const value = attributeAt(layers, path, name);
  if (typeof value !== "number") throw new UnsupportedNetwork(`${path} has the ${name} ${shown(value)}`);
  return value;
}

// ---- what must be as we compute it ----

type Expected = Readonly<Record<string, unknown>>;

/** The attributes that each class must have. Classes that are not here are not part of StyleGAN2. */
const expectations: Readonly<Record<string, (path: string, config: StyleGan2Config) => Expected>> = {
  Generator: (_, { zDim, cDim, wDim, resolution }) => ({
    z_dim: zDim,
    c_dim: cDim,
    w_dim: wDim,
    img_resolution: resolution,
    img_channels: 3,
  }),
  Discriminator: (_, { cDim, resolution }) => ({ c_dim: cDim, img_resolution: resolution, img_channels: 3 }),
  MappingNetwork: () => ({}),
  SynthesisNetwork: () => ({}),
  SynthesisBlock: () => ({ architecture: "skip", img_channels: 3 }),
  SynthesisLayer: (path, { convClamp }) => ({
    activation: "lrelu",
    use_noise: true,
    conv_clamp: convClamp,
    up: path.endsWith(".conv0") ? 2 : 1,
  }),
  ToRGBLayer: (_, { convClamp }) => ({ conv_clamp: convClamp }),
  FullyConnectedLayer: (path, { mappingLrMultiplier }) => ({
    activation: /\.fc\d*$/.test(path) ? "lrelu" : "linear",
    bias_gain: /(^|\.)mapping\.fc\d+$/.test(path) ? mappingLrMultiplier : 1,
  }),
  Conv2dLayer: (path, { convClamp }) => ({
    activation: path.endsWith(".skip") ? "linear" : "lrelu",
    conv_clamp: path.endsWith(".skip") ? null : convClamp,
    up: 1,
    down: /\.(conv1|skip)$/.test(path) ? 2 : 1,
  }),
  MinibatchStdLayer: () => ({}),
  DiscriminatorBlock: (_, { discriminatorArchitecture }) => ({ architecture: discriminatorArchitecture }),
  DiscriminatorEpilogue: (_, { discriminatorArchitecture }) => ({ architecture: discriminatorArchitecture }),
};

function check(network: string, { layers, tensors }: NetworkModules, config: StyleGan2Config): void {
  for (const { path, className, attributes } of layers) {
    const expected = expectations[className];
    const place = printable([network, path].filter(Boolean).join("."));
    if (!expected)
      throw new UnsupportedNetwork(`${place} is a ${printable(className)}, which is not part of StyleGAN2`);
    const options = attributes.get("_init_kwargs");
    for (const [option] of options instanceof Map ? entriesOf(options) : []) {
      if (!knownOptions[className]?.has(option))
        throw new UnsupportedNetwork(
          `${place} was made with the option ${printable(option)}, which ${className} of NVIDIA's does not have: it may compute something else`,
        );
    }
    for (const [name, wanted] of Object.entries(expected(path, config))) {
      const value = attributes.get(name);
      if (value !== wanted)
        throw new UnsupportedNetwork(
          `${place} has the ${name} ${shown(value)}; only ${shown(wanted)} is possible here`,
        );
    }
  }
  checkGains(network, { layers, tensors });
  for (const [name, tensor] of tensors) {
    if (name.endsWith("resample_filter")) checkFilter(`${network}.${name}`, tensor);
  }
}

/** Gains follow from the activation and the weight's inputs; a layer has those of its class. */
function checkGains(network: string, { layers, tensors }: NetworkModules): void {
  for (const { path, attributes } of layers) {
    const inputs = (tensors.get(`${path}.weight`)?.shape ?? []).slice(1);
    const fanIn = inputs.reduce((product, size) => product * size, 1);
    const multiplier = attributes.get("bias_gain") ?? 1; // the learning rate's, in dense layers
    const wanted = {
      act_gain: activationGain[attributes.get("activation") === "lrelu" ? "lrelu" : "linear"],
      weight_gain: (typeof multiplier === "number" ? multiplier : 1) / Math.sqrt(fanIn),
    };
    for (const [name, gain] of Object.entries(wanted)) {
      const value = attributes.get(name);
      if (value === undefined) continue;
      if (typeof value !== "number" || Math.abs(value / gain - 1) > 1e-6)
        throw new UnsupportedNetwork(
          `${printable(`${network}.${path}`)} has the ${name} ${shown(value)}; only ${gain} is possible here`,
        );
    }
  }
}

const taps = [1, 3, 3, 1].map((tap) => tap / 8);

/** [1, 3, 3, 1] in both directions is the only filter here. */
function checkFilter(name: string, tensor: StoredTensor): void {
  const wanted = taps.flatMap((a) => taps.map((b) => a * b));
  const fits = String(tensor.shape) === "4,4" && valuesOf(tensor).every((value, i) => value === wanted[i]);
  if (!fits)
    throw new UnsupportedNetwork(
      `${printable(name)} is not [1, 3, 3, 1], the only filter that is possible here`,
    );
}

function shown(value: unknown): string {
  if (typeof value === "string") return `"${printable(value)}"`;
  if (value === null || ["number", "boolean", "undefined"].includes(typeof value))
    return value === null ? "None" : String(value);
  return "something else";
}
