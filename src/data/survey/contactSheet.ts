// Many small pictures on one.

import sharp from "sharp";
import type { Raster } from "./fingerprint.js";

const columns = 12;
const gap = 4;

/** Rasters of one size in rows, as a PNG file. */
export function contactSheet(rasters: readonly Raster[]): Promise<Buffer> {
  const { width = 1, height = 1 } = rasters[0] ?? {};
  const across = Math.min(columns, Math.max(rasters.length, 1));
  const rows = Math.max(Math.ceil(rasters.length / across), 1);
  const whole = { width: across * (width + gap) + gap, height: rows * (height + gap) + gap };
  const pixels = Buffer.alloc(whole.width * whole.height * 3, 255);
  for (const [index, raster] of rasters.entries()) {
    const left = gap + (index % across) * (width + gap);
    const top = gap + Math.floor(index / across) * (height + gap);
    for (let y = 0; y < height; y++) {
      const row = raster.pixels.subarray(y * width * 3, (y + 1) * width * 3);
      pixels.set(row, ((top + y) * whole.width + left) * 3);
    }
  }
  return sharp(pixels, { raw: { ...whole, channels: 3 } })
    .png()
    .toBuffer();
}
