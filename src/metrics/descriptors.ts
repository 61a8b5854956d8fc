// Descriptors of pictures: small neighbourhoods at random positions of every level of a Laplacian pyramid.
// Karras et al., "Progressive Growing of GANs" (2018), section 5.

import { UserError } from "../system/errors.js";
import { createRandom, type Random } from "../system/random.js";
import { noGrad } from "../torch/autograd.js";
import { empty } from "../torch/ops.js";
import { type Device, type Tensor, tensor } from "../torch/tensor.js";
import { laplacianPyramid, levelResolutions } from "./pyramid.js";

/** A square RGB picture, row by row, three bytes a pixel. */
export interface RgbPicture {
  width: number;
  height: number;
  pixels: Uint8Array; // [height, width, 3]
}

const neighbourhoodSide = 7;
const neighbourhoodsPerImage = 128;
const channels = 3;
const area = neighbourhoodSide ** 2;
/** Numbers in one descriptor. */
export const descriptorSize = channels * area;

const smallestResolution = 8;

// Pixels whose pyramid is computed at once: 64 pictures of 32 px, one of 256 px or more.
const pixelsAtOnce = 2 ** 16;

/** The descriptors of one level, normalized. */
export interface DescriptorLevel {
  resolution: number;
  values: Tensor; // [128 N, 147], channel by channel
}

/** The descriptors of a set of pictures; they live until `dispose`. */
export class Descriptors {
  readonly images: number;
  /** From the full resolution down. */
  readonly levels: readonly DescriptorLevel[];

  constructor(images: number, levels: readonly DescriptorLevel[]) {
    this.images = images;
    this.levels = levels;
  }

  /** Side of the pictures. */
  get resolution(): number {
    return this.levels[0]?.resolution ?? 0;
  }

  dispose(): void {
    for (const { values } of this.levels) values.dispose();
  }
}

export interface DescriptorOptions {
  /** Where the neighbourhoods lie. */
  seed: number;
  /** Which of the seed's independent sequences of positions. Default: 0. */
  stream?: number;
  /** Where the pyramids are computed and the descriptors are kept. Default: cpu. */
  device?: Device;
}

/** @throws UserError when pictures of that side are too small for the metric, or no power of two */
export function checkMetricResolution(resolution: number): void {
  if (resolution >= smallestResolution && Number.isInteger(Math.log2(resolution))) return;
  throw new UserError(
    `swd compares pictures of 8, 16, 32, … pixels a side, not ${resolution}: use a network and pictures of such a size`,
  );
}

/**
 * The descriptors of `pictures`, which are read once and need not fit into memory: what stays is 77 MB per level for
 * 1024 of them. They depend on the pictures, their order and the options alone.
 */
export function computeDescriptors(
  pictures: Iterable<RgbPicture>,
  { seed, stream = 0, device = "cpu" }: DescriptorOptions,
): Descriptors {
  const random = createRandom(seed, stream);
  let collected: LevelCollector[] | undefined;
  let images = 0;
  for (const batch of batches(pictures)) {
    const resolutions = levelResolutions(batch.side);
    collected ??= resolutions.map((resolution) => new LevelCollector(resolution));
    const pyramid = pyramidOf(batch, device);
    for (let i = 0; i < batch.count; i++)
      for (const [l, level] of collected.entries()) level.add(pyramid[l] as Float32Array, i, random);
    images += batch.count;
  }
  if (!collected) throw new RangeError("computeDescriptors: no pictures");
  return new Descriptors(
    images,
    collected.map((level) => ({ resolution: level.resolution, values: level.finish(device) })),
  );
}

interface Batch {
  side: number;
  count: number;
  pixels: Uint8Array; // [count, side, side, 3]
}

function* batches(pictures: Iterable<RgbPicture>): Iterable<Batch> {
  let batch: Batch | undefined;
  for (const { width, height, pixels } of pictures) {
    if (!batch) {
      checkMetricResolution(width);
      const capacity = Math.max(1, Math.floor(pixelsAtOnce / width ** 2));
      batch = { side: width, count: 0, pixels: new Uint8Array(capacity * width ** 2 * channels) };
    }
    const { side } = batch;
    const size = side ** 2 * channels;
    if (width !== side || height !== side || pixels.length !== size)
      throw new RangeError(
        `computeDescriptors: a picture of ${width} x ${height} with ${pixels.length} bytes where all are ${side} x ${side} with ${size}`,
      );
    batch.pixels.set(pixels, batch.count * size);
    batch.count += 1;
    if (batch.count * size === batch.pixels.length) {
      yield batch;
      batch.count = 0;
    }
  }
  if (batch && batch.count > 0) yield batch;
}

/** The levels of a batch's pyramid, [count, 3, r, r] each. */
function pyramidOf({ side, count, pixels }: Batch, device: Device): Float32Array[] {
  return noGrad(() => {
    const images = tensor(pixels.subarray(0, count * side ** 2 * channels), [count, side, side, channels])
      .toDevice(device)
      .permute([0, 3, 1, 2])
      .to("float32");
    return laplacianPyramid(images).map((level) => level.toFloat32Array());
  });
}

class LevelCollector {
  readonly resolution: number;
  /** [128, 147] of one image each. */
  readonly #parts: Float32Array[] = [];
  readonly #sums = new Float64Array(channels);
  readonly #squares = new Float64Array(channels);

  constructor(resolution: number) {
    this.resolution = resolution;
  }

  /** Takes the neighbourhoods of image `index` from `level` [N, 3, r, r]. */
  add(level: Float32Array, index: number, random: Random): void {
    const r = this.resolution;
    const part = new Float32Array(neighbourhoodsPerImage * descriptorSize);
    const places = r - neighbourhoodSide + 1;
    let position = 0;
    for (let k = 0; k < neighbourhoodsPerImage; k++) {
      const left = Math.floor(random() * places);
      const top = Math.floor(random() * places);
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        let squares = 0;
        for (let y = 0; y < neighbourhoodSide; y++) {
          const start = ((index * channels + channel) * r + top + y) * r + left;
          for (let x = 0; x < neighbourhoodSide; x++) {
            const value = level[start + x] as number;
            part[position++] = value;
            sum += value;
            squares += value * value;
          }
        }
        (this.#sums[channel] as number) += sum;
        (this.#squares[channel] as number) += squares;
      }
    }
    this.#parts.push(part);
  }

  /** All of them, each channel with zero mean and unit standard deviation over the whole set. */
  finish(device: Device): Tensor {
    const numbers = this.#parts.length * neighbourhoodsPerImage * area;
    const means = this.#sums.map((sum) => sum / numbers);
    const deviations = this.#squares.map((sum, channel) =>
      Math.sqrt(Math.max(sum / numbers - (means[channel] as number) ** 2, 0)),
    );
    // Differs from the paper: a channel without any detail stays zero instead of dividing by zero. The pictures'
    // bytes are whole numbers, so that a deviation this small can only be rounding.
    const factors = deviations.map((deviation) => (deviation < 1e-4 ? 0 : 1 / deviation));
    const rows = neighbourhoodsPerImage;
    const values = empty([this.#parts.length * rows, descriptorSize], { device }).keep();
    for (const [i, part] of this.#parts.entries()) {
      for (let position = 0; position < part.length; position++) {
        const channel = Math.floor(position / area) % channels;
        part[position] =
          ((part[position] as number) - (means[channel] as number)) * (factors[channel] as number);
      }
      noGrad(() => {
        values.narrow(0, i * rows, rows).copy_(tensor(part, [rows, descriptorSize]));
      });
    }
    this.#parts.length = 0;
    return values;
  }
}
