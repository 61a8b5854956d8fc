// Zhao, Liu, Lin, Zhu and Han, "Differentiable Augmentation for Data-Efficient GAN Training" (2020), section 3 and its
// released code: every picture is augmented every time.

import { cat, pad2d } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { clearRectangles } from "./clearRectangles.js";
import type { Draws } from "./draws.js";
import { tensorLike } from "./tensorLike.js";

const translationRatio = 1 / 8;
const cutoutRatio = 1 / 2;

/** Share of a side in whole pixels, half of one rounded up. */
const share = (length: number, ratio: number) => Math.floor(length * ratio + 0.5);

/** A whole number from `low` to `high`, both included. */
const between = (draws: Draws, low: number, high: number) =>
  low + Math.floor(draws.uniform() * (high - low + 1));

/** `images` [N, C, H, W] with other colours, moved, and with a part cut out, in this order. */
export function diffAugment(images: Tensor, draws: Draws): Tensor {
  return scope(() => cutout(translate(color(images, draws), draws), draws));
}

/** Brightness, then saturation, then contrast. */
export function color(images: Tensor, draws: Draws): Tensor {
  return scope(() => contrast(saturation(brightness(images, draws), draws), draws));
}

/** x + U(-0.5, 0.5) */
export function brightness(images: Tensor, draws: Draws): Tensor {
  return scope(() => images.add(perImage(images, () => draws.uniform() - 0.5)));
}

/** The distance of each colour from the pixel's mean times U(0, 2). */
export function saturation(images: Tensor, draws: Draws): Tensor {
  return scope(() => {
    const mean = images.mean([1], true);
    return images
      .sub(mean)
      .mul(perImage(images, () => draws.uniform() * 2))
      .add(mean);
  });
}

/** The distance of each value from the picture's mean times U(0.5, 1.5). */
export function contrast(images: Tensor, draws: Draws): Tensor {
  return scope(() => {
    const mean = images.mean([1, 2, 3], true);
    return images
      .sub(mean)
      .mul(perImage(images, () => draws.uniform() + 0.5))
      .add(mean);
  });
}

/** Each picture moved by whole pixels, an eighth of its sides at most; zeros come in. */
export function translate(images: Tensor, draws: Draws): Tensor {
  return scope(() => {
    const [n, , height, width] = images.shape as [number, number, number, number];
    const [rows, columns] = [share(height, translationRatio), share(width, translationRatio)];
    const down = Array.from({ length: n }, () => between(draws, -rows, rows));
    const right = Array.from({ length: n }, () => between(draws, -columns, columns));
    const padded = pad2d(images, { left: columns, right: columns, top: rows, bottom: rows });
    const moved = down.map((dy, i) =>
      padded
        .narrow(0, i, 1)
        .narrow(2, rows + dy, height)
        .narrow(3, columns + right[i]!, width),
    );
    return cat(moved, 0);
  });
}

/** Zeros in a rectangle of half of the picture's sides, anywhere, also partly outside. */
export function cutout(images: Tensor, draws: Draws): Tensor {
  const inside = (length: number) => {
    const size = share(length, cutoutRatio);
    const centres = Array.from({ length: images.size(0) }, () => between(draws, 0, length - (size % 2)));
    return centres.flatMap((centre) => {
      const from = Math.min(Math.max(centre - Math.floor(size / 2), 0), length - 1);
      const to = Math.min(Math.max(centre - Math.floor(size / 2) + size - 1, 0), length - 1);
      return Array.from({ length }, (_, i) => (i >= from && i <= to ? 1 : 0));
    });
  };
  const rows = inside(images.size(2)); // drawn before the columns
  return clearRectangles(images, { rows, columns: inside(images.size(3)) });
}

/** A number for each picture, [N, 1, 1, 1]. */
function perImage(images: Tensor, draw: () => number): Tensor {
  const n = images.size(0);
  return tensorLike(images, Array.from({ length: n }, draw), [n, 1, 1, 1]);
}
