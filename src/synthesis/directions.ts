// Semantic directions in W without data: what changes the styles most.
// Shen and Zhou, "Closed-Form Factorization of Latent Semantics in GANs" (2021), SeFa.

import type { Generator, TruncationOptions } from "../networks/network.js";
import { UserError } from "../system/errors.js";
import { noGrad } from "../torch/autograd.js";
import { cat, matmul, symmetricEigen } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import { type Tensor, tensor } from "../torch/tensor.js";
import { latentsOfSeeds } from "./latents.js";
import type { Picture } from "./picture.js";
import { mapLatents, renderWs, type SynthesisOptions } from "./render.js";

/** Layers of synthesis by the index of their w, both ends included. */
export interface LayerRange {
  first: number;
  last: number;
}

export interface Direction {
  name: string;
  /** The layers whose w it moves. */
  layers: LayerRange;
  /** λ: the squared length of the change of all their styles for a step of length 1. */
  eigenvalue: number;
  /** n, a unit vector [wDim]. */
  vector: Float32Array;
}

/** A direction and how far to go along it, in the units of w. */
export interface DirectionStep {
  direction: Direction;
  amount: number;
}

/**
 * The `count` directions n that move the styles of the chosen layers most: with A the weights of their affine maps
 * below each other [styles, wDim], the unit eigenvectors of AᵀA by falling eigenvalue, AᵀA n = λ n (equations 4 to 6 of
 * the paper). Their sign is chosen: the largest element is positive.
 *
 * Differs from the released code, which scales every row of A to length 1 and leaves out the layers to RGB but for the
 * last: here every affine map counts as it is applied.
 * @param options layers: default all; count: at most wDim of them are there
 * @throws UserError when the network has no styles or the layers are none of its own
 */
export function findDirections(
  G: Generator,
  { layers, count }: { layers?: LayerRange; count: number },
): Direction[] {
  return noGrad(() => {
    const affines = G.styleAffines();
    if (affines.length === 0)
      throw new UserError("this network has no styles, so it has no directions; StyleGAN and StyleGAN2 have");
    const range = layers ?? { first: 0, last: G.numWs - 1 };
    checkLayers(range, G);
    const chosen = affines.filter(({ wIndex }) => wIndex >= range.first && wIndex <= range.last);
    if (chosen.length === 0)
      throw new UserError(
        `layers ${range.first}-${range.last}: the network has not grown so far; its last layer is ${affines.at(-1)?.wIndex}`,
      );
    const stacked = cat(
      chosen.map(({ weight }) => weight),
      0,
    ).to("float64");
    const { values, vectors } = symmetricEigen(matmul(stacked.permute([1, 0]), stacked));
    const eigenvalues = values.toArray() as Float64Array;
    const columns = vectors.permute([1, 0]).toArray() as Float64Array; // a vector a row
    const size = G.wDim;
    return Array.from({ length: Math.min(count, size) }, (_, i) => {
      const column = size - 1 - i; // libtorch's order is rising
      return {
        name: layers ? `${range.first}-${range.last}:${i}` : String(i),
        layers: range,
        // Rounding can leave a zero slightly below zero.
        eigenvalue: Math.max(eigenvalues[column] as number, 0),
        vector: withSign(columns.subarray(column * size, (column + 1) * size)),
      };
    });
  });
}

/** @throws UserError when the range is not one of the generator's layers */
export function checkLayers({ first, last }: LayerRange, G: Generator): void {
  if (last < G.numWs) return;
  throw new UserError(
    `layers ${first}-${last}: this network has the layers 0 to ${G.numWs - 1} (one for each w)`,
  );
}

/** An eigenvector's sign is arbitrary: the same one whatever computed it. */
function withSign(vector: Float64Array): Float32Array {
  let largest = 0;
  for (const value of vector) if (Math.abs(value) > Math.abs(largest)) largest = value;
  return Float32Array.from(vector, (value) => (largest < 0 ? -value : value));
}

/** ws [N, numWs, wDim] moved along directions: w + amount · n in the layers of each. */
export function moveAlong(ws: Tensor, steps: readonly DirectionStep[]): Tensor {
  return scope(() => {
    const [, numWs, wDim] = ws.shape as [number, number, number];
    const shift = new Float32Array(numWs * wDim);
    for (const { direction, amount } of steps) {
      const { layers, vector } = direction;
      for (let layer = layers.first; layer <= layers.last; layer++)
        for (let i = 0; i < wDim; i++) {
          const at = layer * wDim + i;
          shift[at] = (shift[at] as number) + amount * (vector[i] as number);
        }
    }
    return ws.add(tensor(shift, [1, numWs, wDim]).toDevice(ws.device));
  });
}

export interface StripOptions extends SynthesisOptions, TruncationOptions {
  seed: number;
  directions: readonly Direction[];
  /** How far each direction is followed, picture by picture. */
  amounts: readonly number[];
  /** Ignored by an unconditional network. Default 0. */
  classIndex?: number;
}

/** A seed's picture moved along each direction: direction by direction, amount by amount. */
export function* directionStrips(G: Generator, options: StripOptions): Iterable<Picture> {
  const { seed, directions, amounts, classIndex = 0, noiseMode, batch } = options;
  const { truncationPsi = 1, truncationCutoff } = options;
  const truncation = { truncationPsi, ...(truncationCutoff === undefined ? {} : { truncationCutoff }) };
  for (const direction of directions) {
    const ws = scope(() => {
      const start = mapLatents(G, {
        z: latentsOfSeeds([seed], G.zDim),
        classes: [classIndex],
        ...truncation,
      });
      return cat(
        amounts.map((amount) => moveAlong(start, [{ direction, amount }])),
        0,
      );
    });
    try {
      yield* renderWs(G, { ws, noiseMode, batch });
    } finally {
      ws.dispose();
    }
  }
}
