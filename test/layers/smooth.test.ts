import { describe, expect, it } from "vitest";
import {
  DownSample,
  replicateEdges,
  smoothAndDownsample,
  UpSample,
  upsampleAndSmooth,
} from "../../src/layers/smooth.js";
import { grad } from "../../src/torch/autograd.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { checkGradients, doubles, expectNear, imagesOf, leaf, sampleTensor } from "../torch/numeric.js";

// Plain loops, one step after the other, on one plane at a time.

type Plane = number[][];

const at = (plane: Plane, y: number, x: number) => {
  const row = plane[Math.min(Math.max(y, 0), plane.length - 1)] as number[];
  return row[Math.min(Math.max(x, 0), row.length - 1)] as number;
};

const plane = (height: number, width: number, value: (y: number, x: number) => number): Plane =>
  Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => value(y, x)));

/** The filter over the image with replicated edges. */
function smooth(x: Plane, kernel: Plane): Plane {
  return plane(x.length, x[0]?.length ?? 0, (row, column) => {
    let sum = 0;
    for (let ky = 0; ky < 3; ky++)
      for (let kx = 0; kx < 3; kx++) sum += at(kernel, ky, kx) * at(x, row + ky - 1, column + kx - 1);
    return sum;
  });
}

/** Bilinear interpolation at pixel centres (align_corners false), coordinates clamped to the image. */
function bilinear(x: Plane, height: number, width: number): Plane {
  const source = (i: number, from: number, to: number) => Math.max(((i + 0.5) * from) / to - 0.5, 0);
  return plane(height, width, (row, column) => {
    const y = source(row, x.length, height);
    const z = source(column, x[0]?.length ?? 0, width);
    const [y0, z0] = [Math.floor(y), Math.floor(z)];
    const mix = (r: number) => at(x, r, z0) * (1 - (z - z0)) + at(x, r, z0 + 1) * (z - z0);
    return mix(y0) * (1 - (y - y0)) + mix(y0 + 1) * (y - y0);
  });
}

function perPlane(x: Tensor, f: (x: Plane) => Plane): number[] {
  const { shape, values } = imagesOf(x);
  const [n, c, h, w] = shape;
  return Array.from({ length: n * c }, (_, i) =>
    f(plane(h, w, (row, column) => values[(i * h + row) * w + column] as number)),
  ).flat(2);
}

const kernels = {
  "[1, 2, 1]": [1, 2, 1, 2, 4, 2, 1, 2, 1].map((tap) => tap / 16),
  "an asymmetric filter": [...doubles(sampleTensor([9], 3))],
};

describe.each(Object.entries(kernels))("resampling with %s against plain loops", (_, taps) => {
  const kernelPlane = plane(3, 3, (y, x) => taps[3 * y + x] as number);
  it.each([
    [6, 4],
    [2, 2],
  ])("%d x %d pixels", (height, width) =>
    scope(() => {
      const k = tensor(Float64Array.from(taps), [3, 3]);
      for (const layout of ["contiguous", "channelsLast"] as const) {
        const x = sampleTensor([2, 3, height, width], 1).contiguous(layout);
        const up = upsampleAndSmooth(x, k);
        expect(up.shape).toEqual([2, 3, 2 * height, 2 * width]);
        const wantedUp = perPlane(x, (p) => smooth(bilinear(p, 2 * height, 2 * width), kernelPlane));
        expectNear(doubles(up), wantedUp, 1e-12);
        const down = smoothAndDownsample(x, k);
        expect(down.shape).toEqual([2, 3, height / 2, width / 2]);
        const wantedDown = perPlane(x, (p) => bilinear(smooth(p, kernelPlane), height / 2, width / 2));
        expectNear(doubles(down), wantedDown, 1e-12);
      }
    }),
  );
});

describe("smooth resampling", () => {
  it("keeps a constant image constant up to its edges", () => {
    const up = scope(() => new UpSample());
    const down = scope(() => new DownSample());
    scope(() => {
      const x = sampleTensor([1, 2, 4, 4], 0).to("float32").mul(0).add(5);
      for (const y of [up.forward(x), down.forward(x)]) expect(new Set(doubles(y))).toEqual(new Set([5]));
    });
    up.dispose();
    down.dispose();
  });

  it("stays in channels-last layout, in the gradients too", () =>
    scope(() => {
      const kernel = sampleTensor([3, 3], 2);
      const x = sampleTensor([2, 8, 4, 4], 1).contiguous("channelsLast").setRequiresGrad(true);
      for (const y of [replicateEdges(x), upsampleAndSmooth(x, kernel), smoothAndDownsample(x, kernel)]) {
        expect(y.strides[1]).toBe(1);
        const [gradient] = grad([y], [x], { gradOutputs: [y.detach().clone()] });
        expect(gradient?.strides[1]).toBe(1);
      }
    }));

  it("names its filter as the source does and leaves no tensor behind", () => {
    const before = liveTensors();
    const up = scope(() => new UpSample());
    expect([...up.stateDict()].map(([name, { shape }]) => [name, shape])).toEqual([
      ["smooth.kernel", [1, 1, 3, 3]],
    ]);
    scope(() => up.forward(sampleTensor([1, 2, 4, 4], 0).to("float32")).shape);
    up.dispose();
    expect(liveTensors()).toBe(before);
  });

  it.each([
    ["replicateEdges", (x: Tensor) => replicateEdges(x)],
    ["upsampleAndSmooth", upsampleAndSmooth],
    ["smoothAndDownsample", smoothAndDownsample],
  ])("%s: gradients of first and second order", (_, resample) =>
    scope(() => {
      const kernel = sampleTensor([3, 3], 9);
      const x = leaf([2, 2, 4, 4], 1);
      checkGradients(() => resample(x, kernel).square(), [x], { order: 2 });
    }),
  );
});
