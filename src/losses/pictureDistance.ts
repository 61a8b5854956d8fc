// How far two pictures are apart, for a search that ends where they are alike.

import { avgPool2d, cat } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Script } from "../torch/script.js";
import type { Tensor } from "../torch/tensor.js";

/** A distance that is the squared length of a difference of features. */
export interface PictureDistance {
  /** What is measured, for a person to read. */
  readonly name: string;
  /** Images [N, 3, H, W] in [-1, 1] to features [N, F], with gradients. */
  features(images: Tensor): Tensor;
}

/** Between features [N, F] of one distance: [N]. */
export function squaredDistance(a: Tensor, b: Tensor): Tensor {
  return scope(() => a.sub(b).square().sum([1]));
}

/** Larger pictures are averaged down to this before they are compared. Karras et al. (2020), appendix D. */
const largest = 256;
/** The coarsest scale that still says where something is. */
const coarsest = 4;

/**
 * The mean squared error of pixels, at the picture's size, at half of it and so on down to 4x4, and the mean over these
 * scales. It needs no weights, and it is no perceptual distance: it sees where which colour is, and not what a picture
 * shows.
 */
export const multiScaleDistance: PictureDistance = {
  name: "squared pixel error over scales",
  features(images) {
    return scope(() => {
      const levels = [withinLimit(images)];
      for (let x = levels[0] as Tensor; x.size(3) > coarsest; levels.push(x)) x = avgPool2d(x, 2);
      const rows = levels.map((x) => {
        const row = x.reshape([x.size(0), -1]);
        return row.mul(1 / Math.sqrt(row.size(1) * levels.length));
      });
      return cat(rows, 1);
    });
  },
};

/**
 * LPIPS: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (2018), by a TorchScript
 * network that is called as NVIDIA's `vgg16.pt` is: images in 0..255, `resize_images=False`, `return_lpips=True`.
 * @param network stays the caller's
 */
export function perceptualDistance(network: Script): PictureDistance {
  return {
    name: "perceptual distance",
    features: (images) =>
      scope(() => {
        const pixels = withinLimit(images)
          .add(1)
          .mul(255 / 2);
        const features = network.forward(pixels, { resize_images: false, return_lpips: true });
        return features.reshape([features.size(0), -1]);
      }),
  };
}

function withinLimit(images: Tensor): Tensor {
  const factor = images.size(3) / largest;
  return factor > 1 ? avgPool2d(images, factor) : images;
}
