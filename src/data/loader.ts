import { UserError } from "../system/errors.js";
import { permutation } from "../system/random.js";
import type { State, Stateful } from "../torch/state.js";
import type { Dataset } from "./dataset.js";

/** All that an exact resume needs: which epoch, and how many of its images have been given out. */
interface Position {
  seed: number;
  epoch: number;
  position: number;
}

export interface ImageLoaderOptions {
  /** Images per batch, at most. */
  batch: number;
  /** Show every image flipped left-right as well, which doubles the epoch. */
  mirror: boolean;
  seed: number;
}

/**
 * Gives out the images of a set in an endless sequence of epochs, each a fresh random order of all images (and their
 * mirror images) that depends on nothing but seed and epoch. A batch may span two epochs.
 */
export class ImageLoader implements Stateful {
  readonly #dataset: Dataset;
  readonly #mirror: boolean;
  #seed: number;
  readonly #pixels: Uint8Array; // [N, H, W, 3]
  readonly #labels: Int32Array; // [N]
  #epoch = 0;
  #position = 0;
  /** The epoch's order. Items from `dataset.length` on are the mirrored images. */
  #order: Uint32Array;

  constructor(dataset: Dataset, { batch, mirror, seed }: ImageLoaderOptions) {
    if (dataset.length === 0) throw new RangeError("an ImageLoader needs at least one image");
    this.#dataset = dataset;
    this.#mirror = mirror;
    this.#seed = seed;
    this.#order = this.#shuffle();
    this.#pixels = new Uint8Array(batch * dataset.resolution ** 2 * 3);
    this.#labels = new Int32Array(batch);
  }

  /** Where the next batch starts. A loader that takes it up goes on with exactly the same images. */
  state(): State {
    const values: Position = { seed: this.#seed, epoch: this.#epoch, position: this.#position };
    return { tensors: new Map(), values };
  }

  /** Goes on from there; its seed replaces the loader's. @throws UserError if it does not fit the data set */
  restore({ values }: State): void {
    const { seed, epoch, position } = values as Position;
    const items = this.#order.length;
    if (!isCount(seed) || !isCount(epoch) || !isCount(position) || position > items)
      throw new UserError(
        `the saved position (epoch ${epoch}, image ${position}) does not fit these ${items} images: resume with the data and the --mirror of the first run`,
      );
    [this.#seed, this.#epoch, this.#position] = [seed, epoch, position];
    this.#order = this.#shuffle();
  }

  /**
   * The next batch of `count` images (by default the largest): pixels `[N, H, W, 3]` as bytes, and class indices `[N]`
   * (-1 without classes). Both arrays are reused by the next call.
   */
  next(count = this.#labels.length): { pixels: Uint8Array; labels: Int32Array } {
    const { length, resolution } = this.#dataset;
    const imageBytes = resolution ** 2 * 3;
    if (count > this.#labels.length)
      throw new RangeError(`a batch of ${count} is larger than ${this.#labels.length}`);
    for (let slot = 0; slot < count; slot++) {
      const item = this.#nextItem();
      const index = item % length;
      const offset = slot * imageBytes;
      this.#dataset.readImage(index, this.#pixels, offset);
      if (item >= length) mirrorImage(this.#pixels.subarray(offset, offset + imageBytes), resolution);
      this.#labels[slot] = this.#dataset.label(index);
    }
    return { pixels: this.#pixels.subarray(0, count * imageBytes), labels: this.#labels.subarray(0, count) };
  }

  #nextItem(): number {
    if (this.#position === this.#order.length) {
      this.#epoch++;
      this.#position = 0;
      this.#order = this.#shuffle();
    }
    return this.#order[this.#position++]!;
  }

  #shuffle(): Uint32Array {
    return permutation(this.#dataset.length * (this.#mirror ? 2 : 1), this.#seed, this.#epoch);
  }
}

/** Flips `[size, size, 3]` bytes left-right in place. */
function mirrorImage(pixels: Uint8Array, size: number): void {
  const rowBytes = size * 3;
  for (let row = 0; row < pixels.length; row += rowBytes) {
    for (let left = row, right = row + rowBytes - 3; left < right; left += 3, right -= 3) {
      for (let channel = 0; channel < 3; channel++) {
        const byte = pixels[left + channel]!;
        pixels[left + channel] = pixels[right + channel]!;
        pixels[right + channel] = byte;
      }
    }
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
