// Pictures, and grids of them.

import { UserError } from "../system/errors.js";
import { drawNumber, glyphHeight, numberWidth } from "./digits.js";

/** An RGB picture, row by row, three bytes a pixel. */
export interface Picture {
  width: number;
  height: number;
  pixels: Uint8Array; // [height, width, 3]
}

export interface GridShape {
  columns: number;
  rows: number;
  /** Side of the cells, which are square. */
  cell: number;
  /** Numbers above the columns and before the rows, white on black. */
  labels?: { columns: readonly string[]; rows: readonly string[] };
}

/** What libvips takes, and what a viewer can open: 268 megapixels, 800 MB while it is made. */
const maxGridPixels = 0x3fff * 0x3fff;

/**
 * A grid that is filled as its pictures come, so that no more of them than one batch is in memory at a time. Places
 * that nothing was put on stay black.
 */
export class Grid implements Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
  readonly #shape: GridShape;
  readonly #left: number;
  readonly #top: number;

  /** @throws UserError when the grid would be too large; `checkGrid` says so before any work is done */
  constructor(shape: GridShape) {
    this.#shape = shape;
    const { left, top, width, height } = checkGrid(shape);
    this.#left = left;
    this.#top = top;
    this.width = width;
    this.height = height;
    this.pixels = new Uint8Array(width * height * 3);
    this.#drawLabels();
  }

  get cells(): number {
    return this.#shape.columns * this.#shape.rows;
  }

  /** Puts a picture of the cells' size on place `index`, counted row by row. */
  place(index: number, { width, height, pixels }: Picture): void {
    const { columns, cell } = this.#shape;
    if (width !== cell || height !== cell || index >= this.cells)
      throw new Error(`grid: a picture of ${width} x ${height} does not go on place ${index}`);
    const left = this.#left + (index % columns) * cell;
    const top = this.#top + Math.floor(index / columns) * cell;
    for (let y = 0; y < height; y++) {
      const row = pixels.subarray(y * width * 3, (y + 1) * width * 3);
      this.pixels.set(row, ((top + y) * this.width + left) * 3);
    }
  }

  #drawLabels(): void {
    const { labels, cell } = this.#shape;
    if (!labels) return;
    const scale = labelScale(cell);
    for (const [i, text] of labels.columns.entries())
      drawNumber(this, text, {
        left: this.#left + i * cell + Math.floor((cell - numberWidth(text) * scale) / 2),
        top: scale,
        scale,
      });
    for (const [i, text] of labels.rows.entries())
      drawNumber(this, text, {
        left: this.#left - (numberWidth(text) + 1) * scale,
        top: this.#top + i * cell + Math.floor((cell - glyphHeight * scale) / 2),
        scale,
      });
  }
}

/** Pixels of a label for each pixel of its glyphs: readable, and small beside the cells. */
function labelScale(cell: number): number {
  return Math.max(1, Math.round(cell / 64));
}

/** The measures of a grid. @throws UserError when it would be too large */
export function checkGrid({ columns, rows, cell, labels }: GridShape): {
  left: number;
  top: number;
  width: number;
  height: number;
} {
  const scale = labelScale(cell);
  const left = labels ? (Math.max(0, ...labels.rows.map(numberWidth)) + 2) * scale : 0;
  const top = labels ? (glyphHeight + 2) * scale : 0;
  const width = left + columns * cell;
  const height = top + rows * cell;
  if (width * height > maxGridPixels)
    throw new UserError(
      `a grid of ${columns} x ${rows} pictures of ${cell} px has ${Math.round((width * height) / 1e6)} megapixels, more than ${Math.floor(maxGridPixels / 1e6)}; take fewer`,
    );
  return { left, top, width, height };
}

/** Square pictures of one size side by side, `columns` in a row; missing ones at the end stay black. */
export function tile(pictures: readonly Picture[], columns: number): Picture {
  const [first] = pictures;
  if (!first) throw new Error("tile: no pictures");
  const grid = new Grid({ columns, rows: Math.ceil(pictures.length / columns), cell: first.width });
  for (const [i, picture] of pictures.entries()) grid.place(i, picture);
  return grid;
}
