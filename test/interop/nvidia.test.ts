// Networks of other sizes and kinds than the fixtures', written as NVIDIA's trainers write them and read back.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSnapshot } from "../../src/interop/openSnapshot.js";
import type { Generator } from "../../src/networks/network.js";
import { disposeAll, loadInto, type NetworkPrefix, stateOf } from "../../src/networks/snapshot.js";
import {
  type StyleGan2Config,
  StyleGan2Discriminator,
  StyleGan2Generator,
} from "../../src/networks/stylegan2.js";
import { UserError } from "../../src/system/errors.js";
import { noGrad } from "../../src/torch/autograd.js";
import type { Module } from "../../src/torch/module.js";
import { randn } from "../../src/torch/random.js";
import { setThreads } from "../../src/torch/runtime.js";
import { scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import {
  dictionary,
  eachModule,
  type NvidiaModule,
  nvidiaModule,
  persistent,
  torchTensor,
} from "./nvidiaWriter.js";
import { Built, Call, Float, Global, TorchTensor, Tuple } from "./pickleWriter.js";
import { legacyFile, plainPickle, zipFile } from "./torchWriter.js";

const tiny: StyleGan2Config = {
  resolution: 16,
  zDim: 8,
  wDim: 8,
  cDim: 0,
  channelBase: 64,
  channelMax: 8,
  mappingLayers: 2,
  mappingLrMultiplier: 0.01,
  wAvgBeta: 0.998,
  convClamp: 256,
  mbstdGroupSize: 4,
  mbstdNumFeatures: 1,
  discriminatorArchitecture: "resnet",
  discriminatorMappingLayers: 8,
};

let folder: string;
beforeAll(() => {
  setThreads(1); // the networks are too small for more
  folder = mkdtempSync(join(tmpdir(), "stylegan-nvidia-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Every entry random, also those that start at zero. */
function randomized<T extends Module>(network: T): T {
  noGrad(() => {
    for (const [name, tensor] of network.stateDict()) {
      if (!name.endsWith("resample_filter")) tensor.detach().copy_(randn(tensor.shape).add(tensor));
    }
  });
  return network;
}

function networksOf(config: StyleGan2Config) {
  return {
    G: randomized(new StyleGan2Generator(config)),
    D: randomized(new StyleGan2Discriminator(config)),
    G_ema: randomized(new StyleGan2Generator(config)),
  };
}

type Networks = ReturnType<typeof networksOf>;

/** The modules of G, D and G_ema as NVIDIA's trainers have them. */
function modulesOf({ G, D, G_ema }: Networks, config: StyleGan2Config) {
  return {
    G: nvidiaModule(G, "Generator", config),
    D: nvidiaModule(D, "Discriminator", config),
    G_ema: nvidiaModule(G_ema, "Generator", config),
  };
}

function snapshotOf(modules: Partial<Record<NetworkPrefix, NvidiaModule | null>>): Map<string, unknown> {
  const augmentPipe = {
    ...{ parameters: new Map(), buffers: new Map([["p", new TorchTensor([], new Float32Array(1))]]) },
    ...{ className: "AugmentPipe", children: new Map(), attributes: { xflip: 1 }, initKwargs: { xflip: 1 } },
  };
  const dataset = dictionary({ class_name: "training.dataset.ImageFolderDataset", max_size: 100 });
  return new Map<string, unknown>([
    ...Object.entries(modules).map(([name, module]) => [name, module && persistent(module)] as const),
    ["augment_pipe", persistent(augmentPipe)],
    ["training_set_kwargs", new Call("dnnlib.util", "EasyDict", dataset)],
  ]);
}

function write(bytes: Buffer): string {
  const file = join(folder, "network.pkl");
  writeFileSync(file, bytes);
  return file;
}

/** The networks of a file, built from its description alone. */
function read(file: string) {
  const snapshot = openSnapshot(file);
  const config = snapshot.info.description.config as StyleGan2Config;
  const load = <T extends Module>(prefix: NetworkPrefix, network: T): T => {
    const tensors = snapshot.read([prefix]);
    loadInto(network, stateOf(tensors, prefix), file);
    disposeAll(tensors);
    return network;
  };
  return {
    config,
    prefixes: [...new Set([...snapshot.shapes.keys()].map((name) => name.slice(0, name.indexOf("."))))],
    generator: (prefix: "G" | "G_ema") => load(prefix, new StyleGan2Generator(config)),
    discriminator: () => load("D", new StyleGan2Discriminator(config)),
    close: () => snapshot.close(),
  };
}

const classesOf = (n: number, cDim: number): Tensor | null => (cDim > 0 ? randn([n, cDim]) : null);

function picturesOf(G: Generator, z: Tensor, c: Tensor | null): Tensor {
  return G.synthesize(G.map(z, c, { truncationPsi: 0.5 }), { noiseMode: "const" });
}

/** The same pictures and logits, to the bit: the same weights in the same computation. */
function expectSame(file: string, networks: Networks, config: StyleGan2Config): void {
  const found = read(file);
  expect(found.config).toEqual(config);
  noGrad(() =>
    scope(() => {
      const z = randn([4, config.zDim]);
      const c = classesOf(4, config.cDim);
      for (const prefix of ["G", "G_ema"] as const) {
        const G = found.generator(prefix);
        const wanted = picturesOf(networks[prefix], z, c);
        expect(wanted.allFinite()).toBe(true);
        expect(picturesOf(G, z, c).toFloat32Array()).toEqual(wanted.toFloat32Array());
        G.dispose();
      }
      const images = randn([4, 3, config.resolution, config.resolution]);
      const D = found.discriminator();
      expect(D.forward(images, c).toFloat32Array()).toEqual(networks.D.forward(images, c).toFloat32Array());
      D.dispose();
    }),
  );
  found.close();
}

describe("a snapshot of NVIDIA's trainers reads back the same, with", () => {
  it.each<[string, Partial<StyleGan2Config>]>([
    ["16 px and two mapping layers", {}],
    ["64 px and eight mapping layers", { resolution: 64, mappingLayers: 8, channelBase: 128 }],
    ["8 px and one mapping layer", { resolution: 8, mappingLayers: 1 }],
    ["classes", { cDim: 3, discriminatorMappingLayers: 2 }],
    ["classes, z shorter than w", { cDim: 5, zDim: 6, wDim: 12 }],
    ["z longer than w", { zDim: 20, mappingLrMultiplier: 0.02 }],
    ["no clamp", { convClamp: null }],
    ["an orig discriminator and classes", { discriminatorArchitecture: "orig", cDim: 2, mbstdGroupSize: 32 }],
    ["two features of the standard deviation", { mbstdNumFeatures: 2, mbstdGroupSize: 2 }],
  ])("%s", (_, changes) => {
    const config = { ...tiny, ...changes };
    const networks = networksOf(config);
    expectSame(write(plainPickle(snapshotOf(modulesOf(networks, config)))), networks, config);
    for (const network of Object.values(networks)) network.dispose();
  });
});

describe("a file's format does not matter:", () => {
  const config = { ...tiny, cDim: 2 };
  const networks = networksOf(config);
  const relaid = (layout: Partial<TorchTensor["layout"]>) => {
    const modules = modulesOf(networks, config);
    for (const network of Object.values(modules)) {
      eachModule(network, ({ parameters }) => {
        for (const tensor of parameters.values()) if (tensor) tensor.layout = { ...tensor.layout, ...layout };
      });
    }
    return snapshotOf(modules);
  };
  it.each<[string, () => Buffer]>([
    ["storages as zips inside of a pickle", () => plainPickle(relaid({}), { storages: "zip" })],
    ["torch.save's zip", () => zipFile(relaid({}))],
    ["torch.save's zip beyond 4 GB (zip64)", () => zipFile(relaid({}), { zip64: true })],
    ["torch.save before 1.6", () => legacyFile(relaid({}))],
    ["weights in channels-last order", () => plainPickle(relaid({ channelsLast: true }))],
    ["tensors that begin inside of their storage", () => plainPickle(relaid({ offset: 3 }))],
    ["float64", () => legacyFile(relaid({ dtype: "Double", channelsLast: true }))],
  ])("%s", (_, bytes) => {
    expectSame(write(bytes()), networks, config);
  });
});

describe("parts of a snapshot:", () => {
  const networks = networksOf(tiny);
  const { G, D, G_ema } = modulesOf(networks, tiny);
  it.each<[string, unknown, string[]]>([
    ["G_ema alone", snapshotOf({ G_ema }), ["G_ema"]],
    ["G and D are None", snapshotOf({ G: null, D: null, G_ema }), ["G_ema"]],
    ["G and D without a moving average", snapshotOf({ G, D }), ["G", "D", "G_ema"]],
    ["a generator by itself", persistent(G_ema), ["G_ema"]],
  ])("%s", (_, root, prefixes) => {
    const found = read(write(plainPickle(root)));
    expect(found.prefixes).toEqual(prefixes);
    const wanted = prefixes.includes("G") ? networks.G : networks.G_ema;
    noGrad(() =>
      scope(() => {
        const z = randn([2, tiny.zDim]);
        const read = found.generator("G_ema");
        expect(picturesOf(read, z, null).toFloat32Array()).toEqual(
          picturesOf(wanted, z, null).toFloat32Array(),
        );
        read.dispose();
      }),
    );
    found.close();
  });
});

it("takes layers that were frozen (Freeze-D), whose weights are buffers", () => {
  const networks = networksOf(tiny);
  const modules = modulesOf(networks, tiny);
  eachModule(modules.D, (module, path) => {
    if (!path.startsWith("b16.")) return;
    for (const [name, tensor] of module.parameters) module.buffers.set(name, tensor);
    module.parameters.clear();
  });
  expectSame(write(plainPickle(snapshotOf(modules))), networks, tiny);
});

it("takes whole numbers that Python has as floats", () => {
  const config = { ...tiny, mappingLrMultiplier: 1 };
  const networks = networksOf(config);
  const modules = modulesOf(networks, config);
  for (const network of Object.values(modules)) {
    eachModule(network, ({ attributes }) => {
      for (const name of ["conv_clamp", "bias_gain"])
        if (typeof attributes[name] === "number") attributes[name] = new Float(attributes[name]);
    });
  }
  expectSame(write(plainPickle(snapshotOf(modules))), networks, config);
});

/** numpy.array([36, 36]) as NumPy pickles it. */
function numpyArray(): Built {
  const type = new Call("numpy", "dtype", "i8", false, true);
  const dtype = new Built(type, new Tuple(3, "<", null, null, null, -1, -1, 0));
  const elements = Buffer.from(new BigInt64Array([36n, 36n]).buffer);
  const name = new Global("numpy", "ndarray");
  const empty = new Call("numpy.core.multiarray", "_reconstruct", name, new Tuple(0), Buffer.from("b"));
  return new Built(empty, new Tuple(1, new Tuple(2), dtype, false, elements));
}

describe("is refused by name:", () => {
  const networks = networksOf(tiny);

  /** A generator, changed by the test. */
  function changedGenerator(change: (module: NvidiaModule, path: string) => void): Buffer {
    const { G_ema } = modulesOf(networks, tiny);
    eachModule(G_ema, change);
    return plainPickle(snapshotOf({ G_ema }));
  }
  function changedDiscriminator(change: (module: NvidiaModule, path: string) => void): Buffer {
    const modules = modulesOf(networks, tiny);
    eachModule(modules.D, change);
    return plainPickle(snapshotOf(modules));
  }
  const setAttribute =
    (path: string | RegExp, name: string, value: unknown) => (module: NvidiaModule, at: string) => {
      if (typeof path === "string" ? at === path : path.test(at)) module.attributes[name] = value;
    };
  const setOption = (path: string, name: string, value: unknown) => (module: NvidiaModule, at: string) => {
    if (at === path) module.initKwargs[name] = value;
  };

  it.each<[string, () => Buffer, RegExp]>([
    [
      "a StyleGAN3 generator",
      () =>
        changedGenerator((module, path) => {
          if (path !== "synthesis") return;
          const attributes = { size: numpyArray(), channels: 8 };
          const input = { ...module, className: "SynthesisInput", children: new Map(), attributes };
          module.children = new Map([["input", input]]);
        }),
      /StyleGAN3/,
    ],
    [
      "a grey generator",
      () => changedGenerator(setAttribute(/^(synthesis(\.b\d+)?)?$/, "img_channels", 1)),
      /img_channels 1\b.* 3 /,
    ],
    [
      "pictures with alpha",
      () => changedGenerator(setAttribute(/^(synthesis(\.b\d+)?)?$/, "img_channels", 4)),
      /img_channels 4/,
    ],
    [
      "a generator without noise",
      () =>
        changedGenerator((module) => {
          if (module.className !== "SynthesisLayer") return;
          module.attributes.use_noise = false;
          module.buffers.delete("noise_const");
          module.parameters.delete("noise_strength");
        }),
      /use_noise false/,
    ],
    [
      "a residual generator",
      () => changedGenerator(setAttribute(/^synthesis\.b\d+$/, "architecture", "resnet")),
      /synthesis\.b4 has the architecture "resnet"; only "skip"/,
    ],
    [
      "a discriminator with skips",
      () => changedDiscriminator(setAttribute(/^b\d+$/, "architecture", "skip")),
      /architecture "skip"; only resnet and orig/,
    ],
    [
      "another activation",
      () => changedGenerator(setAttribute("synthesis.b8.conv0", "activation", "relu")),
      /activation "relu"/,
    ],
    [
      "a discriminator that clamps otherwise",
      () => changedDiscriminator(setAttribute("b8.conv0", "conv_clamp", 128)),
      /D\.b8\.conv0 has the conv_clamp 128; only 256/,
    ],
    [
      "another gain of an activation",
      () => changedGenerator(setAttribute("synthesis.b8.conv1", "act_gain", 1)),
      /G_ema\.synthesis\.b8\.conv1 has the act_gain 1; only 1\.41/,
    ],
    [
      "another gain of a weight",
      () => changedDiscriminator(setAttribute("b8.conv1", "weight_gain", 0.5)),
      /D\.b8\.conv1 has the weight_gain 0\.5/,
    ],
    [
      "another filter",
      () =>
        changedGenerator((module) => {
          if (module.buffers.has("resample_filter"))
            module.buffers.set("resample_filter", new TorchTensor([2, 2], new Float32Array(4).fill(0.25)));
        }),
      /resample_filter is not \[1, 3, 3, 1\]/,
    ],
    [
      "no standard deviation over the batch",
      () =>
        changedDiscriminator((module, path) => {
          if (path === "b4") module.children.delete("mbstd");
        }),
      /D has no b4\.mbstd/,
    ],
    [
      "an unknown option",
      () => changedGenerator(setOption("synthesis.b8.conv0", "style_gate", true)),
      /synthesis\.b8\.conv0 .*option style_gate/,
    ],
    [
      "hidden layers of the mapping that are not as wide as w",
      () =>
        changedGenerator((module, path) => {
          if (path === "mapping.fc0") module.parameters.set("weight", torchTensor(randn([12, tiny.zDim])));
        }),
      /mapping\.fc0\.weight/,
    ],
    ["no generator", () => plainPickle(snapshotOf({ D: modulesOf(networks, tiny).D })), /no G_ema and no G/],
    ["a TensorFlow network", () => plainPickle([new Call("dnnlib.tflib.network", "Network")]), /TensorFlow/],
    ["no networks at all", () => plainPickle(snapshotOf({ G: null, D: null, G_ema: null })), /are None/],
  ])("%s", (_, bytes, pattern) => {
    const file = write(bytes());
    let message = "";
    try {
      const found = read(file);
      found.generator("G_ema");
      if (found.prefixes.includes("D")) found.discriminator();
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      message = (error as UserError).message;
    }
    expect(message).toMatch(pattern);
    expect(message).not.toContain("\n");
  });
});

it("takes a standard deviation over the whole batch", () => {
  const config = { ...tiny, mbstdGroupSize: 8 };
  const networks = networksOf(config);
  const modules = modulesOf(networks, config);
  eachModule(modules.D, ({ className, attributes }) => {
    if (className === "MinibatchStdLayer") attributes.group_size = null;
  });
  const found = read(write(plainPickle(snapshotOf(modules))));
  const D = found.discriminator();
  noGrad(() =>
    scope(() => {
      const images = randn([8, 3, 16, 16]);
      expect(D.forward(images, null).toFloat32Array()).toEqual(
        networks.D.forward(images, null).toFloat32Array(),
      );
    }),
  );
  found.close();
});

it("takes options of the constructors that change nothing", () => {
  const networks = networksOf(tiny);
  const modules = modulesOf(networks, tiny);
  Object.assign(modules.G_ema.initKwargs, { synthesis_kwargs: { num_fp16_res: 4 } });
  expectSame(write(plainPickle(snapshotOf(modules))), networks, tiny);
});
