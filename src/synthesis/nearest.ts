// Generated pictures beside the training pictures that are nearest to them: the look at whether a network has learned to
// draw or to copy.

import { setImmediate } from "node:timers/promises";
import { NearestNeighbours, type Neighbour } from "../metrics/nearest.js";
import { spreadIndices } from "../metrics/reals.js";
import { noGrad } from "../torch/autograd.js";
import { cat } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import { type Tensor, tensorFromBytes } from "../torch/tensor.js";
import { type MeasuredData, realBatch } from "./measured.js";
import type { Picture } from "./picture.js";

/** What pictures [N, 3, H, W] in 0 to 255 are compared by: rows [N, F]. */
export type Features = (pictures: Tensor) => Promise<Tensor> | Tensor;

export interface NearestRequest {
  fakes: readonly Picture[];
  data: MeasuredData;
  features: Features;
  /** Neighbours of each. */
  count: number;
  /** Whether reals count mirrored too; their indices come after those of all reals. */
  mirror: boolean;
  /** Pictures at once. */
  batch: number;
  onProgress?: (done: number, total: number) => void;
  /** Asked after every batch. */
  shouldStop?: () => boolean;
}

export interface NearestResult {
  /** Of each fake, nearest first. */
  neighbours: readonly (readonly Neighbour[])[];
  /** The distances of real pictures to their nearest other one, ascending: what is usual. */
  usual: readonly number[];
}

/** Real pictures that say what distance is usual; more would not say it much better. */
const probes = 256;

/** Looks at every real once; undefined when it was stopped. */
export async function nearestReals(request: NearestRequest): Promise<NearestResult | undefined> {
  const { fakes, data, features, count, mirror, batch, onProgress, shouldStop } = request;
  const probed = data.length > 1 ? spreadIndices(data.length, Math.min(probes, data.length)) : [];
  const queries = await queryFeatures({ ...request, probed });
  // A probe is a real itself, upright and mirrored.
  const own = (query: number) => {
    const index = probed[query - fakes.length];
    return index === undefined ? [] : [index, index + data.length];
  };
  const nearest = new NearestNeighbours(queries, { count, own });
  queries.dispose();
  const total = data.length * (mirror ? 2 : 1);
  try {
    for (let start = 0; start < total; start += batch) {
      const size = Math.min(batch, total - start);
      const rows = await rowsOf(realBatch(data, { start, size }), features);
      nearest.add(rows);
      rows.dispose();
      onProgress?.(start + size, total);
      await setImmediate(); // signals arrive here
      if (shouldStop?.() && start + size < total) return undefined;
    }
    const { neighbours } = nearest;
    const usual = neighbours.slice(fakes.length).flatMap(([first]) => (first ? [first.distance] : []));
    return { neighbours: neighbours.slice(0, fakes.length), usual: usual.sort((a, b) => a - b) };
  } finally {
    nearest.dispose();
  }
}

/** The features of the fakes, then of the probes. */
async function queryFeatures({
  fakes,
  data,
  features,
  batch,
  probed,
}: NearestRequest & { probed: readonly number[] }): Promise<Tensor> {
  const parts: Tensor[] = [];
  for (let start = 0; start < fakes.length; start += batch)
    parts.push(await rowsOf(bytesOf(fakes.slice(start, start + batch)), features));
  for (let start = 0; start < probed.length; start += batch)
    parts.push(await rowsOf(bytesOf(readAll(data, probed.slice(start, start + batch))), features));
  const all = noGrad(() => cat(parts, 0));
  for (const part of parts) part.dispose();
  return all;
}

/** Takes the pictures over. */
async function rowsOf(pictures: Tensor, features: Features): Promise<Tensor> {
  const rows = await features(pictures);
  pictures.dispose();
  return rows;
}

function bytesOf(pictures: readonly Picture[]): Tensor {
  const [{ width, height } = { width: 0, height: 0 }] = pictures;
  const pixels = new Uint8Array(pictures.length * width * height * 3);
  for (const [i, picture] of pictures.entries()) pixels.set(picture.pixels, i * width * height * 3);
  return scope(() =>
    tensorFromBytes(pixels, [pictures.length, height, width, 3], "uint8").permute([0, 3, 1, 2]).contiguous(),
  );
}

/** Reals by index; those from `data.length` on are mirrored. */
export function readAll(data: MeasuredData, indices: readonly number[]): Picture[] {
  const { resolution: side, length } = data;
  return indices.map((index) => {
    const pixels = new Uint8Array(side ** 2 * 3);
    data.readImage(index % length, pixels, 0);
    return { width: side, height: side, pixels: index < length ? pixels : mirrored(pixels, side) };
  });
}

function mirrored(pixels: Uint8Array, side: number): Uint8Array {
  const result = new Uint8Array(pixels.length);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const from = (y * side + x) * 3;
      result.set(pixels.subarray(from, from + 3), (y * side + (side - 1 - x)) * 3);
    }
  return result;
}
