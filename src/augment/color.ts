// Colour transformations as one 4x4 matrix for each picture.
// Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix B.

import { cat, matmul } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import type { Draws } from "./draws.js";
import { tensorLike } from "./tensorLike.js";

/** What colour transformations there are; 1: with the pipeline's probability, 0: never. */
export interface ColorStrengths {
  brightness: number;
  contrast: number;
  lumaflip: number;
  hue: number;
  saturation: number;
}

const brightnessStd = 0.2;
const contrastStd = 0.5; // of log2 of the factor
const saturationStd = 1; // of log2 of the factor

/** A map of colours, [r', g', b', 1] = M [r, g, b, 1]: the rows of M, but for the last. */
export type ColorMap = readonly (readonly [number, number, number, number])[];

const identity: ColorMap = [
  [1, 0, 0, 0],
  [0, 1, 0, 0],
  [0, 0, 1, 0],
];

/** The map of the whole picture's colours; undefined: they stay as they are. */
export function drawColor(strengths: ColorStrengths, p: number, draws: Draws): ColorMap | undefined {
  let map = identity;
  const then = (linear: number[][], offset = 0) => {
    map = linear.map((row) =>
      [0, 1, 2, 3].map((column) => {
        const product = row.reduce((sum, factor, k) => sum + factor * map[k]![column]!, 0);
        return column === 3 ? product + offset : product;
      }),
    ) as unknown as ColorMap;
  };
  const happens = (strength: number) => strength > 0 && draws.chance(strength * p);

  if (happens(strengths.brightness)) then(diagonal(1), draws.normal() * brightnessStd);
  if (happens(strengths.contrast)) then(diagonal(2 ** (contrastStd * draws.normal())));
  // The Householder reflection at the plane without luma: I - 2 v vᵀ with v = [1, 1, 1] / √3.
  if (happens(strengths.lumaflip) && Math.floor(draws.uniform() * 2) === 1) then(plusGray(1, -2));
  if (happens(strengths.hue)) then(aroundGray((draws.uniform() * 2 - 1) * Math.PI));
  // v vᵀ + s (I - v vᵀ)
  if (happens(strengths.saturation)) {
    const factor = 2 ** (saturationStd * draws.normal());
    then(plusGray(factor, 1 - factor));
  }
  return map === identity ? undefined : map;
}

/** a I + b v vᵀ */
function plusGray(a: number, b: number): number[][] {
  return diagonal(a).map((row) => row.map((value) => value + b / 3));
}

function diagonal(value: number): number[][] {
  return [0, 1, 2].map((i) => [0, 1, 2].map((j) => (i === j ? value : 0)));
}

/** The rotation by `angle` around v, by Rodrigues' formula: cos I + sin [v]ₓ + (1 - cos) v vᵀ. */
function aroundGray(angle: number): number[][] {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const cross = [
    [0, -1, 1],
    [1, 0, -1],
    [-1, 1, 0],
  ];
  return plusGray(cos, 1 - cos).map((row, i) =>
    row.map((value, j) => value + (sin * cross[i]![j]!) / Math.sqrt(3)),
  );
}

/**
 * Each picture of `images` [N, C, H, W] under its map. Of four channels the last is opacity and stays; one channel is gray,
 * and becomes the mean of what its three equal colours would become.
 */
export function mapColors(images: Tensor, maps: readonly (ColorMap | undefined)[]): Tensor {
  if (maps.every((map) => map === undefined)) return images.contiguous();
  return scope(() => {
    const [n, c, h, w] = images.shape as [number, number, number, number];
    const rows = maps.map((map) => (c === 1 ? [grayRow(map ?? identity)] : (map ?? identity)));
    const [colors, linear] = [Math.min(c, 3), rows[0]!.length];
    const factors = rows.flat().flatMap((row) => row.slice(0, -1));
    const offsets = rows.flat().flatMap((row) => row.slice(-1));
    const flat = images.narrow(1, 0, colors).reshape([n, colors, h * w]);
    const mapped = matmul(tensorLike(images, factors, [n, linear, colors]), flat)
      .add(tensorLike(images, offsets, [n, linear, 1]))
      .reshape([n, colors, h, w]);
    return c > 3 ? cat([mapped, images.narrow(1, 3, c - 3)], 1) : mapped;
  });
}

function grayRow(map: ColorMap): number[] {
  const mean = (of: (row: readonly number[]) => number) => map.reduce((sum, row) => sum + of(row), 0) / 3;
  return [mean(([r, g, b]) => r! + g! + b!), mean((row) => row[3]!)];
}
