// Burt and Adelson, "The Laplacian Pyramid as a Compact Image Code" (1983), with mirrored edges.

import { noGrad } from "../torch/autograd.js";
import { cat, conv2d, pixelShuffle } from "../torch/ops.js";
import { type Tensor, tensor } from "../torch/tensor.js";

const lowestResolution = 16;

/** Sides of the pyramid's levels: halved from `resolution` down to 16; at 16 and below there is one level. */
export function levelResolutions(resolution: number): number[] {
  const levels = [resolution];
  for (let side = resolution / 2; side >= lowestResolution; side /= 2) levels.push(side);
  return levels;
}

/**
 * The Laplacian pyramid of images [N, C, R, R]: at each resolution what the next lower one cannot show, and at the
 * last one what is left; [N, C, r, r] for each r of `levelResolutions`.
 */
export function laplacianPyramid(images: Tensor): Tensor[] {
  return noGrad(() => {
    const levels: Tensor[] = [];
    let remaining = images;
    for (let i = 1; i < levelResolutions(images.size(3)).length; i++) {
      const lower = pyramidDown(remaining);
      levels.push(remaining.sub(pyramidUp(lower))); // L_i = G_i - up(G_{i+1})
      remaining = lower;
    }
    return [...levels, remaining];
  });
}

/** The binomial filter [1, 4, 6, 4, 1] / 16 in both directions, then every second pixel. */
export function pyramidDown(x: Tensor): Tensor {
  return noGrad(() => {
    const padded = extend(x, [2, 1], [-2, -3]); // mirrored at the centre of the outermost pixel
    const taps = [1, 4, 6, 4, 1].map((tap) => tap / 16);
    return conv2d(padded, depthwise([outer(taps, taps)], x), { stride: 2, groups: x.size(1) });
  });
}

/** Zeros between the pixels, then the same filter at gain 4. */
export function pyramidUp(x: Tensor): Tensor {
  return noGrad(() => {
    // Polyphase: even outputs meet the taps 1, 6, 1 of the pixels around them, odd ones 4, 4 of their neighbours.
    const phases = [
      [1 / 8, 6 / 8, 1 / 8],
      [0, 4 / 8, 4 / 8],
    ];
    const weight = depthwise(
      phases.flatMap((dy) => phases.map((dx) => outer(dy, dx))),
      x,
    );
    // Mirrored with the zeros in place: the outermost pixel is the first one on the left, the last zero on the right.
    const padded = extend(x, [1], [-1]);
    return pixelShuffle(conv2d(padded, weight, { groups: x.size(1) }), 2);
  });
}

/**
 * Pixels of `x` [N, C, H, W] once more before its first and after its last, in both directions; negative numbers count
 * from the end. Slices keep the channels-last layout, in which depthwise convolutions are fast.
 */
function extend(x: Tensor, before: readonly number[], after: readonly number[]): Tensor {
  return [2, 3].reduce((y, dim) => {
    const slices = (indices: readonly number[]) =>
      indices.map((index) => y.narrow(dim, index < 0 ? y.size(dim) + index : index, 1));
    return cat([...slices(before), y, ...slices(after)], dim);
  }, x.contiguous("channelsLast"));
}

function outer(rows: readonly number[], columns: readonly number[]): number[] {
  return rows.flatMap((a) => columns.map((b) => a * b));
}

/** Square kernels, all of them for every channel of `x` [N, C, H, W]: [C K, 1, k, k], of its type on its device. */
function depthwise(values: readonly (readonly number[])[], x: Tensor): Tensor {
  const channels = x.size(1);
  const side = Math.sqrt(values[0]?.length ?? 0);
  return tensor(values.flat(), [1, values.length, 1, side, side])
    .to(x.dtype)
    .toDevice(x.device)
    .expand([channels, -1, -1, -1, -1])
    .reshape([channels * values.length, 1, side, side]);
}
