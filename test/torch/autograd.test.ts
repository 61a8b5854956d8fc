import { describe, expect, it } from "vitest";
import { backward, grad } from "../../src/torch/autograd.js";
import { conv2d, convTranspose2d, zeros } from "../../src/torch/ops.js";
import { scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import {
  checkGradients,
  doubles,
  expectNear,
  imagesOf,
  leaf,
  naiveConv,
  naiveConvTranspose,
  sampleTensor,
} from "./numeric.js";

const double = (values: readonly number[]) => tensor(Float64Array.from(values)).setRequiresGrad(true);

describe("grad against closed forms", () => {
  it("x³: 3x², then 6x, then 6", () =>
    scope(() => {
      const x = double([0.5, -2, 3]);
      const [g1] = grad([x.square().mul(x).sum()], [x], { createGraph: true }) as [Tensor];
      const [g2] = grad([g1.sum()], [x], { createGraph: true }) as [Tensor];
      const [g3] = grad([g2.sum()], [x]) as [Tensor];
      expectNear(doubles(g1), [0.75, 12, 27], 1e-14);
      expectNear(doubles(g2), [3, -12, 18], 1e-14);
      expectNear(doubles(g3), [6, 6, 6], 1e-14);
    }));

  it("a mixed second derivative: d/dy |∇ₓ x²y|² = 8x²y", () =>
    scope(() => {
      const x = double([2]);
      const y = double([3]);
      const [gx] = grad([x.square().mul(y).sum()], [x], { createGraph: true }) as [Tensor];
      const [gy, gxx] = grad([gx.square().sum()], [y, x]) as [Tensor, Tensor];
      expect(gy.item()).toBeCloseTo(8 * 4 * 3, 10);
      expect(gxx.item()).toBeCloseTo(8 * 2 * 9, 10);
    }));

  it("sums over several outputs, weighted by gradOutputs", () =>
    scope(() => {
      const x = double([2, 5]);
      const weights = tensor(Float64Array.from([10, 100]));
      const [g] = grad([x.square(), x.mul(3)], [x], { gradOutputs: [weights, weights] }) as [Tensor];
      expect([...doubles(g)]).toEqual([4 * 10 + 30, 10 * 100 + 300]);
    }));

  it("without createGraph the result carries no graph and the graph is gone", () =>
    scope(() => {
      const x = double([2]);
      const y = x.square().sum();
      const [g] = grad([y], [x]) as [Tensor];
      expect(g.requiresGrad).toBe(false);
      expect(() => grad([y], [x])).toThrow(/second time/);
    }));

  it("throws for an input that takes no part", () =>
    scope(() => {
      expect(() => grad([double([1]).sum()], [double([1])])).toThrow(/not to have been used|unused/i);
    }));

  it("backward adds to the gradients of the inputs named and to nothing else", () =>
    scope(() => {
      const x = double([3]);
      const y = double([5]);
      const unused = double([1]);
      const slots = [x, y, unused].map((input) => {
        const slot = zeros([1], { dtype: "float64" });
        input.setGrad(slot);
        return slot;
      }) as [Tensor, Tensor, Tensor];
      backward(x.mul(y).sum(), [x, unused]);
      backward(x.square().sum(), [x]);
      expect(slots.map((slot) => slot.item())).toEqual([5 + 6, 0, 0]);
    }));
});

describe("convolutions against naive loops", () => {
  it.each([
    ["padded", { padding: 1 }, [2, 3, 5, 6], [4, 3, 3, 3]],
    ["strided", { stride: 2, padding: 1 }, [2, 3, 6, 5], [4, 3, 3, 3]],
    ["1x1", {}, [2, 3, 4, 4], [5, 3, 1, 1]],
    ["depthwise", { padding: 2, groups: 3 }, [2, 3, 5, 5], [3, 1, 4, 4]],
    ["grouped with several outputs", { groups: 2, padding: 1 }, [1, 4, 5, 5], [6, 2, 3, 3]],
  ] as const)("conv2d, %s", (_, options, xShape, wShape) =>
    scope(() => {
      for (const format of ["contiguous", "channelsLast"] as const) {
        const x = sampleTensor(xShape, 1).contiguous(format);
        const weight = sampleTensor(wShape, 2).contiguous(format);
        const bias = sampleTensor([wShape[0]], 3);
        const wanted = naiveConv(imagesOf(x), imagesOf(weight), options);
        const actual = conv2d(x, weight, options);
        expect(actual.shape).toEqual(wanted.shape);
        expectNear(doubles(actual), wanted.values, 1e-12);
        const withBias = conv2d(x, weight, { ...options, bias });
        const shifted = withBias.sub(bias.reshape([1, wShape[0], 1, 1]));
        expectNear(doubles(shifted), wanted.values, 1e-12);
      }
    }),
  );

  it.each([
    ["stride 2", { stride: 2 }, [2, 3, 4, 5], [3, 2, 3, 3]],
    ["stride 2 padded", { stride: 2, padding: 1 }, [2, 3, 4, 4], [3, 2, 4, 4]],
    ["stride 1", { padding: 1 }, [1, 2, 5, 5], [2, 4, 3, 3]],
  ] as const)("convTranspose2d, %s", (_, options, xShape, wShape) =>
    scope(() => {
      const x = sampleTensor(xShape, 4);
      const weight = sampleTensor(wShape, 5);
      const wanted = naiveConvTranspose(imagesOf(x), imagesOf(weight), options);
      const actual = convTranspose2d(x, weight, options);
      expect(actual.shape).toEqual(wanted.shape);
      expectNear(doubles(actual), wanted.values, 1e-12);
    }),
  );
});

describe("gradients of convolutions against finite differences", () => {
  // Squares make the second derivatives depend on every input.
  it.each([
    ["padded", { padding: 1 }, [2, 2, 4, 4], [3, 2, 3, 3]],
    ["strided", { stride: 2, padding: 1 }, [1, 2, 5, 5], [2, 2, 3, 3]],
    ["depthwise", { padding: 1, groups: 3 }, [2, 3, 4, 4], [3, 1, 3, 3]],
  ] as const)("conv2d, %s, first and second order", (_, options, xShape, wShape) =>
    scope(() => {
      const x = leaf(xShape, 1);
      const weight = leaf(wShape, 2);
      const bias = leaf([wShape[0]], 3);
      checkGradients(() => conv2d(x, weight, { ...options, bias }).square(), [x, weight, bias], {
        order: 2,
      });
    }),
  );

  it("convTranspose2d, stride 2, first and second order", () =>
    scope(() => {
      const x = leaf([2, 3, 3, 4], 1);
      const weight = leaf([3, 2, 3, 3], 2);
      checkGradients(() => convTranspose2d(x, weight, { stride: 2 }).square(), [x, weight], { order: 2 });
    }));
});
