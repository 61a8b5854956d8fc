// Pictures of seeds or of given latents, as files in a folder.

import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Generator, NoiseMode } from "../networks/network.js";
import { encodeNpy } from "../numpy/npy.js";
import { cat } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import type { ImageFormat } from "./choices.js";
import { type DirectionStep, moveAlong } from "./directions.js";
import { encodePicture, FileQueue, writePicture } from "./encode.js";
import { latentsOfSeeds } from "./latents.js";
import { Grid, type GridShape } from "./picture.js";
import { mapLatents, synthesizeImages, toPictures } from "./render.js";

/** Pictures of seeds, each at every truncation. */
export interface SeedSource {
  seeds: readonly number[];
  /** ψ of each picture; several for a sweep. */
  truncations: readonly number[];
  truncationCutoff?: number | undefined;
  /** Of all pictures; ignored by an unconditional network. */
  classIndex: number;
}

/** Pictures of latents as they are. */
export interface LatentSource {
  /** [N, numWs, wDim]; the caller's. */
  ws: Tensor;
}

export interface GenerateOptions {
  source: SeedSource | LatentSource;
  /** Directions along which every latent is moved. */
  steps?: readonly DirectionStep[];
  noiseMode: NoiseMode;
  /** Images computed at once. */
  batch: number;
  /** An existing folder. */
  outdir: string;
  format: ImageFormat;
  /** Also a picture `grid` of the first ones. A sweep has one of its own: a row for each seed, ψ by column. */
  grid?: { columns: number; rows: number } | undefined;
  onProgress?: (done: number) => void;
  /** Asked after each batch. */
  shouldStop?: () => boolean;
}

export interface Generated {
  /** Images that are complete on disk. */
  written: number;
  total: number;
  /** The grid's file, when it has one. */
  grid: string | undefined;
}

/** Rows of a sweep's grid: more of them nobody looks at, and the picture has to be held in memory. */
const maxSweepRows = 32;

/** Name of a seed's picture without its ending; with ψ where a sweep needs it. */
export function seedName(seed: number, psi?: number): string {
  const name = `seed${String(seed).padStart(4, "0")}`;
  return psi === undefined ? name : `${name}-trunc${psi}`;
}

/** Images that a source stands for. */
export function imageCount(source: SeedSource | LatentSource): number {
  return "ws" in source ? source.ws.size(0) : source.seeds.length * source.truncations.length;
}

/** The grid that `generateFiles` will write, for `checkGrid`; undefined for none. */
export function gridShapeOf(
  G: Generator,
  { source, grid }: Pick<GenerateOptions, "source" | "grid">,
): GridShape | undefined {
  if (!isSweep(source)) return grid && { ...grid, cell: G.resolution };
  const { seeds, truncations } = source;
  const shown = seeds.slice(0, maxSweepRows);
  return {
    columns: truncations.length,
    rows: shown.length,
    cell: G.resolution,
    labels: { columns: truncations.map(String), rows: shown.map(String) },
  };
}

function isSweep(source: SeedSource | LatentSource): source is SeedSource {
  return "seeds" in source && source.truncations.length > 1;
}

/**
 * Writes every image of the source under its name, and the grid. Encoding and writing go on beside the computing; no
 * more than a few batches are in memory.
 * @throws UserError when a file cannot be written; those before it are complete
 */
export async function generateFiles(G: Generator, options: GenerateOptions): Promise<Generated> {
  const { source, outdir, format, noiseMode, onProgress, shouldStop } = options;
  const shape = gridShapeOf(G, options);
  const grid = shape && new Grid(shape);
  const files = new FileQueue();
  const total = imageCount(source);
  let done = 0;
  let stopped = false;
  for (const { names, ws } of latentBatches(G, options)) {
    const encoded = scope(() => {
      const images = synthesizeImages(G, ws, noiseMode);
      const first = done;
      const pictures = format === "npy" && !grid ? [] : toPictures(images);
      if (grid)
        for (const [i, picture] of pictures.entries())
          if (first + i < grid.cells) grid.place(first + i, picture);
      return format === "npy"
        ? rawImages(images).map((bytes) => Promise.resolve(bytes))
        : pictures.map((picture) => encodePicture(picture, format));
    });
    ws.dispose();
    for (const [i, bytes] of encoded.entries()) await files.add(join(outdir, `${names[i]}.${format}`), bytes);
    done += names.length;
    onProgress?.(done);
    // Signals and finished encoders have their turn here.
    await nextTurn();
    stopped = done < total && (shouldStop?.() ?? false);
    if (stopped) break;
  }
  await files.finish();
  const { written } = files;
  if (!grid || stopped) return { written, total, grid: undefined };
  const gridFormat = format === "npy" ? "png" : format;
  const gridFile = join(outdir, `grid.${gridFormat}`);
  await writePicture(gridFile, grid, gridFormat);
  return { written, total, grid: gridFile };
}

/** Images [N, 3, H, W] as N `.npy` files of [3, H, W]. */
function rawImages(images: Tensor): Uint8Array[] {
  const [n, channels, height, width] = images.shape as [number, number, number, number];
  const values = images.toFloat32Array();
  const size = channels * height * width;
  return Array.from({ length: n }, (_, i) =>
    encodeNpy({ shape: [channels, height, width], data: values.slice(i * size, (i + 1) * size) }),
  );
}

/** Names and ws of the images, a batch at a time, seed by seed; the ws are the caller's. */
function* latentBatches(
  G: Generator,
  { source, steps = [], batch }: GenerateOptions,
): Iterable<{ names: string[]; ws: Tensor }> {
  const moved = (ws: Tensor) => (steps.length > 0 ? moveAlong(ws, steps) : ws);
  if ("ws" in source) {
    for (let start = 0; start < source.ws.size(0); start += batch) {
      const count = Math.min(batch, source.ws.size(0) - start);
      const names = Array.from({ length: count }, (_, i) => `proj${String(start + i).padStart(2, "0")}`);
      yield { names, ws: scope(() => moved(source.ws.narrow(0, start, count))) };
    }
    return;
  }
  const { seeds, truncations, classIndex, truncationCutoff } = source;
  const cutoff = truncationCutoff === undefined ? {} : { truncationCutoff };
  const total = seeds.length * truncations.length;
  for (let start = 0; start < total; start += batch) {
    const items = Array.from({ length: Math.min(batch, total - start) }, (_, i) => ({
      seed: seeds[Math.floor((start + i) / truncations.length)] as number,
      psi: truncations[(start + i) % truncations.length] as number,
    }));
    const ws = scope(() => {
      const z = latentsOfSeeds(
        items.map(({ seed }) => seed),
        G.zDim,
      );
      const classes = items.map(() => classIndex);
      if (truncations.length === 1)
        return moved(mapLatents(G, { z, classes, truncationPsi: truncations[0] as number, ...cutoff }));
      // Each ψ of a sweep is a call of its own, for a single latent: mapping costs next to nothing.
      const rows = items.map(({ psi }, i) =>
        mapLatents(G, { z: z.narrow(0, i, 1), classes: [classIndex], truncationPsi: psi, ...cutoff }),
      );
      return moved(cat(rows, 0));
    });
    yield {
      names: items.map(({ seed, psi }) => seedName(seed, truncations.length > 1 ? psi : undefined)),
      ws,
    };
  }
}
