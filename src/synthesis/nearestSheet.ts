// The sheet of pictures beside those that are nearest to them.

import { drawNumber, glyphHeight } from "./digits.js";
import { Grid, type GridShape, type Picture } from "./picture.js";

/** Pixels that a picture has at least on a sheet: smaller ones are enlarged, each pixel a square. */
const smallestCell = 64;

/** A row for each fake: itself, then its neighbours, each with a number above it. */
export interface SheetRow {
  label: string;
  fake: Picture;
  neighbours: readonly { label: string; picture: Picture }[];
}

export function sheetShape({ rows, count, side }: { rows: number; count: number; side: number }): GridShape {
  const { cell } = cellOf(side);
  return { columns: count + 1, rows, cell };
}

export function nearestSheet(
  rows: readonly SheetRow[],
  { count, side }: { count: number; side: number },
): Picture {
  const shape = sheetShape({ rows: rows.length, count, side });
  const grid = new Grid(shape);
  for (const [y, { label, fake, neighbours }] of rows.entries())
    for (const [x, cell] of [{ label, picture: fake }, ...neighbours].entries())
      grid.place(y * shape.columns + x, labelled(cell.picture, cell.label));
  return grid;
}

/** A square with room for a number above the picture. */
function cellOf(side: number): { cell: number; factor: number; scale: number } {
  const factor = Math.max(1, Math.ceil(smallestCell / side));
  const scale = Math.max(1, Math.round((side * factor) / 64));
  return { cell: side * factor + (glyphHeight + 4) * scale, factor, scale };
}

function labelled({ width: side, pixels }: Picture, label: string): Picture {
  const { cell, factor, scale } = cellOf(side);
  const canvas = { width: cell, height: cell, pixels: new Uint8Array(cell ** 2 * 3) };
  const [left, top] = [Math.floor((cell - side * factor) / 2), cell - side * factor];
  for (let y = 0; y < side * factor; y++)
    for (let x = 0; x < side * factor; x++) {
      const from = (Math.floor(y / factor) * side + Math.floor(x / factor)) * 3;
      canvas.pixels.set(pixels.subarray(from, from + 3), ((top + y) * cell + left + x) * 3);
    }
  drawNumber(canvas, label, { left: left + scale, top: 2 * scale, scale });
  return canvas;
}
