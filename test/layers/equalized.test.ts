import { describe, expect, it } from "vitest";
import { activate, activationGain } from "../../src/layers/activation.js";
import { EqualizedConv2d, FullyConnected } from "../../src/layers/equalized.js";
import type { Module } from "../../src/torch/module.js";
import { manualSeed, randn } from "../../src/torch/random.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";
import {
  checkGradients,
  doubles,
  expectNear,
  imagesOf,
  inDoublePrecision,
  leaf,
  naiveConv,
  naiveFilter,
  sampleTensor,
} from "../torch/numeric.js";

const leaky = (value: number) => (value < 0 ? 0.2 * value : value);
const clamped = (value: number, limit: number) => Math.min(Math.max(value, -limit), limit);

describe("activate", () => {
  it("leaks a fifth below zero, then clamps", () =>
    scope(() => {
      const x = tensor([-10, -1, 0, 1, 10]);
      expectNear(activate(x, "lrelu").toFloat32Array(), [-2, -0.2, 0, 1, 10], 1e-6);
      expectNear(activate(x, "lrelu", 1.5).toFloat32Array(), [-1.5, -0.2, 0, 1, 1.5], 1e-6);
      expect([...activate(x, "linear", 5).toFloat32Array()]).toEqual([-5, -1, 0, 1, 5]);
    }));
});

describe("FullyConnected", () => {
  it.each([
    { activation: "linear", lrMultiplier: 1 },
    { activation: "lrelu", lrMultiplier: 0.01 },
  ] as const)(
    "follows its formula: $activation, multiplier $lrMultiplier",
    ({ activation, lrMultiplier }) => {
      const layer = inDoublePrecision(new FullyConnected(3, 2, { activation, lrMultiplier }));
      scope(() => {
        const [w, b] = [doubles(layer.weight), doubles(layer.bias)];
        const x = sampleTensor([4, 3], 50);
        const input = doubles(x);
        const wanted = Array.from({ length: 8 }, (_, index) => {
          const [n, o] = [Math.floor(index / 2), index % 2];
          let sum = (b[o] as number) * lrMultiplier;
          for (let i = 0; i < 3; i++)
            sum += ((input[n * 3 + i] as number) * (w[o * 3 + i] as number) * lrMultiplier) / Math.sqrt(3);
          return activation === "lrelu" ? leaky(sum) * Math.SQRT2 : sum;
        });
        expectNear(doubles(layer.forward(x)), wanted, 1e-12);
      });
      layer.dispose();
    },
  );

  it("starts so that outputs have deviation 1, whatever the multiplier, with the bias asked for", () => {
    manualSeed(1);
    for (const lrMultiplier of [1, 0.01]) {
      const layer = new FullyConnected(256, 256, { lrMultiplier, biasInit: 3 / lrMultiplier });
      scope(() => {
        const y = doubles(layer.forward(randn([64, 256])));
        const mean = y.reduce((sum, value) => sum + value, 0) / y.length;
        const variance = y.reduce((sum, value) => sum + (value - mean) ** 2, 0) / y.length;
        expect(mean).toBeCloseTo(3, 1);
        expect(variance).toBeGreaterThan(0.9);
        expect(variance).toBeLessThan(1.1);
      });
      layer.dispose();
    }
  });

  it("gradients of first and second order, weights and biases included", () => {
    const layer = inDoublePrecision(new FullyConnected(3, 4, { activation: "lrelu", lrMultiplier: 0.5 }));
    scope(() => {
      const x = leaf([2, 3], 60);
      checkGradients(() => layer.forward(x).square(), [x, ...layer.parameters()], { order: 2 });
    });
    layer.dispose();
  });
});

describe.each<[string, () => Module]>([
  ["FullyConnected", () => new FullyConnected(2, 2, { lrMultiplier: 0.1, biasInit: 1 })],
  ["EqualizedConv2d", () => new EqualizedConv2d(2, 2, { kernelSize: 3 })],
])("%s", (_, make) => {
  it("made outside of every scope leaves nothing but its parameters and buffers, and frees these", () => {
    const before = liveTensors();
    const layer = make();
    const own = layer.parameters().length + layer.buffers().length;
    const made = liveTensors() - before;
    layer.dispose();
    expect(made).toBe(own);
    expect(liveTensors()).toBe(before);
  });
});

describe("EqualizedConv2d", () => {
  it.each([
    { kernelSize: 3, down: false, clamp: 0.8 },
    { kernelSize: 1, down: false, clamp: undefined },
    { kernelSize: 3, down: true, clamp: undefined },
    { kernelSize: 1, down: true, clamp: 0.5 },
  ])("follows its formula: kernel $kernelSize, down $down, clamp $clamp", ({ kernelSize, down, clamp }) => {
    const before = liveTensors();
    const gain = 0.7;
    const layer = inDoublePrecision(
      new EqualizedConv2d(3, 2, { kernelSize, down, activation: "lrelu", ...(clamp ? { clamp } : {}) }),
    );
    scope(() => {
      const x = sampleTensor([2, 3, 6, 4], 70);
      const filter = imagesOf(layer.resampleFilter.reshape([1, 1, 4, 4]));
      const weight = imagesOf(layer.weight.detach().mul(1 / Math.sqrt(3 * kernelSize ** 2)));
      const padding = (kernelSize - 1) / 2;
      const conv = down
        ? // Filter with its own margin and the convolution's, then the convolution at every second pixel.
          naiveConv(naiveFilter(imagesOf(x), filter, { before: 1 + padding, after: 1 + padding }), weight, {
            stride: 2,
          })
        : naiveConv(imagesOf(x), weight, { padding });
      const bias = doubles(layer.bias ?? tensor([0, 0]));
      const [, , h, w] = conv.shape;
      const wanted = conv.values.map((value, i) => {
        const y = leaky(value + (bias[Math.floor(i / (h * w)) % 2] as number)) * Math.SQRT2 * gain;
        return clamp ? clamped(y, clamp * gain) : y;
      });
      const actual = layer.forward(x, { gain });
      expect(actual.shape).toEqual(down ? [2, 2, 3, 2] : [2, 2, 6, 4]);
      expectNear(doubles(actual), wanted, 1e-7);
      if (clamp) expect(wanted.filter((value) => Math.abs(value) === clamp * gain).length).toBeGreaterThan(0);
    });
    layer.dispose();
    expect(liveTensors()).toBe(before);
  });

  it.each([
    { kernelSize: 3, down: false },
    { kernelSize: 1, down: false },
    { kernelSize: 3, down: true },
    { kernelSize: 1, down: true },
  ])("gradients of first and second order: kernel $kernelSize, down $down", ({ kernelSize, down }) => {
    const layer = inDoublePrecision(new EqualizedConv2d(2, 3, { kernelSize, down, activation: "lrelu" }));
    scope(() => {
      const x = leaf([2, 2, 4, 4], 80);
      checkGradients(() => layer.forward(x, { gain: 0.7 }).square(), [x, ...layer.parameters()], {
        order: 2,
      });
    });
    layer.dispose();
  });

  it("has no bias where none is wanted", () => {
    const layer = new EqualizedConv2d(2, 3, { kernelSize: 1, bias: false });
    expect(layer.namedParameters().map(([name]) => name)).toEqual(["weight"]);
    scope(() => {
      const zero = tensor([0, 0], [1, 2, 1, 1]);
      expect([...layer.forward(zero).toFloat32Array()]).toEqual([0, 0, 0]);
    });
    layer.dispose();
  });

  it("keeps the magnitude of its input through many layers", () => {
    manualSeed(2);
    const layer = new EqualizedConv2d(64, 64, { kernelSize: 3, activation: "lrelu" });
    scope(() => {
      const y = doubles(layer.forward(randn([4, 64, 16, 16])));
      const meanSquare = y.reduce((sum, value) => sum + value * value, 0) / y.length;
      // Zero padding takes a little; the slope of 0.2 adds 4%.
      expect(meanSquare).toBeGreaterThan(0.85);
      expect(meanSquare).toBeLessThan(1.15);
      expect(activationGain).toEqual({ linear: 1, lrelu: Math.SQRT2 });
    });
    layer.dispose();
  });
});
