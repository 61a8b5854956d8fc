// Operators that measures need and networks do not: distances, ranks, Fourier transforms, resampling.

import { op, opMany } from "./dispatch.js";
import { Tensor, wrapAll } from "./tensor.js";

const ops = {
  cdist: op("cdist"),
  kthvalue: opMany("kthvalue"),
  amin: op("amin"),
  rfft2: op("fft_rfft2"),
  irfft2: op("fft_irfft2"),
  gridSampler: op("grid_sampler_2d"),
  sinc: op("sinc"),
};

/** The Euclidean distances between the rows of `a` [N, F] and those of `b` [M, F]: [N, M]. */
export function distances(a: Tensor, b: Tensor): Tensor {
  return new Tensor(ops.cdist(a, b, 2, null));
}

/** The `k`-th smallest element, counted from 1, of each row of `x` [N, M]: [N]. */
export function kthSmallest(x: Tensor, k: number): Tensor {
  const [values, indices] = wrapAll(ops.kthvalue(x, k, -1, false)) as [Tensor, Tensor];
  indices.dispose();
  return values;
}

/** The smallest element of each row of `x` [N, M]: [N]. */
export function rowMinima(x: Tensor): Tensor {
  return new Tensor(ops.amin(x, [1], false));
}

/** The circular convolution of two real matrices [H, W]. */
export function circularConvolution(a: Tensor, b: Tensor): Tensor {
  // Complex numbers stay between these operators: nothing else of the program knows them.
  const [fa, fb] = [a, b].map((x) => new Tensor(ops.rfft2(x, null, [-2, -1], null))) as [Tensor, Tensor];
  return new Tensor(ops.irfft2(fa.mul(fb), a.shape, [-2, -1], null));
}

/** sin(πx) / (πx), and 1 at 0. */
export function sinc(x: Tensor): Tensor {
  return new Tensor(ops.sinc(x));
}

/**
 * The values of `x` [N, C, H, W] at the points of `grid` [N, h, w, 2], given as (x, y) where -1 and 1 are the outer edges
 * of the first and the last pixel. Outside there are zeros.
 */
export function sampleGrid(x: Tensor, grid: Tensor, mode: "bilinear" | "nearest"): Tensor {
  const zerosOutside = 0;
  const alignCorners = false;
  return new Tensor(ops.gridSampler(x, grid, mode === "bilinear" ? 0 : 1, zerosOutside, alignCorners));
}
