// The sliced Wasserstein distance between sets of pictures: no network's weights are needed for it.
// Karras et al., "Progressive Growing of GANs" (2018), section 5; Rabin et al., "Wasserstein Barycenter and Its
// Application to Texture Mixing" (2011).

import { createRandom, gaussian, type Random } from "../system/random.js";
import { noGrad } from "../torch/autograd.js";
import { linear } from "../torch/ops.js";
import { type Device, type Tensor, tensor } from "../torch/tensor.js";
import { computeDescriptors, type Descriptors, descriptorSize, type RgbPicture } from "./descriptors.js";
import { FloatSorter } from "./sort.js";

const repeats = 4;
const directionsPerRepeat = 128;
// Directions that are projected on at once: 17 MB for 1024 pictures.
const directionsAtOnce = 32;
/** The paper gives distances in thousandths. */
const scale = 1000;

// Sequences of random numbers that a seed stands for.
const streams = { real: 0, fake: 1, directions: 2 };

export interface SwdResult {
  /** From the full resolution down: large values at high resolutions mean wrong detail, at low ones wrong shapes. */
  perLevel: { resolution: number; value: number }[];
  mean: number;
}

/**
 * The pictures that others are compared with. Their descriptors are computed once. Random numbers come from `seed`
 * alone; libtorch's generators stay as they are.
 */
export class SwdReference {
  readonly #real: Descriptors;
  readonly #seed: number;
  readonly #device: Device;

  constructor(reals: Iterable<RgbPicture>, { seed, device = "cpu" }: { seed: number; device?: Device }) {
    this.#seed = seed;
    this.#device = device;
    this.#real = computeDescriptors(reals, { seed, stream: streams.real, device });
  }

  /** How many fakes are needed. */
  get images(): number {
    return this.#real.images;
  }

  /** The distance to as many `fakes`, which are read once, in order. */
  distance(fakes: Iterable<RgbPicture>): SwdResult {
    const seed = this.#seed;
    const fake = computeDescriptors(fakes, { seed, stream: streams.fake, device: this.#device });
    try {
      return slicedWassersteinDistance(this.#real, fake, { seed });
    } finally {
      fake.dispose();
    }
  }

  dispose(): void {
    this.#real.dispose();
  }
}

/** The distance between the descriptors of as many pictures of the same size, in thousandths. */
export function slicedWassersteinDistance(
  real: Descriptors,
  fake: Descriptors,
  { seed }: { seed: number },
): SwdResult {
  if (real.images !== fake.images || real.resolution !== fake.resolution)
    throw new RangeError(
      `slicedWassersteinDistance: ${fake.images} fakes of ${fake.resolution} px for ${real.images} reals of ${real.resolution} px; numbers and sizes must be equal`,
    );
  const random = createRandom(seed, streams.directions);
  const perLevel = real.levels.map(({ resolution, values }, i) => ({
    resolution,
    value: scale * levelDistance(values, fake.levels[i]?.values as Tensor, random),
  }));
  return { perLevel, mean: perLevel.reduce((sum, { value }) => sum + value, 0) / perLevel.length };
}

/** The mean over random directions of the distance between the projections of `a` and `b` [M, 147]. */
function levelDistance(a: Tensor, b: Tensor, random: Random): number {
  const sorters = [new FloatSorter(a.size(0)), new FloatSorter(b.size(0))] as const;
  const count = repeats * directionsPerRepeat;
  let sum = 0;
  for (let done = 0; done < count; done += directionsAtOnce) {
    const projections = noGrad(() => {
      const directions = randomDirections(directionsAtOnce, random).toDevice(a.device);
      return [a, b].map((descriptors) => linear(directions, descriptors).toFloat32Array()); // [32, M]
    }) as [Float32Array, Float32Array];
    for (let i = 0; i < directionsAtOnce; i++) {
      const [p, q] = projections.map((values, set) => {
        const length = values.length / directionsAtOnce;
        return (sorters[set] as FloatSorter).sort(values.subarray(i * length, (i + 1) * length));
      }) as [Float32Array, Float32Array];
      sum += meanDifference(p, q);
    }
  }
  return sum / count;
}

/** Unit vectors [count, 147], uniform over the sphere. */
function randomDirections(count: number, random: Random): Tensor {
  const values = new Float32Array(count * descriptorSize);
  for (let start = 0; start < values.length; start += descriptorSize) {
    const vector = Array.from({ length: descriptorSize }, () => gaussian(random));
    const norm = Math.hypot(...vector);
    values.set(
      vector.map((value) => value / norm),
      start,
    );
  }
  return tensor(values, [count, descriptorSize]);
}

/** W₁ of two distributions on a line, given as many sorted samples of each: the mean of |p₍ᵢ₎ - q₍ᵢ₎|. */
function meanDifference(p: Float32Array, q: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += Math.abs((p[i] as number) - (q[i] as number));
  return sum / p.length;
}
