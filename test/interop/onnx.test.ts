// Exported models in onnxruntime against libtorch. Creating a session checks every node against ONNX's rules; strict
// shape inference also holds the shapes that the file states against those that the rules give.

import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { exportOnnx, type OnnxModels } from "../../src/interop/onnx/export.js";
import { Graph } from "../../src/interop/onnx/graph.js";
import type { Precision } from "../../src/interop/onnx/precision.js";
import { decodeModel } from "../../src/interop/onnx/schema.js";
import { Trace } from "../../src/interop/onnx/trace.js";
import type { Generator, NoiseMode, TruncationOptions } from "../../src/networks/network.js";
import { type Growth, setGrowth } from "../../src/networks/progressive.js";
import { createGenerator, type NetworkDescription } from "../../src/networks/registry.js";
import { StyleGan2Generator } from "../../src/networks/stylegan2.js";
import { classRows, latentsOfSeeds } from "../../src/synthesis/latents.js";
import { noGrad } from "../../src/torch/autograd.js";
import { cat, ones, softplus } from "../../src/torch/ops.js";
import { manualSeed, randn } from "../../src/torch/random.js";
import { readSafetensors } from "../../src/torch/safetensors.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { fixturePath, nvidiaFixtureConfig } from "../helpers.js";

const grown = {
  resolution: 16,
  zDim: 12,
  cDim: 0 as const,
  channelBase: 256,
  channelMax: 24,
  mbstdGroupSize: 4,
  mbstdNumFeatures: 1,
  fromRgbActivation: "lrelu" as const,
};
const mapping = { mappingLayers: 3, mappingLrMultiplier: 0.01, wAvgBeta: 0.995 };

const networks: Record<string, NetworkDescription> = {
  stylegan2: {
    architecture: "stylegan2",
    config: { ...nvidiaFixtureConfig, resolution: 16, channelMax: 24, zDim: 12, wDim: 20 },
  },
  "stylegan2 with classes": {
    architecture: "stylegan2",
    config: { ...nvidiaFixtureConfig, resolution: 16, channelMax: 24, zDim: 12, wDim: 20, cDim: 3 },
  },
  "stylegan2-minimal": {
    architecture: "stylegan2-minimal",
    config: {
      ...{ resolution: 16, latentDim: 20, cDim: 0, generatorFeatures: 6, discriminatorFeatures: 6 },
      ...{ maxFeatures: 24, groupSize: 4, zNorm: "length" },
      ...mapping,
    },
  },
  "stylegan2-minimal with z of mean square 1": {
    architecture: "stylegan2-minimal",
    config: {
      ...{ resolution: 16, latentDim: 20, cDim: 0, generatorFeatures: 6, discriminatorFeatures: 6 },
      ...{ maxFeatures: 24, groupSize: 4, zNorm: "rms" },
      ...mapping,
    },
  },
  stylegan1: { architecture: "stylegan1", config: { ...grown, ...mapping, wDim: 20 } },
  progan: { architecture: "progan", config: grown },
};

/** A network whose every parameter has an effect, also those that begin at zero. */
function network(description: NetworkDescription, growth?: Growth): Generator {
  manualSeed(1);
  const G = createGenerator(description);
  noGrad(() =>
    scope(() => {
      for (const [name, tensor] of G.stateDict())
        if (/bias$|noise|w_avg$|const$/.test(name)) tensor.detach().add_(randn(tensor.shape).mul(0.5));
    }),
  );
  if (growth) setGrowth(G, growth);
  return G;
}

function exported(
  G: Generator,
  description: NetworkDescription,
  precision: Precision = "float32",
): OnnxModels {
  return exportOnnx(G, { description, classNames: [], precision, version: "0" });
}

const strict = {
  extra: { session: { strict_shape_type_inference: "1" } },
  logSeverityLevel: 3,
} satisfies InferenceSession.SessionOptions;

class Runner {
  private constructor(
    private readonly models: OnnxModels,
    private readonly mapping: InferenceSession,
    private readonly synthesis: InferenceSession,
  ) {}

  static async of(models: OnnxModels): Promise<Runner> {
    const [first, second] = await Promise.all(
      [models.mapping, models.synthesis].map((bytes) => InferenceSession.create(bytes, strict)),
    );
    return new Runner(models, first!, second!);
  }

  async map(z: Tensor, c: Tensor | null, { truncationPsi = 1, truncationCutoff }: TruncationOptions = {}) {
    const { numWs, truncation } = this.models.description;
    const psi = Float32Array.from({ length: numWs }, (_, i) =>
      i < (truncationCutoff ?? numWs) ? truncationPsi : 1,
    );
    const { ws } = await this.mapping.run({
      z: ortTensor(z),
      ...(c ? { c: ortTensor(c) } : {}),
      ...(truncation ? { truncation_psi: new OrtTensor("float32", psi, [numWs]) } : {}),
    });
    return ws!;
  }

  async synthesize(ws: OrtTensor, noise: number): Promise<OrtTensor> {
    const inputs = { ws, noise: new OrtTensor("float32", [noise], []) };
    const { image } = await this.synthesis.run(this.models.description.noise ? inputs : { ws });
    return image!;
  }
}

const ortTensor = (tensor: Tensor) => new OrtTensor("float32", tensor.toFloat32Array(), tensor.shape);

/** The largest difference of two results of one shape. */
function difference(actual: OrtTensor, expected: Tensor): number {
  expect(actual.dims).toEqual(expected.shape);
  expect(actual.type).toBe("float32");
  const wanted = expected.toFloat32Array();
  return (actual.data as Float32Array).reduce(
    (largest, value, i) => Math.max(largest, Math.abs(value - (wanted[i] as number))),
    0,
  );
}

/** The same pictures by both, at every setting; returns the largest difference. */
async function largestDifference(G: Generator, models: OnnxModels): Promise<number> {
  const run = await Runner.of(models);
  const z = latentsOfSeeds([0, 1, 2], G.zDim);
  const c = classRows([0, 2, 1], G.cDim);
  let largest = 0;
  const truncations = models.description.truncation
    ? [{}, { truncationPsi: 0.5 }, { truncationPsi: -0.3, truncationCutoff: 2 }]
    : [{}];
  for (const truncation of truncations)
    for (const noiseMode of ["const", "none"] as NoiseMode[]) {
      const ws = await run.map(z, c, truncation);
      const image = await run.synthesize(ws, noiseMode === "const" ? 1 : 0);
      noGrad(() =>
        scope(() => {
          const expectedWs = G.map(z, c, truncation);
          expect(difference(ws, expectedWs)).toBeLessThan(1e-3);
          largest = Math.max(largest, difference(image, G.synthesize(expectedWs, { noiseMode })));
        }),
      );
    }
  return largest;
}

describe("a float32 model makes the pictures of libtorch", () => {
  const cases: [string, string, Growth?][] = [
    ...Object.keys(networks).map((name): [string, string] => [name, name]),
    ["stylegan1, half faded in", "stylegan1", { level: 3, alpha: 0.4 }],
    ["stylegan1 at 4x4", "stylegan1", { level: 2, alpha: 1 }],
    ["progan, half faded in", "progan", { level: 3, alpha: 0.4 }],
  ];
  it.each(cases)("%s", async (_, name, growth) => {
    const description = networks[name]!;
    const G = network(description, growth);
    const largest = await largestDifference(G, exported(G, description));
    expect(largest).toBeLessThan(1e-3);
  });

  it.each(["stylegan2 with classes", "stylegan2-minimal", "stylegan1", "progan"])(
    "%s at 256 px",
    async (name) => {
      const description = structuredClone(networks[name]!);
      Object.assign(description.config, { resolution: 256, channelBase: 4096, channelMax: 128 });
      const G = network(description);
      const largest = await largestDifference(G, exported(G, description));
      expect(largest).toBeLessThan(1e-3);
    },
  );

  it("NVIDIA's fixture, against the reference implementation's own pictures", async () => {
    const G = scope(() => new StyleGan2Generator(nvidiaFixtureConfig));
    const { tensors } = readSafetensors(fixturePath("nvidia-stylegan2.weights.safetensors"));
    G.loadStateDict(
      new Map([...tensors].filter(([name]) => name.startsWith("G.")).map(([name, t]) => [name.slice(2), t])),
    );
    const description = { architecture: "stylegan2" as const, config: nvidiaFixtureConfig };
    const largest = await largestDifference(G, exported(G, description));
    expect(largest).toBeLessThan(1e-3);
  });
});

describe("a float16 model makes them to within what half precision holds", () => {
  it.each(Object.keys(networks))("%s", async (name) => {
    const description = networks[name]!;
    const G = network(description);
    const models = exported(G, description, "float16");
    expect(await largestDifference(G, models)).toBeLessThan(0.03);
    expect(models.synthesis.length).toBeLessThan(0.9 * exported(G, description).synthesis.length);
  });

  it("also with styles and weights whose squares half precision does not hold", async () => {
    const description = networks.stylegan2!;
    const G = network(description);
    noGrad(() => {
      for (const [name, tensor] of G.stateDict())
        if (/conv\d\.(affine\.(weight|bias)|weight)$/.test(name)) tensor.detach().mul_(400);
    });
    expect(await largestDifference(G, exported(G, description, "float16"))).toBeLessThan(0.03);
  });
});

describe("a model", () => {
  it.each(Object.keys(networks))("of %s has constant weights in every convolution", (name) => {
    const description = networks[name]!;
    const { synthesis } = exported(network(description), description);
    const { node, initializer } = decodeModel(synthesis).graph;
    const constants = new Set(initializer.map((constant) => constant.name));
    const convolutions = node.filter(({ opType }) => /^Conv/.test(opType));
    expect(convolutions.length).toBeGreaterThan(5);
    for (const { input } of convolutions) expect(constants).toContain(input[1]);
  });

  it("takes any batch, and the w of each layer from another latent", async () => {
    const description = networks.stylegan2!;
    const G = network(description);
    const run = await Runner.of(exported(G, description));
    const z = latentsOfSeeds([5, 6], G.zDim);
    const [a, b] = noGrad(() =>
      G.map(z, null)
        .unbind(0)
        .map((ws) => ws.unsqueeze(0)),
    ) as [Tensor, Tensor];
    const mixed = noGrad(() => cat([a.narrow(1, 0, 3), b.narrow(1, 3, G.numWs - 3)], 1));
    const image = await run.synthesize(ortTensor(mixed), 1);
    expect(
      difference(
        image,
        noGrad(() => G.synthesize(mixed, { noiseMode: "const" })),
      ),
    ).toBeLessThan(1e-3);
    const ofA = noGrad(() => G.synthesize(a, { noiseMode: "const" }));
    expect(difference(image, ofA)).toBeGreaterThan(0.05);
  });

  it.each(["float32", "float16"] as const)("leaves no tensor behind, in %s", (precision) => {
    const description = networks.stylegan2!;
    const G = network(description);
    const before = liveTensors();
    exported(G, description, precision);
    expect(liveTensors()).toBe(before);
  });

  it("says what it is", () => {
    const description = networks["stylegan2 with classes"]!;
    const G = network(description);
    const {
      mapping,
      synthesis,
      description: about,
    } = exportOnnx(G, {
      ...{ description, classNames: ["a", "b", "c"], precision: "float32", version: "1.2.3" },
    });
    expect(about).toEqual({
      ...{
        architecture: "stylegan2",
        title: "StyleGAN2",
        zDim: 12,
        wDim: 20,
        cDim: 3,
        classNames: ["a", "b", "c"],
      },
      ...{ numWs: 6, numWsInUse: 6, resolution: 16, truncation: true, noise: true, precision: "float32" },
    });
    for (const model of [mapping, synthesis].map(decodeModel)) {
      expect(model.producerVersion).toBe("1.2.3");
      expect(JSON.parse(model.metadataProps[0]!.value)).toEqual(about);
    }
    const names = (bytes: Uint8Array) => {
      const { input, output } = decodeModel(bytes).graph;
      return [...input, ...output].map(({ name }) => name);
    };
    expect(names(mapping)).toEqual(["z", "c", "truncation_psi", "ws"]);
    expect(names(synthesis)).toEqual(["ws", "noise", "image"]);
  });
});

it("an operator that has no translation is named", () => {
  const g = new Graph("unknown", "float32");
  const G = network(networks.progan!);
  const trace = new Trace(g, G);
  const x = ones([1, 4]);
  trace.bind(x, g.input("x", ["batch", 4], "numbers"));
  expect(() => trace.run(() => scope(() => softplus(x)))).toThrow(
    "onnx: there is no translation of aten::softplus",
  );
});
