// Pixel blitting and geometry as one warp of each picture.
// Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix B.

import { matmul } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import {
  type Affine,
  apply,
  compose,
  identity,
  isIdentity,
  rotation,
  scaling,
  translation,
} from "./affine.js";
import type { Draws } from "./draws.js";
import { sampleBilinear } from "./sampleBilinear.js";
import { tensorLike } from "./tensorLike.js";
import { sym6 } from "./wavelets.js";

/** What geometry there is; 1: with the pipeline's probability, 0: never. */
export interface GeometryStrengths {
  xflip: number;
  rotate90: number;
  xint: number;
  scale: number;
  rotate: number;
  aniso: number;
  xfrac: number;
}

const integerTranslation = 0.125; // of the picture's side
const scaleStd = 0.2; // of log2 of the factor
const anisoStd = 0.2;
const fractionalTranslationStd = 0.125;

/**
 * Where each pixel of the result comes from: a map of positions in pixels from the picture's centre.
 * The paper's transforms T come one after the other; what is sampled is T⁻¹, so that each multiplies from the right.
 */
export function drawGeometry(
  strengths: GeometryStrengths,
  p: number,
  { width, height, draws }: { width: number; height: number; draws: Draws },
): Affine {
  let inverse = identity;
  const then = (map: Affine) => {
    inverse = compose(inverse, map);
  };
  const happens = (strength: number) => strength > 0 && draws.chance(strength * p);

  // Pixel blitting
  if (happens(strengths.xflip) && Math.floor(draws.uniform() * 2) === 1) then(scaling(-1, 1));
  if (happens(strengths.rotate90)) then(rotation((Math.PI / 2) * Math.floor(draws.uniform() * 4)));
  if (happens(strengths.xint)) {
    const [x, y] = [draws.uniform(), draws.uniform()].map((u) => (u * 2 - 1) * integerTranslation);
    then(translation(-Math.round(x! * width), -Math.round(y! * height)));
  }

  // General geometry. Rotating before and after the anisotropic scaling each with probability 1 - √(1 - p) rotates with
  // probability p in all.
  const rotate = 1 - Math.sqrt(Math.min(Math.max(1 - strengths.rotate * p, 0), 1));
  const turn = () => {
    if (rotate > 0 && draws.chance(rotate)) then(rotation((draws.uniform() * 2 - 1) * Math.PI));
  };
  if (happens(strengths.scale)) {
    const factor = 2 ** (scaleStd * draws.normal());
    then(scaling(1 / factor, 1 / factor));
  }
  turn();
  if (happens(strengths.aniso)) {
    const factor = 2 ** (anisoStd * draws.normal());
    then(scaling(1 / factor, factor));
  }
  turn();
  if (happens(strengths.xfrac)) {
    const [x, y] = [draws.normal(), draws.normal()].map((n) => n * fractionalTranslationStd);
    then(translation(-x! * width, -y! * height));
  }
  return inverse;
}

/** Pixels that half of the low-pass filter reaches at the pictures' own resolution. */
const reach = sym6.length / 4;

/**
 * Each picture of `images` [N, C, H, W] under its map, without aliasing: reflected at its edges, up-sampled twofold with
 * the orthogonal wavelet's low-pass filter, sampled bilinearly, and down-sampled with the same filter. Where a map is the
 * identity the two filters undo each other.
 */
export function warp(images: Tensor, maps: readonly Affine[]): Tensor {
  if (maps.every(isIdentity)) return images.contiguous();
  return scope(() => {
    const [height, width] = images.shape.slice(2) as [number, number];
    const margin = marginOf(maps, width, height);
    const up = along(images, {
      x: reflectedUpsampling(width, margin.left, margin.right),
      y: reflectedUpsampling(height, margin.top, margin.bottom),
    });

    // Pixel x of a picture is x + margin.left in the padded one and twice that in the up-sampled one. The samples begin
    // `reach` pixels before the first, but for one which the filter behind does not need.
    const [cx, cy] = [(width - 1) / 2, (height - 1) / 2];
    const from = compose(
      translation(-reach - cx, -reach - cy),
      compose(scaling(1 / 2, 1 / 2), translation(1, 1)),
    );
    const to = compose(scaling(2, 2), translation(cx + margin.left, cy + margin.top));
    const fine = maps.map((map) => compose(to, compose(map, from)));
    const size = [(height + 2 * reach) * 2 - 2, (width + 2 * reach) * 2 - 2] as const;
    const samples = sampleBilinear(up, fine, size);
    return along(samples, { x: downsampling(width), y: downsampling(height) });
  });
}

/** A linear map of a row of pixels, [length of the result][length of the row]. */
type RowMap = Float64Array[];

/**
 * Every row of `images` [N, C, H, W] under `x` and every column under `y`. As products of matrices: for rows as short as a
 * picture's they are faster than convolutions over three channels, in both directions of the gradient.
 */
function along(images: Tensor, { x, y }: { x: RowMap; y: RowMap }): Tensor {
  const transposed = (map: RowMap) => {
    const [rows, columns] = [map.length, map[0]!.length];
    const values = Float64Array.from(
      { length: rows * columns },
      (_, i) => map[i % rows]![Math.floor(i / rows)]!,
    );
    return tensorLike(images, values, [columns, rows]);
  };
  const swap = [0, 1, 3, 2];
  const across = matmul(images.contiguous(), transposed(x)); // [N, C, H, W']
  return matmul(across.permute(swap), transposed(y)).permute(swap); // [N, C, H', W']
}

/**
 * A row of `length` pixels, reflected at its ends by so many, and up-sampled: zeros between the pixels, then the filter at
 * gain 2 over five fine pixels before and six behind.
 */
function reflectedUpsampling(length: number, before: number, after: number): RowMap {
  const taps = normalized(sym6);
  const padded = length + before + after;
  return Array.from({ length: padded * 2 }, (_, fine) => {
    const row = new Float64Array(length);
    for (const [k, tap] of taps.entries()) {
      const z = fine + taps.length / 2 - 1 - k;
      if (z % 2 !== 0 || z < 0 || z >= padded * 2) continue;
      row[reflected(z / 2 - before, length)]! += 2 * tap;
    }
    return row;
  });
}

/** From the samples, which begin `reach` pixels less one fine pixel before the first, the pixels of a row. */
function downsampling(length: number): RowMap {
  const taps = normalized(sym6);
  return Array.from({ length }, (_, pixel) => {
    const row = new Float64Array((length + 2 * reach) * 2 - 2);
    for (const [k, tap] of taps.entries()) row[2 * pixel + k] = tap;
    return row;
  });
}

function normalized(taps: readonly number[]): number[] {
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
}

/** The pixel that one beyond an end mirrors, the end itself not repeated. */
function reflected(pixel: number, length: number): number {
  if (pixel < 0) return -pixel;
  return pixel < length ? pixel : 2 * (length - 1) - pixel;
}

/** How far beyond the pictures' edges the maps and the filters look; at most as far as one reflection goes. */
function marginOf(maps: readonly Affine[], width: number, height: number) {
  const [cx, cy] = [(width - 1) / 2, (height - 1) / 2];
  const corners = maps.flatMap((map) =>
    [
      [-cx, -cy],
      [cx, -cy],
      [cx, cy],
      [-cx, cy],
    ].map(([x, y]) => apply(map, x!, y!)),
  );
  const beyond = (distances: number[], half: number, most: number) =>
    Math.ceil(Math.min(Math.max(Math.max(...distances) - half + 2 * reach, 0), most));
  return {
    left: beyond(
      corners.map(([x]) => -x),
      cx,
      width - 1,
    ),
    right: beyond(
      corners.map(([x]) => x),
      cx,
      width - 1,
    ),
    top: beyond(
      corners.map(([, y]) => -y),
      cy,
      height - 1,
    ),
    bottom: beyond(
      corners.map(([, y]) => y),
      cy,
      height - 1,
    ),
  };
}
