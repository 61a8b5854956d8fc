// Reference arithmetic in plain JavaScript, and gradients by central finite differences.

import { expect } from "vitest";
import { backward, grad } from "../../src/torch/autograd.js";
import type { Module } from "../../src/torch/module.js";
import { zeros } from "../../src/torch/ops.js";
import { scope } from "../../src/torch/scope.js";
import { type Shape, type Tensor, tensor } from "../../src/torch/tensor.js";

/** A small generator of reproducible numbers (mulberry32), so that no test depends on libtorch's own. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Uniform samples of [-1, 1). */
export function sample(shape: Shape, seed: number): Float64Array {
  const next = numbers(seed);
  const count = shape.reduce((product, size) => product * size, 1);
  return Float64Array.from({ length: count }, () => 2 * next() - 1);
}

/** A float64 tensor of uniform samples of [-1, 1). */
export function sampleTensor(shape: Shape, seed: number): Tensor {
  return tensor(sample(shape, seed), shape);
}

/** A float64 leaf that takes part in gradients. */
export function leaf(shape: Shape, seed: number): Tensor {
  return sampleTensor(shape, seed).setRequiresGrad(true);
}

export function doubles(x: Tensor): Float64Array {
  return scope(() => x.detach().to("float64").toArray()) as Float64Array;
}

/** Every parameter and buffer as float64, the parameters with values of their own (zeros hide mistakes). */
export function inDoublePrecision<M extends Module>(module: M, seed = 1): M {
  scope(() => {
    for (const buffer of module.buffers()) buffer.setData(buffer.detach().to("float64"));
    for (const [i, parameter] of module.parameters().entries())
      parameter.setData(sampleTensor(parameter.shape, seed + i));
  });
  return module;
}

export function expectNear(actual: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(wanted.length);
  let worst = 0;
  let scale = 0;
  for (let i = 0; i < wanted.length; i++) {
    const difference = Math.abs((actual[i] as number) - (wanted[i] as number));
    worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
    scale = Math.max(scale, Math.abs(wanted[i] as number));
  }
  expect(scale, "the expected values are not all zero").toBeGreaterThan(0);
  expect(worst / scale).toBeLessThan(tolerance);
}

export interface GradientCheck {
  /** 2: also the gradients of a random projection of the gradients. */
  order: 1 | 2;
  /** Elements of each input to perturb; default 12. */
  elements?: number;
  step?: number;
  tolerance?: number;
}

/**
 * Holds the gradients of a random projection of `f()` against central finite differences.
 * @param inputs float64 leaves that `f` reads
 */
export function checkGradients(f: () => Tensor, inputs: readonly Tensor[], check: GradientCheck): void {
  const { elements = 12, step = 1e-5, tolerance = 1e-6 } = check;
  const first = () => scope(() => projected(f(), 1000));
  compareWithDifferences("first order", first, inputs, { elements, step, tolerance });
  if (check.order === 1) return;
  const second = () =>
    scope(() => {
      const gradients = grad([first()], inputs, { createGraph: true });
      return gradients
        .map((gradient, i) => projected(gradient, 2000 + i))
        .reduce((sum, part) => sum.add(part));
    });
  compareWithDifferences("second order", second, inputs, { elements, step, tolerance: tolerance * 10 });
}

function projected(y: Tensor, seed: number): Tensor {
  return scope(() => y.mul(sampleTensor(y.shape, seed)).sum());
}

function compareWithDifferences(
  label: string,
  value: () => Tensor,
  inputs: readonly Tensor[],
  { elements, step, tolerance }: { elements: number; step: number; tolerance: number },
): void {
  scope(() => {
    const slots = inputs.map((input) => zeros(input.shape, { dtype: "float64" }));
    for (const [i, input] of inputs.entries()) input.setGrad(slots[i] as Tensor);
    backward(value(), inputs);
    const next = numbers(7);
    for (const [i, input] of inputs.entries()) {
      const analytic = doubles(slots[i] as Tensor);
      const before = doubles(input);
      const scale = Math.max(...analytic.map(Math.abs), 1e-3);
      const picked = new Set(
        input.numel <= elements
          ? before.keys()
          : Array.from({ length: elements }, () => Math.floor(next() * input.numel)),
      );
      const at = (index: number, offset: number) =>
        scope(() => {
          const moved = Float64Array.from(before);
          moved[index] = (before[index] as number) + offset;
          input.detach().copy_(tensor(moved, input.shape));
          return value().item();
        });
      for (const index of picked) {
        const numeric = (at(index, step) - at(index, -step)) / (2 * step);
        const error = Math.abs(numeric - (analytic[index] as number)) / scale;
        expect(
          error,
          `${label}, input ${i}, element ${index}: ${analytic[index]} for ${numeric}`,
        ).toBeLessThan(tolerance);
      }
      input.detach().copy_(tensor(before, input.shape));
    }
  });
}

// ---- images in plain JavaScript ----

export type Shape4 = readonly [number, number, number, number];

export interface Images {
  shape: Shape4;
  values: Float64Array;
}

export function imagesOf(x: Tensor): Images {
  return { shape: x.shape as unknown as Shape4, values: doubles(x) };
}

function build(shape: Shape4, at: (n: number, c: number, y: number, x: number) => number): Images {
  const [n, c, h, w] = shape;
  const values = new Float64Array(n * c * h * w);
  let i = 0;
  for (let a = 0; a < n; a++)
    for (let b = 0; b < c; b++)
      for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) values[i++] = at(a, b, y, x);
  return { shape, values };
}

/** The pixel, or 0 outside. */
function pixel({ shape, values }: Images, n: number, c: number, y: number, x: number): number {
  const [, channels, h, w] = shape;
  if (y < 0 || y >= h || x < 0 || x >= w) return 0;
  return values[((n * channels + c) * h + y) * w + x] as number;
}

/** Cross-correlation with zero padding. */
export function naiveConv(
  x: Images,
  weight: Images,
  { stride = 1, padding = 0, groups = 1 }: { stride?: number; padding?: number; groups?: number } = {},
): Images {
  const [n, , h, w] = x.shape;
  const [o, inGroup, kH, kW] = weight.shape;
  const height = Math.floor((h + 2 * padding - kH) / stride) + 1;
  const width = Math.floor((w + 2 * padding - kW) / stride) + 1;
  return build([n, o, height, width], (a, b, y, column) => {
    const start = Math.floor(b / (o / groups)) * inGroup;
    let sum = 0;
    for (let i = 0; i < inGroup; i++)
      for (let ky = 0; ky < kH; ky++)
        for (let kx = 0; kx < kW; kx++)
          sum +=
            pixel(weight, b, i, ky, kx) *
            pixel(x, a, start + i, y * stride + ky - padding, column * stride + kx - padding);
    return sum;
  });
}

/** Each pixel of x [N, O, H, W] spreads weight [O, I, kH, kW] over the output. */
export function naiveConvTranspose(
  x: Images,
  weight: Images,
  { stride = 1, padding = 0 }: { stride?: number; padding?: number } = {},
): Images {
  const [n, o, h, w] = x.shape;
  const [, i, kH, kW] = weight.shape;
  const shape: Shape4 = [n, i, (h - 1) * stride - 2 * padding + kH, (w - 1) * stride - 2 * padding + kW];
  return build(shape, (a, b, y, column) => {
    let sum = 0;
    for (let c = 0; c < o; c++)
      for (let ky = 0; ky < kH; ky++)
        for (let kx = 0; kx < kW; kx++) {
          const sy = (y + padding - ky) / stride;
          const sx = (column + padding - kx) / stride;
          if (Number.isInteger(sy) && Number.isInteger(sx))
            sum += pixel(x, a, c, sy, sx) * pixel(weight, c, b, ky, kx);
        }
    return sum;
  });
}

/** Zeros around each image, then a filter [1, 1, K, K] over every channel, then every `step`-th pixel. */
export function naiveFilter(
  x: Images,
  filter: Images,
  { before, after, gain = 1, step = 1 }: { before: number; after: number; gain?: number; step?: number },
): Images {
  const [n, c, h, w] = x.shape;
  const [, , k] = filter.shape;
  const size = (length: number) => Math.floor((length + before + after - k) / step) + 1;
  return build([n, c, size(h), size(w)], (a, b, y, column) => {
    let sum = 0;
    for (let ky = 0; ky < k; ky++)
      for (let kx = 0; kx < k; kx++)
        sum +=
          pixel(filter, 0, 0, ky, kx) * pixel(x, a, b, y * step + ky - before, column * step + kx - before);
    return gain * sum;
  });
}

/** A zero after every pixel, in both directions. */
export function naiveZeroStuff(x: Images): Images {
  const [n, c, h, w] = x.shape;
  return build([n, c, 2 * h, 2 * w], (a, b, y, column) =>
    y % 2 === 0 && column % 2 === 0 ? pixel(x, a, b, y / 2, column / 2) : 0,
  );
}
