// From a generator's output to pictures.

import type { Generator, NoiseMode, TruncationOptions } from "../networks/network.js";
import { noGrad } from "../torch/autograd.js";
import { upsampleNearest2d } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Device, Tensor } from "../torch/tensor.js";
import { classRows } from "./latents.js";
import type { Picture } from "./picture.js";

/** Images [N, 3, H, W] in [-1, 1] as bytes: clamp(x · 127.5 + 128, 0, 255), fractions cut off. */
export function toBytes(images: Tensor): Tensor {
  return noGrad(() => images.detach().mul(127.5).add(128).clamp(0, 255).to("uint8"));
}

/** Images [N, 3, H, W] in [-1, 1] as N pictures of such bytes. */
export function toPictures(images: Tensor): Picture[] {
  const [n, , height, width] = images.shape as [number, number, number, number];
  const bytes = noGrad(() => toBytes(images).permute([0, 2, 3, 1]).toArray() as Uint8Array);
  const size = height * width * 3;
  return Array.from({ length: n }, (_, i) => ({
    width,
    height,
    pixels: bytes.subarray(i * size, (i + 1) * size),
  }));
}

export interface SynthesisOptions {
  noiseMode: NoiseMode;
  /** Images computed at once. */
  batch: number;
}

export interface RenderOptions extends TruncationOptions, SynthesisOptions {
  /** [N, zDim] on the CPU. */
  z: Tensor;
  /** Class index of each latent; ignored by an unconditional network. */
  classes?: ArrayLike<number>;
}

/** Pictures of latents, in order, a batch at a time so that memory stays bounded. */
export function* renderLatents(G: Generator, options: RenderOptions): Iterable<Picture> {
  const { z, classes = [], noiseMode, batch, ...truncation } = options;
  for (let start = 0; start < z.size(0); start += batch) {
    const count = Math.min(batch, z.size(0) - start);
    const rows = Array.from({ length: count }, (_, i) => classes[start + i] ?? 0);
    yield* scope(() => {
      const ws = mapLatents(G, { z: z.narrow(0, start, count), classes: rows, ...truncation });
      return toPictures(synthesizeImages(G, ws, noiseMode));
    });
  }
}

/** Pictures of ws [N, numWs, wDim], in order, a batch at a time. */
export function* renderWs(
  G: Generator,
  { ws, noiseMode, batch }: SynthesisOptions & { ws: Tensor },
): Iterable<Picture> {
  for (let start = 0; start < ws.size(0); start += batch) {
    const count = Math.min(batch, ws.size(0) - start);
    yield* scope(() => toPictures(synthesizeImages(G, ws.narrow(0, start, count), noiseMode)));
  }
}

/** Latents [N, zDim], from any device, and their class indices to ws [N, numWs, wDim] on the generator's. */
export function mapLatents(
  G: Generator,
  options: TruncationOptions & { z: Tensor; classes: ArrayLike<number> },
): Tensor {
  const { z, classes, ...truncation } = options;
  const device = deviceOf(G);
  return noGrad(() => G.map(z.toDevice(device), classRows(classes, G.cDim, device), truncation));
}

/**
 * ws [N, numWs, wDim], from any device, to images [N, 3, resolution, resolution] in about [-1, 1]. Those of a generator
 * that has not grown fully are enlarged: each pixel becomes a square.
 */
export function synthesizeImages(G: Generator, ws: Tensor, noiseMode: NoiseMode): Tensor {
  return noGrad(() => {
    const images = G.synthesize(ws.toDevice(deviceOf(G)), { noiseMode });
    const factor = G.resolution / images.size(3);
    return factor === 1 ? images : upsampleNearest2d(images, factor);
  });
}

/** Where a generator's weights are. */
export function deviceOf(G: Generator): Device {
  return G.parameters()[0]?.device ?? "cpu";
}
