// The grids of pictures that show how a run is doing: some reals once, the same latents at every snapshot.

import type { Dataset } from "../data/dataset.js";
import type { Generator } from "../networks/network.js";
import { latentsOfSeed } from "../synthesis/latents.js";
import { type Picture, tile } from "../synthesis/picture.js";
import { renderLatents } from "../synthesis/render.js";

export interface GridSize {
  columns: number;
  rows: number;
}

// Pictures computed at once for a grid.
const batch = 16;

/**
 * How many pictures a grid has: as many as fill 7680 x 4320 pixels, from 7 x 4 to 32 x 32 (as in NVIDIA's
 * runs), but no more than a hundredth of the pictures that the run shows, or a small run would spend its time
 * on grids.
 */
export function gridSize(resolution: number, runNimg: number): GridSize {
  const within = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);
  const columns = within(Math.floor(7680 / resolution), 7, 32);
  const rows = within(Math.floor(4320 / resolution), 4, 32);
  const shrink = Math.min(1, Math.sqrt(runNimg / 100 / (columns * rows)));
  return { columns: Math.max(Math.round(columns * shrink), 7), rows: Math.max(Math.round(rows * shrink), 4) };
}

/** Indices of the reals in a grid: spread evenly over the set, one class to a row if there are classes. */
export function realsInGrid(dataset: Dataset, { columns, rows }: GridSize): number[] {
  const { classNames, length } = dataset;
  if (classNames.length === 0)
    return Array.from({ length: columns * rows }, (_, i) => Math.floor((i * length) / (columns * rows)));
  const byClass = classNames.map((_, label) =>
    Array.from({ length }, (_, index) => index).filter((index) => dataset.label(index) === label),
  );
  const filled = byClass.filter((indices) => indices.length > 0);
  return Array.from({ length: rows }, (_, row) => filled[row % filled.length] as number[]).flatMap(
    (indices, row) =>
      Array.from({ length: columns }, (_, column) => {
        const turn = Math.floor(row / filled.length);
        return indices[(turn * columns + column) % indices.length] as number;
      }),
  );
}

/** The grids of one run: some reals, and fakes of latents that depend on `seed` alone, with the classes of the reals. */
export class PictureGrids {
  readonly #dataset: Dataset;
  readonly #seed: number;
  readonly #columns: number;
  readonly #indices: readonly number[];

  constructor(dataset: Dataset, { seed, grid }: { seed: number; grid: GridSize }) {
    this.#dataset = dataset;
    this.#seed = seed;
    this.#columns = grid.columns;
    this.#indices = realsInGrid(dataset, grid);
  }

  reals(): Picture {
    const { resolution } = this.#dataset;
    const pictures = this.#indices.map((index) => {
      const pixels = new Uint8Array(resolution * resolution * 3);
      this.#dataset.readImage(index, pixels, 0);
      return { width: resolution, height: resolution, pixels };
    });
    return tile(pictures, this.#columns);
  }

  fakes(G: Generator): Picture {
    const classes = this.#indices.map((index) => Math.max(this.#dataset.label(index), 0));
    const z = latentsOfSeed(this.#seed, classes.length, G.zDim);
    try {
      return tile([...renderLatents(G, { z, classes, noiseMode: "const", batch })], this.#columns);
    } finally {
      z.dispose();
    }
  }
}
