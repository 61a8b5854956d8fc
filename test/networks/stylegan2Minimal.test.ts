import { describe, expect, it } from "vitest";
import {
  MinimalDiscriminator,
  MinimalGenerator,
  type StyleGan2MinimalConfig,
  stylegan2MinimalConfigSchema,
  zNorms,
} from "../../src/networks/stylegan2Minimal.js";
import { noGrad } from "../../src/torch/autograd.js";
import type { Module } from "../../src/torch/module.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { expectClose } from "../helpers.js";
import {
  checkGradients,
  doubles,
  expectNear,
  inDoublePrecision,
  leaf,
  sampleTensor,
} from "../torch/numeric.js";
import { fixtureConfig, sourceState } from "./stylegan2Minimal.helpers.js";

const tiny: StyleGan2MinimalConfig = {
  ...fixtureConfig,
  resolution: 8,
  latentDim: 4,
  generatorFeatures: 2,
  discriminatorFeatures: 2,
  maxFeatures: 3,
  mappingLayers: 2,
  groupSize: 2,
};

const floats = (shape: readonly number[], seed: number) => sampleTensor(shape, seed).to("float32");

/** Runs `test` with a fresh module and frees it. */
function withModule<M extends Module>(create: () => M, test: (module: M) => void): void {
  const module = scope(create);
  try {
    scope(() => test(module));
  } finally {
    module.dispose();
  }
}

const generator = (test: (G: MinimalGenerator) => void, config: Partial<StyleGan2MinimalConfig> = {}) =>
  withModule(() => new MinimalGenerator({ ...tiny, ...config }), test);
const discriminator = (test: (D: MinimalDiscriminator) => void) =>
  withModule(() => new MinimalDiscriminator(tiny), test);

const entry = (module: Module, name: string) => module.stateDict().get(name) as Tensor;

describe("configuration", () => {
  it("accepts a sound one", () => {
    expect(stylegan2MinimalConfigSchema.parse(fixtureConfig)).toEqual(fixtureConfig);
  });

  it("takes z of length 1 where nothing is said of it, as in snapshots from before the choice", () => {
    const { zNorm, ...older } = fixtureConfig;
    expect(stylegan2MinimalConfigSchema.parse(older)).toEqual({ ...older, zNorm: "length" });
  });

  it.each([
    ["resolution", 24],
    ["resolution", 4],
    ["resolution", 8192],
    ["latentDim", 1e9],
    ["cDim", 3],
    ["generatorFeatures", 0],
    ["maxFeatures", 1e9],
    ["mappingLayers", 1e6],
    ["groupSize", 0],
    ["mappingLrMultiplier", 0],
  ])("refuses %s %d", (key, value) => {
    const { success, error } = stylegan2MinimalConfigSchema.safeParse({ ...fixtureConfig, [key]: value });
    expect(success).toBe(false);
    expect(error?.issues[0]?.path).toEqual([key]);
  });

  it("doubles the channels from the full resolution down, up to the maximum", () =>
    generator(
      (G) => {
        const widths = ["blocks.2", "blocks.1", "blocks.0"].map((block) =>
          entry(G, `generator.${block}.style_block2.bias`).size(0),
        );
        expect([...widths, entry(G, "generator.style_block.bias").size(0)]).toEqual([2, 4, 8, 10]);
      },
      { resolution: 32, maxFeatures: 10 },
    ));
});

describe("initial values", () => {
  it("style biases and the discriminator's convolution biases are 1, the others 0", () => {
    generator((G) => {
      for (const [name, parameter] of G.namedParameters().filter(([name]) => name.endsWith("bias"))) {
        const wanted = name.includes("to_style") ? 1 : 0;
        expect(new Set(parameter.toFloat32Array()), name).toEqual(new Set([wanted]));
      }
    });
    discriminator((D) => {
      for (const [name, parameter] of D.namedParameters().filter(([name]) => name.endsWith("bias"))) {
        const wanted = name === "final.bias" ? 0 : 1;
        expect(new Set(parameter.toFloat32Array()), name).toEqual(new Set([wanted]));
      }
    });
  });
});

describe("state dictionary", () => {
  it("takes the source's, which has no mean of w and no stored noise, and leaves those as they are", () =>
    generator((G) => {
      const before = doubles(entry(G, "generator.style_block.noise_const"));
      const state = sourceState("G");
      G.loadStateDict(state);
      const name = "generator.blocks.0.style_block1.conv.weight.weight";
      expectClose(entry(G, name), state.get(name) as Tensor, 1e-9);
      expect(doubles(entry(G, "generator.style_block.noise_const"))).toEqual(before);
    }, fixtureConfig));

  it("takes its own, and refuses one that lacks a part of it", () =>
    generator((G) =>
      generator((other) => {
        other.loadStateDict(G.stateDict());
        const z = floats([2, 4], 1);
        const image = (network: MinimalGenerator) =>
          noGrad(() => network.synthesize(network.map(z, null), { noiseMode: "const" }));
        expectClose(image(other), image(G), 1e-7);
        const damaged = G.stateDict();
        damaged.delete("mapping.w_avg");
        expect(() => other.loadStateDict(damaged)).toThrow("entry mapping.w_avg is missing");
      }),
    ));

  it("names the discriminator's entries as the source does", () => {
    const D = scope(() => new MinimalDiscriminator(fixtureConfig));
    expect([...D.stateDict().keys()].sort()).toEqual([...sourceState("D").keys()].sort());
    D.dispose();
  });
});

describe("the generator", () => {
  it.each(zNorms)("normalizes z to %s: its own length does not matter", (zNorm) =>
    generator(
      (G) => {
        const z = floats([3, 4], 1);
        expectClose(G.map(z.mul(7), null), G.map(z, null), 1e-5);
      },
      { zNorm },
    ),
  );

  it("maps z of mean square 1 to √latentDim times the w of z of length 1: its layers begin without a bias", () =>
    generator((G) =>
      generator(
        (other) => {
          other.loadStateDict(G.stateDict());
          const z = floats([3, 4], 1);
          expectClose(other.map(z, null), G.map(z, null).mul(Math.sqrt(4)), 1e-5);
        },
        { zNorm: "rms" },
      ),
    ));

  it("moves the mean of w and truncates towards it", () =>
    generator((G) => {
      const z = floats([3, 4], 1);
      const ws = G.map(z, null);
      const w = ws.select(1, 0);
      G.updateWAvg(w);
      G.updateWAvg(w);
      const mean = doubles(w.mean([0]));
      const wAvg = mean.map((value) => value * (1 - 0.995 ** 2));
      expectNear(doubles(entry(G, "mapping.w_avg")), wAvg, 1e-4);
      const half = G.map(z, null, { truncationPsi: 0.5, truncationCutoff: 1 });
      expectClose(half.select(1, 0), w.add(entry(G, "mapping.w_avg")).mul(0.5), 1e-5);
      expectClose(half.select(1, 1), w, 1e-6);
    }));

  it("a multiplier of the mapping's learning rate changes what is stored, not what is computed", () =>
    generator((G) =>
      generator(
        (slow) => {
          const state = G.stateDict();
          for (const [name, value] of state)
            if (name.startsWith("mapping.net")) state.set(name, value.detach().add(0.3).mul(100));
          slow.loadStateDict(state);
          for (const [name, value] of state)
            if (name.startsWith("mapping.net")) state.set(name, value.mul(0.01));
          G.loadStateDict(state);
          const z = floats([3, 4], 1);
          expectClose(slow.map(z, null), G.map(z, null), 1e-5);
        },
        { mappingLrMultiplier: 0.01 },
      ),
    ));

  it("constant noise repeats, random noise does not, and neither is like none", () =>
    generator((G) =>
      noGrad(() => {
        for (const [name, parameter] of G.namedParameters())
          if (name.endsWith("scale_noise")) parameter.detach().fill_(0.5);
        const ws = G.map(floats([2, 4], 1), null);
        const image = (noiseMode: "const" | "random" | "none") =>
          G.synthesize(ws, { noiseMode }).toFloat32Array();
        expect(image("const")).toEqual(image("const"));
        expect(image("none")).toEqual(image("none"));
        expect(image("const")).not.toEqual(image("none"));
        expect(image("random")).not.toEqual(image("random"));
        expect(G.synthesize(ws, { noiseMode: "random" }).shape).toEqual([2, 3, 8, 8]);
      }),
    ));

  it("each block follows its own w", () =>
    generator((G) =>
      noGrad(() => {
        const ws = G.map(floats([2, 4], 1), null);
        const base = G.synthesize(ws, { noiseMode: "none" }).toFloat32Array();
        for (let block = 0; block < G.numWs; block++) {
          const moved = Float32Array.from(ws.toFloat32Array(), (value, i) =>
            Math.floor(i / 4) % G.numWs === block ? value + 1 : value,
          );
          const image = G.synthesize(tensor(moved, ws.shape), { noiseMode: "none" });
          expect(image.toFloat32Array()).not.toEqual(base);
        }
      }),
    ));

  it("gradients of first and second order, with respect to ws and parameters", () =>
    generator((G) => {
      inDoublePrecision(G);
      const ws = leaf([2, 2, 4], 50);
      const noise = [4, 8, 8].map((size, i) => sampleTensor([2, 1, size, size], 60 + i));
      const inputs = G.namedParameters().filter(([name]) => name.startsWith("generator."));
      checkGradients(() => G.render(ws, noise), [ws, ...inputs.map(([, parameter]) => parameter)], {
        order: 2,
        elements: 4,
        tolerance: 1e-5,
      });
    }));

  it("gradients of first order through the mapping", () =>
    generator((G) => {
      inDoublePrecision(G);
      const z = leaf([2, 4], 50);
      const inputs = G.namedParameters().filter(([name]) => name.startsWith("mapping."));
      checkGradients(() => G.map(z, null), [z, ...inputs.map(([, parameter]) => parameter)], {
        order: 1,
        elements: 6,
      });
    }));

  it("says which shape is wrong", () =>
    generator((G) => {
      const ws = floats([2, 2, 4], 1);
      const maps = [4, 8, 8].map((size) => floats([1, 1, size, size], size));
      expect(() => G.map(floats([2, 5], 1), null)).toThrow("z has shape [2, 5], expected [N, 4]");
      expect(() => G.map(floats([2, 4], 1), floats([2, 3], 1))).toThrow(
        "c has shape [2, 3], expected [2, 0]",
      );
      expect(() => G.synthesize(floats([2, 3, 4], 1), { noiseMode: "none" })).toThrow(
        "ws has shape [2, 3, 4], expected [N, 2, 4]",
      );
      expect(() => G.render(floats([4], 1), maps)).toThrow("ws has shape [4], expected [N, 2, 4]");
      expect(() => G.render(ws, maps.slice(1))).toThrow("noise has 2 maps, expected 3");
      expect(() => G.render(ws, [...maps].reverse())).toThrow(
        "noise 0 has shape [1, 1, 8, 8], expected [1, 1, 4, 4]",
      );
    }));
});

describe("the discriminator", () => {
  it("gradients of first and second order, with respect to images and parameters", () =>
    discriminator((D) => {
      inDoublePrecision(D);
      const images = leaf([4, 3, 8, 8], 50);
      checkGradients(() => D.judge(images), [images, ...D.parameters()], {
        order: 2,
        elements: 4,
        tolerance: 1e-5,
      });
    }));

  it("says which shape is wrong", () =>
    discriminator((D) => {
      expect(() => D.forward(floats([2, 3, 16, 16], 1), null)).toThrow(
        "images has shape [2, 3, 16, 16], expected [N, 3, 8, 8]",
      );
      expect(() => D.judge(floats([3, 8, 8], 1))).toThrow(
        "images has shape [3, 8, 8], expected [N, 3, 8, 8]",
      );
      expect(() => D.forward(floats([3, 3, 8, 8], 1), null)).toThrow(
        "batch 3 is not a multiple of the group 2",
      );
    }));
});

it("leaves no tensor behind", () => {
  const before = liveTensors();
  generator((G) =>
    discriminator((D) => {
      const ws = G.map(floats([2, 4], 1), null, { truncationPsi: 0.7 });
      G.updateWAvg(ws.select(1, 0));
      D.forward(G.synthesize(ws, { noiseMode: "random" }), null);
    }),
  );
  expect(liveTensors()).toBe(before);
});
