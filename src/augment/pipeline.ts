// ADA's pipeline of augmentations.
// Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix B.

import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { type ColorStrengths, drawColor, mapColors } from "./color.js";
import { addNoise, cutOut, drawCutout, drawNoise } from "./corruption.js";
import type { Draws } from "./draws.js";
import { drawGeometry, type GeometryStrengths, warp } from "./geometry.js";
import { drawFilter, filterImages } from "./imageFilter.js";
import { type PipelineName, pipelines } from "./names.js";

/** How likely each augmentation is, as a multiple of the pipeline's probability p; 0: never. */
export interface AugmentStrengths extends GeometryStrengths, ColorStrengths {
  imgfilter: number;
  noise: number;
  cutout: number;
}

/** The groups of augmentations; a pipeline's name has a letter of each that it applies. */
const groups = {
  blit: ["xflip", "rotate90", "xint"],
  geom: ["scale", "rotate", "aniso", "xfrac"],
  color: ["brightness", "contrast", "lumaflip", "hue", "saturation"],
  filter: ["imgfilter"],
  noise: ["noise"],
  cutout: ["cutout"],
} as const satisfies Record<string, readonly (keyof AugmentStrengths)[]>;

type Group = keyof typeof groups;

/** The strengths of a pipeline: 1 for what it applies. */
export function pipelineStrengths(name: PipelineName): AugmentStrengths {
  const applied: readonly Group[] = pipelines[name];
  const entries = Object.entries(groups).flatMap(([group, augmentations]) =>
    augmentations.map((augmentation) => [augmentation, applied.includes(group as Group) ? 1 : 0]),
  );
  return Object.fromEntries(entries) as AugmentStrengths;
}

/**
 * `images` [N, C, H, W] in [-1, 1], each augmented by draws of its own: geometry, colours, frequencies, corruptions, in this
 * order. Gradients of any order reach the images.
 */
export function augmentImages(
  images: Tensor,
  { strengths, p, draws }: { strengths: AugmentStrengths; p: number; draws: Draws },
): Tensor {
  return scope(() => {
    const [n, , height, width] = images.shape as [number, number, number, number];
    const each = <T>(draw: () => T): T[] => Array.from({ length: n }, draw);
    const size = { width, height, draws };
    const warped = warp(
      images,
      each(() => drawGeometry(strengths, p, size)),
    );
    const colored = mapColors(
      warped,
      each(() => drawColor(strengths, p, draws)),
    );
    const filtered = filterImages(
      colored,
      each(() => drawFilter(strengths.imgfilter, p, draws)),
    );
    const noisy = addNoise(
      filtered,
      each(() => drawNoise(strengths.noise, p, draws)),
    );
    return cutOut(
      noisy,
      each(() => drawCutout(strengths.cutout, p, draws)),
    );
  });
}
