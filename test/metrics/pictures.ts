// Sets of pictures with something to measure in them.

import type { RgbPicture } from "../../src/metrics/descriptors.js";
import { createRandom } from "../../src/system/random.js";

export interface PictureSetOptions {
  count: number;
  side: number;
  seed: number;
  /** Standard deviation, in bytes, of noise over the pictures. */
  noise?: number;
  /** Times that each pixel is averaged with its right and lower neighbours. */
  blur?: number;
}

/** Discs of random place, size and colour on a grainy ground. */
export function discs({ count, side, seed, noise = 0, blur = 0 }: PictureSetOptions): RgbPicture[] {
  const random = createRandom(seed, 7);
  return Array.from({ length: count }, () => {
    const [cx, cy] = [random() * side, random() * side];
    const radius = side * (0.15 + 0.2 * random());
    const colour = [random(), random(), random()].map((value) => value * 255);
    let values = Float64Array.from({ length: side * side * 3 }, (_, i) => {
      const [x, y] = [Math.floor(i / 3) % side, Math.floor(i / 3 / side)];
      const inside = Math.hypot(x - cx, y - cy) < radius;
      return inside ? (colour[i % 3] as number) : 100 + 40 * random();
    });
    for (let turn = 0; turn < blur; turn++)
      values = values.map((value, i) => {
        const x = Math.floor(i / 3) % side;
        const right = x < side - 1 ? (values[i + 3] as number) : value;
        return (value + right + (values[i + 3 * side] ?? value)) / 3;
      });
    const pixels = Uint8Array.from(values, (value) =>
      Math.min(255, Math.max(0, Math.round(value + noise * Math.sqrt(12) * (noise ? random() - 0.5 : 0)))),
    );
    return { width: side, height: side, pixels };
  });
}
