// Rotation of pictures without aliasing, to compare a generator's own rotation with.
// Karras et al., "Alias-Free Generative Adversarial Networks" (2021), appendix E.3: a turned grid of pixels can hold other
// frequencies than an upright one, so that both sides of the comparison are filtered down to what both can hold.

import { noGrad } from "../torch/autograd.js";
import { circularConvolution, sampleGrid, sinc } from "../torch/numeric.js";
import { conv2d, convTranspose2d, ones, pad2d } from "../torch/ops.js";
import { type Tensor, tensor } from "../torch/tensor.js";
import type { Transformed } from "./equivariance.js";
import { lanczosWindow, lobes } from "./lanczos.js";

/** Samples for each pixel, from which the turned picture is read linearly. */
const upsampling = 4;
/** Pixels to each side of the centre that a filter keeps, and on which it is computed before. */
const reach = 2 * lobes;
const computedReach = 64;

/** Square `images` [N, C, R, R] turned about their centre by `angle`, anticlockwise. */
export function rotate(images: Tensor, angle: number): Transformed {
  return noGrad(() => {
    const [n, c, size] = images.shape as [number, number, number];
    const filter = rotationFilter(angle, upsampling);
    const side = filter.size(0);
    const weight = filter
      .mul(upsampling ** 2)
      .toDevice(images.device)
      .reshape([1, 1, side, side]);
    const spread = convTranspose2d(images.reshape([n * c, 1, size, size]), weight, { stride: upsampling });
    // The centre of pixel i is now at the sample `first + upsampling i`.
    const margin = upsampling / 2;
    const first = (side - 1) / 2 + margin;
    const fine = pad2d(spread, { left: margin, top: margin, right: margin - 1, bottom: margin - 1 });
    const grid = rotationGrid({ angle, size, first, fineSize: fine.size(3) }).toDevice(images.device);
    const turned = sampleGrid(fine, grid.expand([n * c, -1, -1, -1]), "bilinear");
    const mask = sampleGrid(inner(fine.size(3), side), grid.toDevice("cpu"), "nearest");
    return { images: turned.reshape([n, c, size, size]), mask: mask.toDevice(images.device) };
  });
}

/** `images` [N, C, R, R] in their place, without the frequencies that turning them by -`angle` loses. */
export function pseudoRotate(images: Tensor, angle: number): Transformed {
  return noGrad(() => {
    const [n, c, size] = images.shape as [number, number, number];
    const filter = rotationFilter(-angle, 1);
    const side = filter.size(0);
    const edge = (side - 1) / 2;
    const padded = pad2d(images.reshape([n * c, 1, size, size]), {
      ...{ left: edge, right: edge, top: edge, bottom: edge },
    });
    const filtered = conv2d(padded, filter.toDevice(images.device).reshape([1, 1, side, side]));
    return { images: filtered.reshape([n, c, size, size]), mask: inner(size, edge).toDevice(images.device) };
  });
}

/**
 * The filter that limits a picture to what both the upright grid and the one turned by `angle` can hold, with `samples` for
 * each pixel: odd by odd. The samples that one pixel meets sum to 1 / samples².
 */
export function rotationFilter(angle: number, samples: number): Tensor {
  return noGrad(() => {
    // The centre is element 0, and negative places are at the end: a convolution by Fourier transforms leaves it there.
    const length = 2 * computedReach * samples - 1;
    const half = (length - 1) / 2;
    const places = Array.from({ length }, (_, i) => (i <= half ? i : i - length) / samples);
    const x = tensor(places, [1, length], "float64");
    const y = x.reshape([length, 1]);
    // In the axes of the picture that is to be turned.
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const turnedX = x.mul(cos).add(y.mul(sin));
    const turnedY = y.mul(cos).sub(x.mul(sin));
    const both = (f: (x: Tensor) => Tensor) =>
      circularConvolution(f(x).mul(f(y)), f(turnedX).mul(f(turnedY)));
    const ideal = both(sinc).mul(both(lanczosWindow));

    const kept = 2 * reach * samples - 1;
    const edge = (kept - 1) / 2;
    const centred = ideal.roll(edge, 0).roll(edge, 1).narrow(0, 0, kept).narrow(1, 0, kept);
    // [2 reach, samples, 2 reach, samples]: sample by sample of a pixel, what it meets of the others.
    const phases = pad2d(centred.reshape([1, 1, kept, kept]), { left: 0, top: 0, right: 1, bottom: 1 });
    const grouped = phases.reshape([2 * reach, samples, 2 * reach, samples]);
    const normalized = grouped.div(grouped.sum([0, 2], true)).div(samples ** 2);
    const whole = normalized.reshape([kept + 1, kept + 1]);
    return whole.narrow(0, 0, kept).narrow(1, 0, kept).to("float32").contiguous();
  });
}

/** Where in the fine picture each pixel of the turned one comes from, [1, R, R, 2], for `sampleGrid`. */
function rotationGrid(geometry: { angle: number; size: number; first: number; fineSize: number }): Tensor {
  const { angle, size, first, fineSize } = geometry;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const centre = (size - 1) / 2;
  const position = (pixel: number) => (2 * (first + upsampling * pixel) + 1) / fineSize - 1;
  const values = new Float32Array(size * size * 2);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [x, y] = [column - centre, row - centre];
      const at = 2 * (row * size + column);
      values[at] = position(centre + cos * x - sin * y);
      values[at + 1] = position(centre + cos * y + sin * x);
    }
  }
  return tensor(values, [1, size, size, 2]);
}

/** Ones [1, 1, size, size] with a border of zeros. */
function inner(size: number, border: number): Tensor {
  const kept = Math.max(size - 2 * border, 0);
  return pad2d(ones([1, 1, kept, kept]), { left: border, right: border, top: border, bottom: border });
}
