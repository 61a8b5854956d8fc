import { describe, expect, it } from "vitest";
import { grad } from "../../src/torch/autograd.js";
import { conv2d, convTranspose2d } from "../../src/torch/ops.js";
import { checkPrecision, type Precision, withPrecision } from "../../src/torch/precision.js";
import { scope } from "../../src/torch/scope.js";
import type { Shape } from "../../src/torch/tensor.js";
import { doubles, sampleTensor } from "./numeric.js";

const single = (shape: Shape, seed: number) => sampleTensor(shape, seed).to("float32").setRequiresGrad(true);

/** A convolution and one that is transposed: values, gradients, and gradients of their squares' sum. */
function results(precision: Precision, channels: number): Float64Array[] {
  return withPrecision(precision, () =>
    scope(() => {
      const x = single([2, channels, 6, 6], 1).contiguous("channelsLast");
      const weight = single([channels, channels, 3, 3], 2);
      const y = convTranspose2d(conv2d(x, weight, { padding: 1 }), weight, { stride: 2 });
      const gradients = grad([y.mul(sampleTensor(y.shape, 3).to("float32")).sum()], [x, weight], {
        createGraph: true,
      });
      const energy = gradients.map((gradient) => gradient.square().sum()).reduce((a, b) => a.add(b));
      return [y, ...gradients, ...grad([energy], [x, weight])].map(doubles);
    }),
  );
}

function relativeError(actual: Float64Array, wanted: Float64Array): number {
  const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
  return norm(actual.map((value, i) => value - (wanted[i] as number))) / norm(wanted);
}

describe("convolutions in bfloat16", () => {
  it("differ from float32 by its rounding and no more, gradients of both orders included", () => {
    const [reduced, full] = [results("bfloat16", 16), results("float32", 16)];
    for (const [i, wanted] of full.entries()) {
      const error = relativeError(reduced[i] as Float64Array, wanted);
      expect(error).toBeGreaterThan(1e-4);
      expect(error).toBeLessThan(0.02);
    }
  });

  it("leave few channels, other types and what comes after alone", () => {
    expect(results("bfloat16", 3)).toEqual(results("float32", 3));
    scope(() => {
      const x = sampleTensor([1, 16, 4, 4], 1);
      const weight = sampleTensor([16, 16, 3, 3], 2);
      const wanted = doubles(conv2d(x, weight));
      expect(withPrecision("bfloat16", () => doubles(conv2d(x, weight)))).toEqual(wanted);
    });
    expect(() =>
      withPrecision("bfloat16", () => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(results("float32", 16)).toEqual(results("float32", 16));
  });

  it("mixed types are bfloat16 with float32 and nothing else", () =>
    scope(() => {
      const [x, weight] = [single([1, 16, 4, 4], 1), single([16, 16, 3, 3], 2)];
      expect(conv2d(x.to("bfloat16"), weight).dtype).toBe("bfloat16");
      expect(() => conv2d(x.to("float64"), weight)).toThrow(/Double with Float: make them one type/);
    }));

  it("a precision that the device does not mind is no error", () => {
    expect(() => checkPrecision("float32", "cpu")).not.toThrow();
    expect(() => checkPrecision("bfloat16", "cuda")).not.toThrow();
  });
});
