// What is left of a picture when it is made very small: enough to tell whether another shows the same.

/** Cells along each side. */
export const cellsAlong = 16;

export interface Raster {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3] */
  readonly pixels: Uint8Array;
}

/** The mean colours of 16 x 16 cells, row by row: [16, 16, 3]. */
export function cellsOf({ width, height, pixels }: Raster): Uint8Array {
  const cells = new Uint8Array(cellsAlong ** 2 * 3);
  // A cell has at least one pixel, also where there are fewer pixels than cells.
  const range = (cell: number, length: number) => {
    const first = Math.floor((cell * length) / cellsAlong);
    return [first, Math.max(first + 1, Math.floor(((cell + 1) * length) / cellsAlong))] as const;
  };
  for (let row = 0; row < cellsAlong; row++) {
    const [top, bottom] = range(row, height);
    for (let column = 0; column < cellsAlong; column++) {
      const [left, right] = range(column, width);
      let [red, green, blue] = [0, 0, 0];
      for (let y = top; y < bottom; y++) {
        for (let at = (y * width + left) * 3; at < (y * width + right) * 3; at += 3) {
          red += pixels[at] as number;
          green += pixels[at + 1] as number;
          blue += pixels[at + 2] as number;
        }
      }
      const area = (bottom - top) * (right - left);
      cells.set([red / area, green / area, blue / area], (row * cellsAlong + column) * 3);
    }
  }
  return cells;
}

/** Words of 32 bits in a hash. */
export const hashWords = cellsAlong ** 2 / 32;

/** Differences of brightness (in sums of three channels) that are noise of a compression. */
const noise = 6;

/**
 * A perceptual hash of differences ("dHash", Krawetz 2013): a bit for each cell, which says whether it is brighter than
 * the next in its row; the row's last is compared to its first. Scaling and compression leave nearly all bits as they are.
 */
export function hashOf(cells: Uint8Array): Uint32Array {
  const hash = new Uint32Array(hashWords);
  const brightness = (cell: number) =>
    (cells[cell * 3] as number) + (cells[cell * 3 + 1] as number) + (cells[cell * 3 + 2] as number);
  for (let cell = 0; cell < cellsAlong ** 2; cell++) {
    const next = cell - (cell % cellsAlong) + ((cell + 1) % cellsAlong);
    // Neighbouring cells go to different words, so that each word has seen all of the picture.
    if (brightness(cell) > brightness(next) + noise)
      (hash[cell % hashWords] as number) |= 1 << Math.floor(cell / hashWords);
  }
  return hash;
}

/** How far colours are spread around their mean, in levels of 255: the most of the three channels. */
export function deviationOf(cells: Uint8Array): number {
  const count = cells.length / 3;
  const deviations = [0, 1, 2].map((channel) => {
    let [sum, squares] = [0, 0];
    for (let at = channel; at < cells.length; at += 3) {
      sum += cells[at] as number;
      squares += (cells[at] as number) ** 2;
    }
    return Math.sqrt(Math.max(squares / count - (sum / count) ** 2, 0));
  });
  return Math.max(...deviations);
}

/** The root of the mean square difference of two pictures' cells, in levels of 255. */
export function cellDistance(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return Math.sqrt(sum / a.length);
}
