// From a generator's output to pictures.

import sharp from "sharp";
import { writeFileAtomically } from "../atomicFile.js";
import type { Generator, NoiseMode, TruncationOptions } from "../networks/network.js";
import { noGrad } from "../torch/autograd.js";
import { upsampleNearest2d } from "../torch/ops.js";
import type { Tensor } from "../torch/tensor.js";
import { classRows } from "./latents.js";

/** An RGB picture, row by row, three bytes a pixel. */
export interface Picture {
  width: number;
  height: number;
  pixels: Uint8Array; // [height, width, 3]
}

/** Images [N, 3, H, W] in [-1, 1] as N pictures: clamp(x · 127.5 + 128, 0, 255), fractions cut off. */
export function toPictures(images: Tensor): Picture[] {
  const [n, , height, width] = images.shape as [number, number, number, number];
  const bytes = noGrad(
    () =>
      images
        .detach()
        .mul(127.5)
        .add(128)
        .clamp(0, 255)
        .to("uint8")
        .permute([0, 2, 3, 1])
        .toArray() as Uint8Array,
  );
  const size = height * width * 3;
  return Array.from({ length: n }, (_, i) => ({
    width,
    height,
    pixels: bytes.subarray(i * size, (i + 1) * size),
  }));
}

export interface RenderOptions extends TruncationOptions {
  /** [N, zDim] on the CPU. */
  z: Tensor;
  /** Class index of each latent; ignored by an unconditional network. */
  classes?: ArrayLike<number>;
  noiseMode: NoiseMode;
  /** Images computed at once. */
  batch: number;
}

/** Pictures of latents, in order, a batch at a time so that memory stays bounded. */
export function* renderLatents(G: Generator, options: RenderOptions): Iterable<Picture> {
  const { z, classes = [], noiseMode, batch, ...truncation } = options;
  const device = G.parameters()[0]?.device ?? "cpu";
  for (let start = 0; start < z.size(0); start += batch) {
    const count = Math.min(batch, z.size(0) - start);
    yield* noGrad(() => {
      const rows = Array.from({ length: count }, (_, i) => classes[start + i] ?? 0);
      const part = z.narrow(0, start, count).toDevice(device);
      const ws = G.map(part, classRows(rows, G.cDim, device), truncation);
      return toPictures(enlarge(G.synthesize(ws, { noiseMode }), G.resolution));
    });
  }
}

/** Images of a generator that has not grown fully at its full resolution: each pixel becomes a square. */
function enlarge(images: Tensor, resolution: number): Tensor {
  const factor = resolution / images.size(3);
  return factor === 1 ? images : upsampleNearest2d(images, factor);
}

/** Pictures of one size side by side, `columns` in a row; missing ones at the end stay black. */
export function tile(pictures: readonly Picture[], columns: number): Picture {
  const [first] = pictures;
  if (!first) throw new Error("tile: no pictures");
  const { width, height } = first;
  const rows = Math.ceil(pictures.length / columns);
  const grid = {
    width: width * columns,
    height: height * rows,
    pixels: new Uint8Array(width * columns * height * rows * 3),
  };
  for (const [i, { pixels }] of pictures.entries()) {
    const left = (i % columns) * width;
    const top = Math.floor(i / columns) * height;
    for (let y = 0; y < height; y++) {
      const row = pixels.subarray(y * width * 3, (y + 1) * width * 3);
      grid.pixels.set(row, ((top + y) * grid.width + left) * 3);
    }
  }
  return grid;
}

/** Writes a PNG; it appears under its name only when it is complete. */
export async function writePng(file: string, { width, height, pixels }: Picture): Promise<void> {
  const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  writeFileAtomically(file, png);
}
