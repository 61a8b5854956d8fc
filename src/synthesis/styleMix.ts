// Style mixing: the pictures of some seeds with some of their layers' styles from other seeds.
// Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks" (2019), section 3.1.

import type { Generator, TruncationOptions } from "../networks/network.js";
import { UserError } from "../system/errors.js";
import { cat } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { latentsOfSeeds } from "./latents.js";
import type { Picture } from "./picture.js";
import { mapLatents, renderWs, type SynthesisOptions } from "./render.js";

export interface StyleMixOptions extends SynthesisOptions, TruncationOptions {
  /** Seeds whose pictures the mixes begin with. */
  rowSeeds: readonly number[];
  /** Seeds that the styles come from. */
  colSeeds: readonly number[];
  /** Layers, by the index of their w, whose styles come from the column. */
  colStyles: readonly number[];
  /** Of all pictures; ignored by an unconditional network. Default 0. */
  classIndex?: number;
}

/** A picture of a style mix: column -1 for a row's own seed, row -1 for a column's own. */
export interface MixedPicture {
  row: number;
  column: number;
  picture: Picture;
}

/**
 * The pictures of the columns' seeds, then row by row that of the row's seed and its mixes with each column.
 * @throws UserError when a style is not one of the network's layers
 */
export function* styleMix(G: Generator, options: StyleMixOptions): Iterable<MixedPicture> {
  const { rowSeeds, colSeeds, colStyles, noiseMode, batch, classIndex = 0 } = options;
  checkColStyles(colStyles, G);
  const { truncationPsi = 1, truncationCutoff } = options;
  const truncation = { truncationPsi, ...(truncationCutoff === undefined ? {} : { truncationCutoff }) };
  const wsOf = (seeds: readonly number[]) =>
    scope(() =>
      mapLatents(G, {
        z: latentsOfSeeds(seeds, G.zDim),
        classes: seeds.map(() => classIndex),
        ...truncation,
      }),
    );
  const colWs = wsOf(colSeeds);
  try {
    let column = 0;
    for (const picture of renderWs(G, { ws: colWs, noiseMode, batch }))
      yield { row: -1, column: column++, picture };
    for (const [row, seed] of rowSeeds.entries()) {
      const ws = scope(() => {
        const rowWs = wsOf([seed]);
        return cat([rowWs, mixStyles(rowWs, colWs, colStyles)], 0);
      });
      try {
        column = -1;
        for (const picture of renderWs(G, { ws, noiseMode, batch })) yield { row, column: column++, picture };
      } finally {
        ws.dispose();
      }
    }
  } finally {
    colWs.dispose();
  }
}

/** `base` [1, numWs, wDim] with the layers `styles` of each of `others` [N, numWs, wDim]: [N, numWs, wDim]. */
export function mixStyles(base: Tensor, others: Tensor, styles: readonly number[]): Tensor {
  return scope(() => {
    const [n, numWs] = others.shape as [number, number, number];
    const taken = new Set(styles);
    const layers = Array.from({ length: numWs }, (_, layer) =>
      taken.has(layer) ? others.narrow(1, layer, 1) : base.narrow(1, layer, 1).expand([n, -1, -1]),
    );
    return cat(layers, 1);
  });
}

/** @throws UserError when a style is not one of the network's layers, or the network has only one */
export function checkColStyles(styles: readonly number[], G: Generator): void {
  if (G.numWs === 1)
    throw new UserError(
      "this network has one latent for all layers, so there are no styles to mix; StyleGAN and StyleGAN2 have",
    );
  const beyond = styles.find((style) => style >= G.numWs);
  if (beyond !== undefined)
    throw new UserError(
      `--styles: there is no style ${beyond}; this network has the styles 0 to ${G.numWs - 1}`,
    );
}
