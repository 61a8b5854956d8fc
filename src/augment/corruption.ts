// Corruptions: noise, and a square cut out.
// Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix B.

import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { clearRectangles } from "./clearRectangles.js";
import type { Draws } from "./draws.js";
import { tensorLike } from "./tensorLike.js";

const noiseStd = 0.1;
const cutoutSize = 0.5; // of the picture's side

/** Standard deviation of a picture's noise, half-normal; 0: none. */
export function drawNoise(strength: number, p: number, draws: Draws): number {
  return strength > 0 && draws.chance(strength * p) ? Math.abs(draws.normal()) * noiseStd : 0;
}

/** Each picture of `images` [N, C, H, W] with Gaussian noise of its own strength. */
export function addNoise(images: Tensor, deviations: readonly number[]): Tensor {
  if (deviations.every((deviation) => deviation === 0)) return images.contiguous();
  return scope(() => {
    const sigma = tensorLike(images, deviations, [deviations.length, 1, 1, 1]);
    return images.add(randn(images.shape, { device: images.device }).to(images.dtype).mul(sigma));
  });
}

/** Where the centre of a cut-out square lies, from 0 to 1 in both directions; undefined: nothing is cut out. */
export type Cutout = readonly [x: number, y: number] | undefined;

export function drawCutout(strength: number, p: number, draws: Draws): Cutout {
  return strength > 0 && draws.chance(strength * p) ? [draws.uniform(), draws.uniform()] : undefined;
}

/** Each picture of `images` [N, C, H, W] with zeros in its square. */
export function cutOut(images: Tensor, cutouts: readonly Cutout[]): Tensor {
  if (cutouts.every((cutout) => cutout === undefined)) return images.contiguous();
  const inside = (axis: 0 | 1, length: number) =>
    cutouts.flatMap((cutout) =>
      Array.from({ length }, (_, i) =>
        cutout && Math.abs((i + 0.5) / length - cutout[axis]) < cutoutSize / 2 ? 1 : 0,
      ),
    );
  return clearRectangles(images, { rows: inside(1, images.size(2)), columns: inside(0, images.size(3)) });
}
