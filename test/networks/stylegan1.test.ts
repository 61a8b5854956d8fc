// What StyleGAN has beyond growing: noise, styles by layer, and the mean of w.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StyleGan1Generator, stylegan1ConfigSchema } from "../../src/networks/stylegan1.js";
import { zeros } from "../../src/torch/ops.js";
import { manualSeed } from "../../src/torch/random.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";
import {
  checkGradients,
  doubles,
  expectNear,
  inDoublePrecision,
  leaf,
  sampleTensor,
} from "../torch/numeric.js";

const config = stylegan1ConfigSchema.parse({
  resolution: 16,
  zDim: 3,
  cDim: 0,
  wDim: 4,
  channelBase: 32,
  channelMax: 4,
  mappingLayers: 2,
  mappingLrMultiplier: 0.01,
  wAvgBeta: 0.9,
  mbstdGroupSize: 2,
  mbstdNumFeatures: 1,
  fromRgbActivation: "lrelu",
});

let G: StyleGan1Generator;

beforeAll(() => {
  G = inDoublePrecision(scope(() => new StyleGan1Generator(config)));
});

afterAll(() => G.dispose());

const draw = (options: Parameters<StyleGan1Generator["synthesize"]>[1]) =>
  doubles(G.synthesize(sampleTensor([2, 6, 4], 1), options));

describe("noise", () => {
  const sizes = [4, 4, 8, 8, 16, 16];
  const maps = (n: number) => sizes.map((size, i) => sampleTensor([n, 1, size, size], i));

  it("is the same at each call (const), new (random), or absent (none)", () =>
    scope(() => {
      G.setGrowth({ level: 4, alpha: 1 });
      manualSeed(1);
      const random = draw({ noiseMode: "random" });
      expect(draw({ noiseMode: "random" })).not.toEqual(random);
      manualSeed(1);
      expect(draw({ noiseMode: "random" })).toEqual(random);
      const constant = draw({ noiseMode: "const" });
      expect(draw({ noiseMode: "const" })).toEqual(constant);
      const none = draw({ noiseMode: "none" });
      const silent = sizes.map((size) => zeros([1, 1, size, size], { dtype: "float64" }));
      expect(draw({ noiseMode: "none", noise: silent })).toEqual(none);
      expect(constant).not.toEqual(none);
      expect(random).not.toEqual(constant);
    }));

  it("the stored maps, given as maps, are const", () =>
    scope(() => {
      G.setGrowth({ level: 4, alpha: 0.5 });
      const stored = G.namedBuffers()
        .filter(([name]) => name.endsWith("noise.const"))
        .map(([, map]) => map.reshape([1, 1, ...map.shape]));
      expect(stored.map((map) => map.size(2))).toEqual(sizes);
      expect(draw({ noiseMode: "random", noise: stored })).toEqual(draw({ noiseMode: "const" }));
    }));

  it("has one map for each layer in use, of its size", () =>
    scope(() => {
      G.setGrowth({ level: 3, alpha: 1 });
      expect(() => draw({ noiseMode: "none", noise: maps(2) })).toThrow(
        "noise has 6 maps, expected 4 at level 3",
      );
      const wrong = [...maps(2).slice(0, 3), sampleTensor([2, 1, 4, 4], 1)];
      expect(() => draw({ noiseMode: "none", noise: wrong })).toThrow(
        "noise 3 has shape [2, 1, 4, 4], expected [2, 1, 8, 8]",
      );
      expect(() => draw({ noiseMode: "none", noise: maps(3).slice(0, 4) })).toThrow(
        "noise 0 has shape [3, 1, 4, 4], expected [2, 1, 4, 4]",
      );
    }));

  it("gradients with respect to noise and its strengths", () =>
    scope(() => {
      G.setGrowth({ level: 3, alpha: 0.4 });
      const noise = sizes.slice(0, 4).map((size, i) => leaf([2, 1, size, size], i));
      const strengths = G.namedParameters()
        .filter(([name]) => name.endsWith("noise.weight") && !name.includes("blocks.1"))
        .map(([, parameter]) => parameter);
      const ws = sampleTensor([2, 6, 4], 1);
      const images = () => G.synthesize(ws, { noiseMode: "none", noise });
      checkGradients(images, [...noise, ...strengths], { order: 1, elements: 4, tolerance: 1e-5 });
    }));
});

describe("styles", () => {
  it.each([
    [2, 2],
    [3, 4],
    [4, 6],
  ])("level %i takes the first %i ws", (level, inUse) =>
    scope(() => {
      G.setGrowth({ level, alpha: 1 });
      expect([G.numWs, G.numWsInUse]).toEqual([6, inUse]);
      const ws = sampleTensor([1, 6, 4], 1);
      const images = (offsets: number[]) =>
        doubles(G.synthesize(ws.add(tensor(Float64Array.from(offsets), [1, 6, 1])), { noiseMode: "const" }));
      const before = images([0, 0, 0, 0, 0, 0]);
      for (let layer = 0; layer < 6; layer++) {
        const after = images(Array.from({ length: 6 }, (_, i) => (i === layer ? 1 : 0)));
        if (layer < inUse) expect(after).not.toEqual(before);
        else expect(after).toEqual(before);
      }
    }),
  );
});

describe("the mean of w", () => {
  it("moves by 1 - beta towards the batch's, and truncation moves the first layers to it", () => {
    const before = liveTensors();
    scope(() => {
      const w = sampleTensor([3, 4], 2);
      const mean = doubles(w.mean([0]));
      const wAvg = G.stateDict().get("mapping.w_avg");
      G.updateWAvg(w);
      const first = mean.map((value) => 0.1 * value);
      expectNear(doubles(wAvg as NonNullable<typeof wAvg>), first, 1e-12);
      G.updateWAvg(w);
      const second = first.map((value, i) => 0.9 * value + 0.1 * (mean[i] as number));
      expectNear(doubles(wAvg as NonNullable<typeof wAvg>), second, 1e-12);

      const z = sampleTensor([2, 3], 3);
      const plain = doubles(G.map(z, null));
      const truncated = doubles(G.map(z, null, { truncationPsi: 0.7, truncationCutoff: 4 }));
      const wanted = plain.map((value, i) => {
        const average = second[i % 4] as number;
        return Math.floor(i / 4) % 6 < 4 ? average + 0.7 * (value - average) : value;
      });
      expectNear(truncated, wanted, 1e-12);
    });
    expect(liveTensors()).toBe(before);
  });
});
