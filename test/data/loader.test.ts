import { describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/dataset.js";
import { ImageLoader } from "../../src/data/loader.js";
import { UserError } from "../../src/system/errors.js";
import { createRandom, permutation } from "../../src/system/random.js";

const SIZE = 4;
const IMAGE_BYTES = SIZE * SIZE * 3;

/** Image `i` is `i * 16` in red, with the column in green and the row in blue; its class is `i % 3`. */
function fakeDataset(length: number): Dataset {
  return {
    name: "fake",
    source: "fake",
    fingerprint: "",
    resolution: SIZE,
    length,
    classNames: ["0", "1", "2"],
    skipped: [],
    fileNames: [],
    label: (index) => index % 3,
    readImage(index, target, offset) {
      for (let i = 0; i < SIZE * SIZE; i++)
        target.set([index * 16, i % SIZE, Math.floor(i / SIZE)], offset + i * 3);
    },
    close() {},
  };
}

/** The images of the next batches as [image, mirrored]. */
function draw(loader: ImageLoader, batches: number): [image: number, mirrored: boolean][] {
  return Array.from({ length: batches }, () => {
    const { pixels, labels } = loader.next();
    return Array.from(labels, (label, slot): [number, boolean] => {
      const image = pixels[slot * IMAGE_BYTES]! / 16;
      expect(label).toBe(image % 3);
      return [image, pixels[slot * IMAGE_BYTES + 1] !== 0];
    });
  }).flat();
}

describe("ImageLoader", () => {
  it("shows each image once an epoch, in another order each time", () => {
    const loader = new ImageLoader(fakeDataset(12), { batch: 4, mirror: false, seed: 1 });
    const epochs = [draw(loader, 3), draw(loader, 3)].map((drawn) => drawn.map(([image]) => image));
    const all = Array.from({ length: 12 }, (_, i) => i);
    for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual(all);
    expect(epochs[0]).not.toEqual(all);
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  it("shows each image and its mirror image once an epoch", () => {
    const loader = new ImageLoader(fakeDataset(6), { batch: 4, mirror: true, seed: 1 });
    const keys = draw(loader, 3).map(([image, mirrored]) => `${image} ${mirrored}`);
    expect(new Set(keys).size).toBe(12);
  });

  it("mirrors left-right, row by row", () => {
    const loader = new ImageLoader(fakeDataset(1), { batch: 2, mirror: true, seed: 0 });
    const { pixels } = loader.next();
    const images = [pixels.subarray(0, IMAGE_BYTES), pixels.subarray(IMAGE_BYTES)];
    const mirrored = images.find((image) => image[1] !== 0)!;
    for (let i = 0; i < SIZE * SIZE; i++) {
      const expected = [0, SIZE - 1 - (i % SIZE), Math.floor(i / SIZE)];
      expect([...mirrored.subarray(i * 3, i * 3 + 3)]).toEqual(expected);
    }
  });

  it("goes on from its state with the same images, across epochs and with a batch larger than the set", () => {
    for (const batch of [3, 5, 11]) {
      const options = { batch, mirror: true, seed: 7 };
      const loader = new ImageLoader(fakeDataset(5), options);
      for (let step = 0; step < 12; step++) {
        const state = { tensors: new Map(), values: JSON.parse(JSON.stringify(loader.state().values)) };
        const restored = (seed: number) => {
          const one = new ImageLoader(fakeDataset(5), { ...options, seed });
          one.restore(state);
          return one;
        };
        const copy = restored(99);
        expect(copy.state()).toEqual(loader.state());
        expect(draw(copy, 4)).toEqual(draw(restored(7), 4));
        const next = draw(loader, 1);
        expect(draw(restored(7), 1)).toEqual(next);
      }
    }
  });

  it("depends on the seed", () => {
    const first = (seed: number) =>
      draw(new ImageLoader(fakeDataset(12), { batch: 12, mirror: false, seed }), 1);
    expect(first(3)).toEqual(first(3));
    expect(first(3)).not.toEqual(first(4));
  });

  it("reuses its buffers", () => {
    const loader = new ImageLoader(fakeDataset(4), { batch: 2, mirror: false, seed: 0 });
    const { pixels, labels } = loader.next();
    const next = loader.next();
    expect(next.pixels.buffer).toBe(pixels.buffer);
    expect(next.labels.buffer).toBe(labels.buffer);
  });

  it("gives smaller batches on request, without losing an image between them", () => {
    const all = new ImageLoader(fakeDataset(4), { batch: 4, mirror: false, seed: 3 });
    const whole = all.next().pixels.slice();
    const parts = new ImageLoader(fakeDataset(4), { batch: 4, mirror: false, seed: 3 });
    const one = parts.next(1).pixels.slice();
    const three = parts.next(3).pixels.slice();
    expect([...one, ...three]).toEqual([...whole]);
    expect(parts.state()).toEqual(all.state());
    expect(() => parts.next(5)).toThrow(RangeError);
  });

  it("refuses a state of other data", () => {
    const make = (position: number, epoch = 0) => {
      const loader = new ImageLoader(fakeDataset(4), { batch: 2, mirror: false, seed: 0 });
      loader.restore({ tensors: new Map(), values: { seed: 0, epoch, position } });
      return loader;
    };
    expect(make(4).next().labels).toHaveLength(2);
    for (const position of [5, -1, 0.5, Number.NaN]) expect(() => make(position)).toThrow(UserError);
    expect(() => make(0, -1)).toThrow(UserError);
  });
});

describe("permutation", () => {
  it("is even: every item comes to every place about equally often", () => {
    const counts = Array.from({ length: 5 }, () => new Array<number>(5).fill(0));
    const rounds = 5000;
    for (let stream = 0; stream < rounds; stream++) {
      for (const [place, item] of permutation(5, 42, stream).entries()) counts[place]![item]!++;
    }
    for (const count of counts.flat()) expect(Math.abs(count - rounds / 5)).toBeLessThan(150); // 5 sigma
  });

  it("keeps large seeds and neighbouring streams apart", () => {
    const firsts = [
      [0, 0],
      [1, 0],
      [0, 1],
      [2 ** 32, 0],
      [-1, 0],
      [Number.MAX_SAFE_INTEGER, 0],
    ].map(([seed, stream]) => createRandom(seed!, stream!)());
    expect(new Set(firsts).size).toBe(firsts.length);
    for (const value of firsts) expect(value >= 0 && value < 1).toBe(true);
  });
});
