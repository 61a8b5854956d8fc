// The fast 3x3 convolutions against libtorch's direct ones, in float32 and float64.

import { afterEach, describe, expect, it } from "vitest";
import { grad } from "../../src/torch/autograd.js";
import { availableInstructionSets, selectInstructionSet } from "../../src/torch/instructionSets.js";
import { enableKernels, withDirectConvolutions } from "../../src/torch/kernels.js";
import { conv2d, convTranspose2d } from "../../src/torch/ops.js";
import { setThreads, threads } from "../../src/torch/runtime.js";
import { scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { doubles, sampleTensor } from "../torch/numeric.js";

const best = availableInstructionSets()[0] as ReturnType<typeof availableInstructionSets>[number];
const cores = threads();

afterEach(() => {
  enableKernels(true);
  selectInstructionSet(best);
  setThreads(cores);
});

/** Pictures, channels in, height, width, channels out, padding. */
type Case = readonly [number, number, number, number, number, number];

/** What a convolution and both of its gradients are, and what both are again by second order. */
const results = ["y", "gx", "gw", "ggx", "ggw"] as const;

function leaves([n, i, h, w, o]: Case, dtype: "float32" | "float64"): [Tensor, Tensor] {
  const made = [sampleTensor([n, i, h, w], 1), sampleTensor([o, i, 3, 3], 2)].map((values) =>
    values.to("float32").to(dtype).contiguous("channelsLast").setRequiresGrad(true),
  );
  return made as [Tensor, Tensor];
}

function convolution(shape: Case, dtype: "float32" | "float64"): Float64Array[] {
  return scope(() => {
    const padding = shape[5];
    const [x, w] = leaves(shape, dtype);
    const projected = (y: Tensor, seed: number) =>
      y.mul(sampleTensor(y.shape, seed).to("float32").to(dtype)).sum();
    const y = conv2d(x, w, { padding });
    const [gx, gw] = grad([projected(y, 3)], [x, w], { createGraph: true }) as [Tensor, Tensor];
    const second = projected(gx, 4).add(projected(gw, 5));
    return [y, gx, gw, ...grad([second], [x, w])].map(doubles);
  });
}

/** The largest difference over the root of the mean square. */
function relativeError(actual: Float64Array, wanted: Float64Array): number {
  expect(actual.length).toBe(wanted.length);
  let worst = 0;
  let squares = 0;
  for (const [i, value] of wanted.entries()) {
    const difference = Math.abs((actual[i] as number) - value);
    worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
    squares += value * value;
  }
  return worst / Math.sqrt(squares / wanted.length);
}

const cases: readonly (readonly [string, Case])[] = [
  ["whole tiles", [2, 32, 8, 8, 16, 1]],
  ["tiles that reach over the edge", [2, 16, 9, 7, 32, 1]],
  ["without padding", [2, 16, 10, 9, 16, 0]],
  ["with more padding than a kernel sees", [2, 16, 6, 7, 16, 2]],
  ["an odd number of blocks of channels", [1, 48, 12, 8, 80, 1]],
  ["more tiles than a block has", [3, 16, 40, 36, 16, 1]],
  ["many channels, few tiles", [5, 144, 4, 4, 128, 1]],
  ["many channels, more tiles than fit at once", [4, 128, 24, 22, 128, 1]],
];

/** Whether every bit is the same. */
function same(a: readonly Float64Array[], b: readonly Float64Array[]): boolean {
  return a.every(
    (values, i) =>
      Buffer.compare(Buffer.from(values.buffer), Buffer.from((b[i] as Float64Array).buffer)) === 0,
  );
}

const references = new Map<Case, { direct: Float64Array[]; exact: Float64Array[] }>();

/** By libtorch, the same for all instruction sets. */
function referenceOf(shape: Case): { direct: Float64Array[]; exact: Float64Array[] } {
  const known = references.get(shape) ?? {
    direct: withDirectConvolutions(() => convolution(shape, "float32")),
    exact: convolution(shape, "float64"),
  };
  references.set(shape, known);
  return known;
}

describe.each(availableInstructionSets())("%s", (set) => {
  it.each(cases)("values and gradients of both orders: %s", (_, shape) => {
    selectInstructionSet(set);
    const fast = convolution(shape, "float32");
    const { direct, exact } = referenceOf(shape);
    for (const [i, name] of results.entries()) {
      const wanted = exact[i] as Float64Array;
      expect(relativeError(fast[i] as Float64Array, wanted), name).toBeLessThan(4e-5);
      expect(relativeError(fast[i] as Float64Array, direct[i] as Float64Array), name).toBeLessThan(4e-5);
      const [ours, libtorchs] = [[fast[i] as Float64Array], [direct[i] as Float64Array]];
      expect(same(ours, libtorchs), `${name} is computed by another algorithm`).toBe(false);
    }
  });

  it("takes operands in any layout", () =>
    scope(() => {
      selectInstructionSet(set);
      const x = sampleTensor([2, 16, 8, 8], 1).to("float32");
      const w = sampleTensor([32, 16, 3, 3], 2).to("float32");
      const across = w.permute([1, 0, 2, 3]).contiguous("channelsLast").permute([1, 0, 2, 3]);
      const wanted = doubles(
        conv2d(x.contiguous("channelsLast"), w.contiguous("channelsLast"), { padding: 1 }),
      );
      for (const weight of [w, across]) expect(doubles(conv2d(x, weight, { padding: 1 }))).toEqual(wanted);
    }));

  it.each(cases)(
    "gives the same bits again, with any number of threads and whatever ran before: %s",
    (_, shape) => {
      selectInstructionSet(set);
      setThreads(2);
      const first = convolution(shape, "float32");
      convolution([2, 32, 12, 12, 32, 1], "float32");
      expect(same(convolution(shape, "float32"), first)).toBe(true);
      setThreads(1);
      expect(same(convolution(shape, "float32"), first)).toBe(true);
    },
  );
});

it("a transposed convolution is the gradient of a convolution", () =>
  scope(() => {
    const y = sampleTensor([2, 32, 6, 6], 1).to("float32");
    const w = sampleTensor([32, 16, 3, 3], 2).to("float32");
    const fast = doubles(convTranspose2d(y, w, { padding: 1 }));
    const exact = doubles(convTranspose2d(y.to("float64"), w.to("float64"), { padding: 1 }));
    expect(relativeError(fast, exact)).toBeLessThan(4e-5);
  }));

describe("what fast convolutions do not take runs as before, or says why it does not", () => {
  const direct: readonly (readonly [string, Case])[] = [
    ["channels that are no multiple of 16", [2, 24, 8, 8, 16, 1]],
    ["fewer than four tiles", [3, 16, 4, 4, 16, 1]],
    ["pictures that a tile is much larger than", [16, 16, 2, 2, 16, 1]],
  ];
  it.each(direct)("%s: directly", (_, shape) => {
    expect(same(convolution(shape, "float32"), referenceOf(shape).direct)).toBe(true);
  });

  it("no kernels: directly", () => {
    enableKernels(false);
    const shape = [2, 32, 8, 8, 16, 1] as const;
    const off = convolution(shape, "float32");
    enableKernels(true);
    expect(
      same(
        withDirectConvolutions(() => convolution(shape, "float32")),
        off,
      ),
    ).toBe(true);
  });

  it("operands that do not fit", () =>
    scope(() => {
      const make = (...shape: number[]) => sampleTensor(shape, 1).to("float32").contiguous("channelsLast");
      const w = make(32, 16, 3, 3);
      expect(() => conv2d(make(2, 32, 8, 8), w, { padding: 1 })).toThrow(/channels/);
      expect(() => conv2d(make(2, 16, 8, 8).to("float64"), w, { padding: 1 })).toThrow(/Double|double/);
      expect(() => convTranspose2d(make(2, 16, 8, 8), w, { padding: 1 })).toThrow(
        /conv_transpose2d: .*x: Float/,
      );
    }));
});
