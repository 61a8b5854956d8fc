// The perceptual path length: how far pictures move, in the eyes of a network, when the latent moves a little.
// Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks" (2019), section 4.1;
// "Analyzing and Improving the Image Quality of StyleGAN" (2020), which measures at the ends of paths in W, uncropped.

import { noGrad } from "../torch/autograd.js";
import { withDirectConvolutions } from "../torch/kernels.js";
import { cat } from "../torch/ops.js";
import type { Tensor } from "../torch/tensor.js";

/** What a path is walked with. */
export interface PathNetwork {
  /** z [N, zDim] to ws [N, numWs, wDim]; the same classes at both ends of a path. */
  map(z: Tensor): Tensor;
  /** ws to images [N, 3, R, R] in about [-1, 1], the noise the same for all. */
  synthesize(ws: Tensor): Tensor;
}

export interface PathOptions {
  /** Where the path is straight: spherical in `z`, linear in `w`. */
  space: "z" | "w";
  epsilon: number;
  /** Whether only the centre of the picture counts, where a face has its features. */
  crop: boolean;
}

/** One batch of paths: their ends [N, zDim], and where on them the step is taken, [N] in [0, 1]; 0 for `end`. */
export interface Paths {
  z0: Tensor;
  z1: Tensor;
  t: Tensor;
}

/** The pictures at t and then at t + ε of each path, [2 N, 3, H, W] in 0 to 255. */
export function pathImages(
  network: PathNetwork,
  { z0, z1, t: row }: Paths,
  { space, epsilon, crop }: PathOptions,
): Tensor {
  return noGrad(() => {
    const n = z0.size(0);
    const t = row.unsqueeze(1);
    let ws: Tensor;
    if (space === "w") {
      const both = network.map(cat([z0, z1], 0));
      const [w0, w1] = [both.narrow(0, 0, n), both.narrow(0, n, n)];
      const at = (position: Tensor) => w0.add(w1.sub(w0).mul(position.unsqueeze(2).toDevice(w0.device)));
      ws = cat([at(t), at(t.add(epsilon))], 0);
    } else {
      ws = network.map(cat([slerp(z0, z1, t), slerp(z0, z1, t.add(epsilon))], 0));
    }
    // Pictures that differ in their fourth digit are subtracted.
    const images = withDirectConvolutions(() => network.synthesize(ws));
    return asSeen(crop ? centre(images) : images, images.size(3));
  });
}

/** d(G(t), G(t + ε)) / ε² of each path, [N], by features [2 N, F] of `pathImages` whose squared distance is d. */
export function pathDistances(features: Tensor, { epsilon }: PathOptions): Tensor {
  return noGrad(() => {
    const n = features.size(0) / 2;
    const step = features.narrow(0, 0, n).sub(features.narrow(0, n, n));
    return step
      .square()
      .sum([1])
      .div(epsilon ** 2);
  });
}

/** From a to b on the sphere, as unit vectors [N, zDim]; t [N, 1]. */
export function slerp(a: Tensor, b: Tensor, t: Tensor): Tensor {
  return noGrad(() => {
    const [from, to] = [unit(a), unit(b)];
    const cosine = from.mul(to).sum([1], true);
    const angle = t.mul(cosine.acos());
    const across = unit(to.sub(cosine.mul(from)));
    return unit(from.mul(angle.cos()).add(across.mul(angle.sin())));
  });
}

function unit(x: Tensor): Tensor {
  return x.div(x.square().sum([1], true).sqrt());
}

/** The rows 3/8 to 7/8 and the columns 2/8 to 6/8. */
function centre(images: Tensor): Tensor {
  const eighth = Math.floor(images.size(3) / 8);
  return images.narrow(2, 3 * eighth, 4 * eighth).narrow(3, 2 * eighth, 4 * eighth);
}

/** In 0 to 255, networks of more than 256 px averaged down by the factor to that. */
function asSeen(images: Tensor, resolution: number): Tensor {
  const factor = Math.floor(resolution / 256);
  const [n, c, height, width] = images.shape as [number, number, number, number];
  const small =
    factor > 1
      ? images.reshape([n, c, height / factor, factor, width / factor, factor]).mean([3, 5])
      : images;
  return small.add(1).mul(255 / 2);
}

/** The mean without what lies outside of the percentiles 1 and 99, which are samples themselves. */
export function trimmedMean(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const last = sorted.length - 1;
  const [low, high] = [Math.floor(0.01 * last), Math.ceil(0.99 * last)];
  const kept = sorted.filter(
    (value) => value >= (sorted[low] as number) && value <= (sorted[high] as number),
  );
  return kept.reduce((sum, value) => sum + value, 0) / kept.length;
}
