// What every generator and discriminator of the family offers to training and synthesis.

import type { Module } from "../torch/module.js";
import type { Tensor } from "../torch/tensor.js";

/** Where a layer's noise comes from: the stored map, new samples at each call, or nowhere. */
export type NoiseMode = "const" | "random" | "none";

export interface TruncationOptions {
  /** ψ: 1 leaves w as it is, 0 gives the mean image. Default 1. */
  truncationPsi?: number;
  /** Truncate only the first so many layers. Default: all. */
  truncationCutoff?: number;
}

/** An affine map from w to the style of one layer of synthesis. */
export interface StyleAffine {
  /** Which of the `numWs` w vectors it reads. */
  wIndex: number;
  /** Its weight as it is applied, any gain included: [style, wDim]. */
  weight: Tensor;
}

export interface Generator extends Module {
  readonly zDim: number;
  /** Number of classes; 0 for an unconditional network. */
  readonly cDim: number;
  readonly wDim: number;
  /** Number of w vectors that one image takes. */
  readonly numWs: number;
  readonly resolution: number;

  /** Latents `z` [N, zDim] and one-hot classes `c` [N, cDim] (null when unconditional) to ws [N, numWs, wDim]. */
  map(z: Tensor, c: Tensor | null, options?: TruncationOptions): Tensor;

  /** ws [N, numWs, wDim] to images [N, 3, resolution, resolution] in about [-1, 1]. */
  synthesize(ws: Tensor, options: { noiseMode: NoiseMode }): Tensor;

  /**
   * The affine maps that turn w into styles, of the layers in use, in order; none where w is no style. The weights
   * are the caller's.
   */
  styleAffines(): StyleAffine[];

  /** Moves the mean of w towards the mean of `w` [N, wDim]. Called whenever latents are mapped in training. */
  updateWAvg(w: Tensor): void;
}

export interface DiscriminatorOptions {
  /**
   * The images are so many batches of one size after each other, which know nothing of each other's statistics: reals
   * and fakes in one pass, with each weight read once. Default 1.
   */
  batches?: number;
}

export interface Discriminator extends Module {
  /** How many samples its minibatch standard deviation takes together. */
  readonly groupSize: number;

  /**
   * The layers that can be frozen in a transfer, from the image side on; none where the layers at the image change
   * while the network grows.
   */
  layersFromImage(): readonly Module[];

  /** Images [N, 3, resolution, resolution] and classes [N, cDim] (or null) to logits [N, 1]. */
  forward(images: Tensor, c: Tensor | null, options?: DiscriminatorOptions): Tensor;
}
