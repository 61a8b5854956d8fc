// Our StyleGAN2 networks as NVIDIA's trainers pickle theirs, for tests: objects that are described by class name,
// attributes and constructor options (torch_utils.persistence).

import type { StyleGan2Config } from "../../src/networks/stylegan2.js";
import type { Module } from "../../src/torch/module.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { Call, TorchTensor } from "./pickleWriter.js";

/** One module before it is written, so that a test can change it. */
export interface NvidiaModule {
  className: string;
  parameters: Map<string, TorchTensor | null>;
  buffers: Map<string, TorchTensor | null>;
  children: Map<string, NvidiaModule>;
  attributes: Record<string, unknown>;
  initKwargs: Record<string, unknown>;
}

export function torchTensor(tensor: Tensor): TorchTensor {
  return new TorchTensor(tensor.shape, tensor.toFloat32Array());
}

const buffers = ["resample_filter", "noise_const", "w_avg"];

/** The tree of modules of one of our networks. */
export function nvidiaModule(network: Module, kind: "Generator" | "Discriminator", config: StyleGan2Config) {
  const root = described("", kind, config);
  const at = (path: readonly string[]): NvidiaModule => {
    const name = path.at(-1);
    if (name === undefined) return root;
    const parent = at(path.slice(0, -1));
    const child = parent.children.get(name) ?? described(path.join("."), kind, config);
    parent.children.set(name, child);
    return child;
  };
  for (const [entry, tensor] of network.stateDict()) {
    const path = entry.split(".");
    const name = path.pop() as string;
    const module = at(path);
    (buffers.includes(name) ? module.buffers : module.parameters).set(name, torchTensor(tensor));
  }
  if (kind === "Discriminator") at(["b4", "mbstd"]);
  return root;
}

/** Calls `visit` for every module of a tree, with its path. */
export function eachModule(
  module: NvidiaModule,
  visit: (module: NvidiaModule, path: string) => void,
  path = "",
): void {
  visit(module, path);
  for (const [name, child] of module.children) eachModule(child, visit, path ? `${path}.${name}` : name);
}

/** What pickle writes for it. */
export function persistent(module: NvidiaModule): Call {
  const ordered = (entries: ReadonlyMap<string, unknown>) =>
    new Call(
      "collections",
      "OrderedDict",
      [...entries].map((pair) => pair),
    );
  const state = new Map<string, unknown>([
    ["training", false],
    ["_parameters", parametersOf(module)],
    ["_buffers", ordered(module.buffers)],
    ["_backward_hooks", ordered(new Map())],
    ["_modules", new Map([...module.children].map(([name, child]) => [name, persistent(child)]))],
    ...Object.entries(module.attributes),
    ["_init_args", []],
    ["_init_kwargs", dictionary(module.initKwargs)],
  ]);
  const meta = {
    type: "class",
    version: 6,
    module_src: "# source text\n",
    class_name: module.className,
    state,
  };
  return new Call("torch_utils.persistence", "_reconstruct_persistent_obj", dictionary(meta));
}

function parametersOf({ parameters }: NvidiaModule): Map<string, unknown> {
  return new Map(
    [...parameters].map(([name, tensor]) => [
      name,
      tensor && new Call("torch._utils", "_rebuild_parameter", tensor, false, new Map()),
    ]),
  );
}

/** A dictionary with those inside of it. */
export function dictionary(entries: Record<string, unknown>): Map<string, unknown> {
  const isPlain = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return new Map(
    Object.entries(entries).map(([key, value]) => [key, isPlain(value) ? dictionary(value) : value]),
  );
}

function described(path: string, kind: "Generator" | "Discriminator", config: StyleGan2Config): NvidiaModule {
  const { attributes = {}, initKwargs = {}, className } = descriptionOf(path, kind, config);
  return {
    className,
    parameters: new Map(),
    buffers: new Map(),
    children: new Map(),
    attributes,
    initKwargs,
  };
}

interface Description {
  className: string;
  attributes?: Record<string, unknown>;
  initKwargs?: Record<string, unknown>;
}

function descriptionOf(path: string, kind: string, config: StyleGan2Config): Description {
  const { zDim, wDim, cDim, convClamp, resolution, wAvgBeta } = config;
  const name = path.slice(path.lastIndexOf(".") + 1);
  const sizes = { c_dim: cDim, img_resolution: resolution, img_channels: 3 };
  const channels = { channel_base: config.channelBase, channel_max: config.channelMax };
  const precision = { num_fp16_res: 4, conv_clamp: convClamp };
  if (path === "" && kind === "Generator") {
    const attributes = { ...sizes, z_dim: zDim, w_dim: wDim };
    const mapping = { num_layers: config.mappingLayers, lr_multiplier: config.mappingLrMultiplier };
    return {
      className: kind,
      attributes,
      initKwargs: { ...attributes, mapping_kwargs: mapping, ...channels, ...precision },
    };
  }
  if (path === "")
    return {
      className: kind,
      attributes: sizes,
      initKwargs: {
        ...{ ...sizes, architecture: config.discriminatorArchitecture, ...channels, ...precision },
        ...{ block_kwargs: { freeze_layers: 0 }, mapping_kwargs: {}, epilogue_kwargs: {} },
      },
    };
  const fullyConnected = (activation: string, lrMultiplier = 1) => ({
    className: "FullyConnectedLayer",
    attributes: { activation, bias_gain: lrMultiplier },
    initKwargs: { activation, lr_multiplier: lrMultiplier },
  });
  if (path === "mapping")
    return {
      className: "MappingNetwork",
      attributes: {
        ...{ z_dim: kind === "Generator" ? zDim : 0, c_dim: cDim },
        w_avg_beta: kind === "Generator" ? wAvgBeta : null,
      },
      initKwargs: { c_dim: cDim, num_layers: config.mappingLayers, w_avg_beta: wAvgBeta },
    };
  if (path === "mapping.embed") return fullyConnected("linear");
  if (path.startsWith("mapping.")) return fullyConnected("lrelu", config.mappingLrMultiplier);
  if (name === "affine" || name === "out") return fullyConnected("linear");
  if (name === "fc") return fullyConnected("lrelu");
  if (name === "synthesis")
    return { className: "SynthesisNetwork", initKwargs: { w_dim: wDim, ...channels, ...precision } };
  const block = { img_channels: 3, resolution: Number(name.slice(1)) };
  const more = { use_fp16: true, fp16_channels_last: false, ...{ conv_clamp: convClamp } };
  if (kind === "Generator") {
    if (/^b\d+$/.test(name))
      return {
        className: "SynthesisBlock",
        attributes: { architecture: "skip", ...block, use_fp16: true },
        initKwargs: { w_dim: wDim, ...block, ...more, fused_modconv_default: "inference_only" },
      };
    if (name === "torgb")
      return { className: "ToRGBLayer", attributes: { conv_clamp: convClamp }, initKwargs: { w_dim: wDim } };
    const up = name === "conv0" ? 2 : 1;
    return {
      className: "SynthesisLayer",
      attributes: { activation: "lrelu", use_noise: true, conv_clamp: convClamp, up },
      initKwargs: { w_dim: wDim, up, conv_clamp: convClamp, channels_last: false },
    };
  }
  const architecture = config.discriminatorArchitecture;
  if (name === "mbstd") {
    const groups = { group_size: config.mbstdGroupSize, num_channels: config.mbstdNumFeatures };
    return { className: "MinibatchStdLayer", attributes: groups, initKwargs: groups };
  }
  if (name === "b4")
    return {
      className: "DiscriminatorEpilogue",
      attributes: { architecture, ...block },
      initKwargs: { architecture, ...block, conv_clamp: convClamp },
    };
  if (/^b\d+$/.test(name))
    return {
      className: "DiscriminatorBlock",
      attributes: { architecture, ...block },
      initKwargs: { architecture, ...block, ...more, first_layer_idx: 0, freeze_layers: 0 },
    };
  const isSkip = name === "skip";
  const conv = {
    activation: isSkip ? "linear" : "lrelu",
    up: 1,
    down: ["conv1", "skip"].includes(name) ? 2 : 1,
    conv_clamp: isSkip ? null : convClamp,
  };
  return {
    className: "Conv2dLayer",
    attributes: isSkip ? { ...conv, bias: null } : conv,
    initKwargs: { kernel_size: 3, ...conv, trainable: true, channels_last: false },
  };
}
