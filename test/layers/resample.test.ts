import { describe, expect, it } from "vitest";
import { blur, downsample2d, firFilter, upsample2d } from "../../src/layers/resample.js";
import { scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import {
  checkGradients,
  doubles,
  expectNear,
  type Images,
  imagesOf,
  leaf,
  naiveFilter,
  naiveZeroStuff,
  sampleTensor,
} from "../torch/numeric.js";

const asImages = (filter: Tensor): Images => imagesOf(filter.reshape([1, 1, ...filter.shape]));
const filters = {
  "[1, 3, 3, 1]": () => firFilter().to("float64"),
  "an asymmetric filter": () => sampleTensor([4, 4], 9),
};
const shape = [2, 3, 6, 4] as const;

function expectSame(actual: Tensor, wanted: Images): void {
  expect(actual.shape).toEqual(wanted.shape);
  expectNear(doubles(actual), wanted.values, 1e-12);
}

describe("firFilter", () => {
  it("is the normalized outer product of its taps", () =>
    scope(() => {
      const taps = [1, 3, 3, 1];
      expectNear(
        doubles(firFilter()),
        taps.flatMap((a) => taps.map((b) => (a * b) / 64)),
        1e-7,
      );
      expectNear(doubles(firFilter([1, 2])), [1 / 9, 2 / 9, 2 / 9, 4 / 9], 1e-7);
    }));
});

describe.each(Object.entries(filters))("resampling with %s against plain loops", (_, makeFilter) => {
  it("blur", () =>
    scope(() => {
      const filter = makeFilter();
      const x = sampleTensor(shape, 1);
      for (const padding of [0, 1, 2]) {
        const wanted = naiveFilter(imagesOf(x), asImages(filter), {
          before: padding,
          after: padding,
          gain: 4,
        });
        expectSame(blur(x, filter, { padding, gain: 4 }), wanted);
        expectSame(blur(x.contiguous("channelsLast"), filter, { padding, gain: 4 }), wanted);
      }
    }));

  it("downsample2d: filter, then every second pixel", () =>
    scope(() => {
      const filter = makeFilter();
      const x = sampleTensor(shape, 2);
      const wanted = naiveFilter(imagesOf(x), asImages(filter), { before: 1, after: 1, step: 2 });
      expect(wanted.shape).toEqual([2, 3, 3, 2]);
      expectSame(downsample2d(x, filter), wanted);
    }));

  it("upsample2d: zeros between the pixels, then the filter at gain 4", () =>
    scope(() => {
      const filter = makeFilter();
      const x = sampleTensor(shape, 3);
      const wanted = naiveFilter(naiveZeroStuff(imagesOf(x)), asImages(filter), {
        before: 2,
        after: 1,
        gain: 4,
      });
      expect(wanted.shape).toEqual([2, 3, 12, 8]);
      expectSame(upsample2d(x, filter), wanted);
      expectSame(upsample2d(x.contiguous("channelsLast"), filter), wanted);
    }));
});

describe("resampling", () => {
  it("keeps a constant image constant, away from the zero padding", () =>
    scope(() => {
      const x = sampleTensor([1, 1, 8, 8], 0).mul(0).add(5);
      const inner = (y: Tensor) => doubles(y.narrow(2, 2, y.size(2) - 4).narrow(3, 2, y.size(3) - 4));
      const filter = firFilter().to("float64");
      for (const y of [upsample2d(x, filter), blur(x, filter, { padding: 1 })])
        for (const value of inner(y)) expect(value).toBeCloseTo(5, 6);
      expect([...doubles(downsample2d(x, filter).narrow(2, 1, 2).narrow(3, 1, 2))]).toEqual([5, 5, 5, 5]);
    }));

  it.each([
    ["blur", (x: Tensor, filter: Tensor) => blur(x, filter, { padding: 2, gain: 4 })],
    ["downsample2d", downsample2d],
    ["upsample2d", upsample2d],
  ])("%s: gradients of first and second order", (_, resample) =>
    scope(() => {
      const filter = sampleTensor([4, 4], 9);
      const x = leaf([2, 2, 4, 4], 1);
      checkGradients(() => resample(x, filter).square(), [x], { order: 2 });
    }),
  );
});
