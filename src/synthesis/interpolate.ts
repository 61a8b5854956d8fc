// Interpolation: the pictures on a path through latents.

import type { Generator, TruncationOptions } from "../networks/network.js";
import { UserError } from "../system/errors.js";
import { cat } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import { type Tensor, tensor } from "../torch/tensor.js";
import { type Easing, easings, type Interpolation } from "./choices.js";
import { type Direction, moveAlong } from "./directions.js";
import { latentsOfSeeds } from "./latents.js";
import { Grid, type GridShape, type Picture } from "./picture.js";
import { mapLatents, renderWs, type SynthesisOptions } from "./render.js";

/** a + t (b - a) */
export function lerp(a: Float32Array, b: Float32Array, t: number): Float32Array {
  return a.map((value, i) => value + t * ((b[i] as number) - value));
}

/**
 * From a to b along the great circle between their directions: the angle grows evenly, and so does the length, from |a|
 * to |b|. Shoemake, "Animating Rotation with Quaternion Curves" (1985). Opposite or vanishing vectors have no great
 * circle between them; they are joined by the straight line.
 */
export function slerp(a: Float32Array, b: Float32Array, t: number): Float32Array {
  const lengthA = Math.hypot(...a);
  const lengthB = Math.hypot(...b);
  const cosine = dot(a, b) / (lengthA * lengthB);
  const angle = Math.acos(Math.min(Math.max(cosine, -1), 1));
  const sine = Math.sin(angle);
  if (!(sine > 1e-6)) return lerp(a, b, t);
  const length = lengthA + t * (lengthB - lengthA);
  const fromA = (Math.sin((1 - t) * angle) / sine / lengthA) * length;
  const fromB = (Math.sin(t * angle) / sine / lengthB) * length;
  return a.map((value, i) => fromA * value + fromB * (b[i] as number));
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (const [i, value] of a.entries()) sum += value * (b[i] as number);
  return sum;
}

/** Keyframes of each cell of the film's grid, cell after cell. */
export type Keyframes =
  | { seeds: readonly number[]; space: "z" | "w" }
  /** Projected latents [N, numWs, wDim]; the caller's. */
  | { ws: Tensor };

export interface InterpolationOptions extends SynthesisOptions, TruncationOptions {
  keyframes: Keyframes;
  /** Keyframes of each cell: the first cell takes the first so many, and so on, from the start again when they end. */
  numKeyframes: number;
  /** Frames from one keyframe to the next. */
  wFrames: number;
  interpolation: Interpolation;
  easing: Easing;
  /** The last keyframe leads back to the first. */
  loop: boolean;
  /** Default one cell. */
  grid?: { columns: number; rows: number };
  /** Directions whose amount goes from one value to another over the film; and back, when it loops. */
  sweeps?: readonly { direction: Direction; from: number; to: number }[];
  classIndex?: number;
}

/** Number of frames of the film. */
export function frameCount({
  numKeyframes,
  wFrames,
  loop,
  sweeps = [],
}: Pick<InterpolationOptions, "numKeyframes" | "wFrames" | "loop" | "sweeps">): number {
  if (loop) return numKeyframes * wFrames;
  // A sweep needs time, even with a single keyframe.
  const segments = Math.max(numKeyframes - 1, sweeps.some(({ from, to }) => from !== to) ? 1 : 0);
  return segments * wFrames + 1;
}

/**
 * The frames of the film, one after the other; frame 0 is the first keyframe of every cell.
 * @throws UserError when spaces and networks do not go together
 */
export function* interpolationFrames(G: Generator, options: InterpolationOptions): Iterable<Picture> {
  const { batch, noiseMode, loop, grid = { columns: 1, rows: 1 } } = options;
  const cells = grid.columns * grid.rows;
  const path = keyframePath(G, options);
  const frames = frameCount(options);
  const shape: GridShape = { ...grid, cell: G.resolution };
  // As many frames at once as make a batch of pictures.
  const together = Math.max(1, Math.floor(batch / cells));
  for (let start = 0; start < frames; start += together) {
    const count = Math.min(together, frames - start);
    const ws = scope(() => {
      const positions = Array.from({ length: count }, (_, i) => start + i);
      const plain = path.at(positions.flatMap((frame) => cellsAt(frame, cells)));
      const amounts = positions.map((frame) => sweepShare(frame, { frames, loop, easing: options.easing }));
      return sweep(plain, options.sweeps ?? [], { amounts, cells });
    });
    try {
      let index = 0;
      let film: Grid | undefined;
      for (const picture of renderWs(G, { ws, noiseMode, batch })) {
        film ??= new Grid(shape);
        film.place(index % cells, picture);
        index += 1;
        if (index % cells > 0) continue;
        yield film;
        film = undefined;
      }
    } finally {
      ws.dispose();
    }
  }
}

const cellsAt = (frame: number, cells: number) =>
  Array.from({ length: cells }, (_, cell) => ({ frame, cell }));

/** How far a sweep is at a frame, from 0 to 1; a loop comes back to 0. */
function sweepShare(frame: number, film: { frames: number; loop: boolean; easing: Easing }): number {
  const { frames, loop, easing } = film;
  if (loop) return (1 - Math.cos((2 * Math.PI * frame) / frames)) / 2;
  return easings[easing](frame / Math.max(frames - 1, 1));
}

/** ws of whole frames, each moved along the sweeps' directions as far as its share says. */
function sweep(
  ws: Tensor,
  sweeps: readonly { direction: Direction; from: number; to: number }[],
  { amounts, cells }: { amounts: readonly number[]; cells: number },
): Tensor {
  if (sweeps.length === 0) return ws;
  const moved = amounts.map((share, i) =>
    moveAlong(
      ws.narrow(0, i * cells, cells),
      sweeps.map(({ direction, from, to }) => ({ direction, amount: from + share * (to - from) })),
    ),
  );
  return cat(moved, 0);
}

interface Path {
  /** ws of points of the film, [points, numWs, wDim]. */
  at(points: readonly { frame: number; cell: number }[]): Tensor;
}

/** The path of every cell through its keyframes. */
function keyframePath(G: Generator, options: InterpolationOptions): Path {
  const { keyframes, numKeyframes, classIndex = 0, truncationPsi = 1, truncationCutoff } = options;
  const truncation = { truncationPsi, ...(truncationCutoff === undefined ? {} : { truncationCutoff }) };
  const map = (z: Tensor) =>
    mapLatents(G, { z, classes: Array.from({ length: z.size(0) }, () => classIndex), ...truncation });
  const inZ = "seeds" in keyframes && keyframes.space === "z";
  const points = scope(() => {
    if ("ws" in keyframes) return vectorsOf(keyframes.ws);
    const z = latentsOfSeeds(keyframes.seeds, G.zDim);
    return inZ ? vectorsOf(z.unsqueeze(1)) : vectorsOf(map(z));
  });
  if (points.length === 0) throw new UserError("there are no keyframes");
  return {
    at: (wanted) =>
      scope(() => {
        const rows = wanted.map(({ frame, cell }) => {
          const { from, to, t } = segmentAt(frame, options);
          const keyframe = (index: number) =>
            points[(cell * numKeyframes + index) % points.length] as Float32Array[];
          return between(keyframe(from), keyframe(to), { t, interpolation: options.interpolation });
        });
        const [vectors, size] = [points[0]?.length ?? 0, points[0]?.[0]?.length ?? 0];
        const values = new Float32Array(rows.length * vectors * size);
        for (const [i, row] of rows.entries())
          for (const [j, vector] of row.entries()) values.set(vector, (i * vectors + j) * size);
        const flat = tensor(values, [rows.length, vectors, size]);
        return inZ ? map(flat.squeeze(1)) : flat;
      }),
  };
}

/** [N, V, D] as N lists of V vectors. */
function vectorsOf(values: Tensor): Float32Array[][] {
  const [n, vectors, size] = values.shape as [number, number, number];
  const flat = values.toFloat32Array();
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: vectors }, (_, j) => {
      const start = (i * vectors + j) * size;
      return flat.subarray(start, start + size);
    }),
  );
}

/** The two keyframes around a frame, and how far it is between them after easing. */
function segmentAt(
  frame: number,
  { numKeyframes, wFrames, easing }: InterpolationOptions,
): { from: number; to: number; t: number } {
  const segment = Math.floor(frame / wFrames);
  const t = easings[easing]((frame % wFrames) / wFrames);
  // At the end of a film that does not loop, t is 0 and the second keyframe has no effect.
  return { from: segment % numKeyframes, to: (segment + 1) % numKeyframes, t };
}

function between(
  a: readonly Float32Array[],
  b: readonly Float32Array[],
  { t, interpolation }: { t: number; interpolation: Interpolation },
): Float32Array[] {
  const along = interpolation === "linear" ? lerp : slerp;
  return a.map((vector, i) => (t === 0 ? vector : along(vector, b[i] as Float32Array, t)));
}
