// What there is to say of a run that has plainly failed, when it ends: whoever comes back to it after a night should not
// read "Done".

import type { Picture } from "../synthesis/picture.js";

/** What a run ends with. */
export interface LastSight {
  /** The loss by its name in the table. */
  loss: string;
  /** Means over the last tick, by name. */
  stats: Readonly<Record<string, unknown>>;
  /** Grids of square pictures with this side. */
  reals: Picture;
  fakes: Picture;
  side: number;
}

/**
 * Scores are logits: a network that knows nothing gives 0, one that is sure to a millionth 14. What lies beyond cannot be
 * had by pictures any more; the gradients of what saturates are gone long before.
 */
const largestScore = 15;

/** Wasserstein's scores have no scale of their own. */
const withoutScale = new Set(["wgan"]);

/**
 * Fakes whose nearest fake is so much nearer than reals are to each other are not as many pictures as they seem. Healthy
 * runs were seen at 0.7 to 1, failed ones below 0.01.
 */
const leastVariety = 0.1;

/** Sentences on what is wrong; none when nothing is seen to be. */
export function verdictOn({ loss, stats, reals, fakes, side }: LastSight): string[] {
  const sentences: string[] = [];
  const [real, fake] = [stats["Loss/scores/real"], stats["Loss/scores/fake"]].map(Number) as [number, number];
  if (!withoutScale.has(loss) && Math.max(Math.abs(real), Math.abs(fake)) > largestScore)
    sentences.push(
      `the discriminator scores pictures at ${short(real)} and fakes at ${short(fake)}, far outside of what training has use for (-5 to 5): it has diverged, and the generator learns nothing from it`,
    );
  const own = variety(reals, side);
  const share = own > 0 ? variety(fakes, side) / own : 1;
  if (share < leastVariety)
    sentences.push(
      `the pictures are almost all alike (they differ from each other by ${short(100 * share)} % of what the training pictures do): the generator has collapsed`,
    );
  return sentences;
}

const short = (value: number) => String(Number(value.toPrecision(2)));

/** Of so many pictures, made this small, each pair is compared. */
const mostPictures = 64;
const mostSide = 16;

/** The median distance of the pictures of a grid to the nearest other one: root of the mean square over values of 0 to 255. */
export function variety(grid: Picture, side: number): number {
  const pictures = cellsOf(grid, side);
  const nearest = pictures.map((picture, i) =>
    Math.min(...pictures.map((other, j) => (i === j ? Number.POSITIVE_INFINITY : distance(picture, other)))),
  );
  return nearest.sort((a, b) => a - b)[nearest.length >> 1] ?? 0;
}

function distance(a: Float64Array, b: Float64Array): number {
  const sum = a.reduce((total, value, i) => total + (value - (b[i] as number)) ** 2, 0);
  return Math.sqrt(sum / a.length);
}

/** The pictures of a grid, spread evenly over it, each as means over squares. */
function cellsOf({ width, height, pixels }: Picture, side: number): Float64Array[] {
  const columns = Math.floor(width / side);
  const count = columns * Math.floor(height / side);
  const small = Math.min(side, mostSide);
  const scale = side / small;
  const wanted = Math.min(count, mostPictures);
  return Array.from({ length: wanted }, (_, k) => {
    const index = Math.floor((k * count) / wanted);
    const [left, top] = [(index % columns) * side, Math.floor(index / columns) * side];
    const means = new Float64Array(small * small * 3);
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++)
        for (let c = 0; c < 3; c++) {
          const at = (Math.floor(y / scale) * small + Math.floor(x / scale)) * 3 + c;
          const value = pixels[((top + y) * width + left + x) * 3 + c] as number;
          means[at] = (means[at] as number) + value / scale ** 2;
        }
    return means;
  });
}
