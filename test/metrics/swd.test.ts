import { beforeAll, describe, expect, it } from "vitest";
import {
  computeDescriptors,
  Descriptors,
  descriptorSize,
  type RgbPicture,
} from "../../src/metrics/descriptors.js";
import { readPictures, spreadIndices } from "../../src/metrics/reals.js";
import { SwdReference, type SwdResult, slicedWassersteinDistance } from "../../src/metrics/swd.js";
import { UserError } from "../../src/system/errors.js";
import { randomState } from "../../src/torch/random.js";
import { setThreads } from "../../src/torch/runtime.js";
import { liveTensors } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";
import { discs } from "./pictures.js";

beforeAll(() => setThreads(1));

const count = 24;
const side = 32;

function distance(reals: RgbPicture[], fakes: RgbPicture[], seed = 0): SwdResult {
  const reference = new SwdReference(reals, { seed });
  try {
    return reference.distance(fakes);
  } finally {
    reference.dispose();
  }
}

const values = ({ perLevel }: SwdResult) => perLevel.map(({ value }) => value);

describe("descriptors", () => {
  it("are neighbourhoods of the pictures, channel by channel", () => {
    // At 16 px there is one level, the picture itself.
    const at = (x: number, y: number, channel: number) => (x + 16 * y + 85 * channel) % 256;
    const pixels = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) =>
      at(Math.floor(i / 3) % 16, Math.floor(i / 48), i % 3),
    );
    const descriptors = computeDescriptors([{ width: 16, height: 16, pixels }], { seed: 5 });
    expect(descriptors).toMatchObject({ images: 1, resolution: 16 });
    expect(descriptors.levels.map(({ resolution, values }) => [resolution, values.shape])).toEqual([
      [16, [128, descriptorSize]],
    ]);
    const all = descriptors.levels[0]!.values.toFloat32Array();
    descriptors.dispose();
    const patches: number[][] = [];
    for (let top = 0; top <= 9; top++)
      for (let left = 0; left <= 9; left++)
        patches.push(
          Array.from({ length: descriptorSize }, (_, i) =>
            at(left + (i % 7), top + (Math.floor(i / 7) % 7), Math.floor(i / 49)),
          ),
        );
    // The normalization is one scale and offset for each channel.
    const taken = new Set<number>();
    for (let row = 0; row < 128; row++) {
      const descriptor = all.subarray(row * descriptorSize, (row + 1) * descriptorSize);
      const best = patches.findIndex((patch) =>
        [0, 1, 2].every((channel) => isAffine(descriptor, patch, channel)),
      );
      expect(best, `neighbourhood ${row}`).toBeGreaterThanOrEqual(0);
      taken.add(best);
    }
    expect(taken.size).toBeGreaterThan(50); // of 100 places, 128 times: about 72
  });

  function isAffine(descriptor: Float32Array, patch: readonly number[], channel: number): boolean {
    const range = Array.from({ length: 49 }, (_, i) => channel * 49 + i);
    const order = range.toSorted((a, b) => patch[a]! - patch[b]!);
    const [low, high] = [order[0]!, order.at(-1)!];
    const scale = (descriptor[high]! - descriptor[low]!) / (patch[high]! - patch[low]!);
    return range.every(
      (i) => Math.abs(descriptor[low]! + scale * (patch[i]! - patch[low]!) - descriptor[i]!) < 1e-4,
    );
  }

  it("have zero mean and unit standard deviation for each channel of each level", () => {
    const descriptors = computeDescriptors(discs({ count, side, seed: 1 }), { seed: 0 });
    expect(descriptors.levels.map(({ resolution }) => resolution)).toEqual([32, 16]);
    for (const { values: level } of descriptors.levels) {
      expect(level.shape).toEqual([128 * count, descriptorSize]);
      const all = Array.from(level.toFloat32Array());
      for (const channel of [0, 1, 2]) {
        const own = all.filter((_, i) => Math.floor(i / 49) % 3 === channel);
        const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
        const variance = own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / own.length;
        expect(mean).toBeCloseTo(0, 5);
        expect(variance).toBeCloseTo(1, 5);
      }
    }
    descriptors.dispose();
  });

  it("of a picture do not depend on the pictures after it, but for the normalization", () => {
    // 64 pictures of 32 px are worked on at once: the 65th comes in a batch of its own.
    const pictures = discs({ count: 65, side, seed: 1 });
    const [more, fewer] = [pictures, pictures.slice(0, 64)].map((set) =>
      computeDescriptors(set, { seed: 0 }),
    );
    for (const [i, { values: level }] of more!.levels.entries()) {
      const all = level.toFloat32Array();
      const expected = fewer!.levels[i]!.values.toFloat32Array();
      const red = (values: Float32Array, n: number) =>
        values[Math.floor(n / 49) * descriptorSize + (n % 49)]!;
      const scale = (red(all, 0) - red(all, 24)) / (red(expected, 0) - red(expected, 24));
      let worst = 0;
      for (let n = 0; n < 64 * 128 * 49; n++) {
        const affine = red(all, 0) + scale * (red(expected, n) - red(expected, 0));
        worst = Math.max(worst, Math.abs(red(all, n) - affine));
      }
      expect(worst).toBeLessThan(1e-3);
      expect(new Set(all.subarray(expected.length)).size).toBeGreaterThan(100);
    }
    more!.dispose();
    fewer!.dispose();
  });

  it("of plain pictures are zero, not NaN", () => {
    const plain = { width: 16, height: 16, pixels: new Uint8Array(768).fill(77) };
    const descriptors = computeDescriptors([plain, plain, plain], { seed: 0 });
    expect(new Set(descriptors.levels[0]!.values.toFloat32Array())).toEqual(new Set([0]));
    descriptors.dispose();
  });

  it("are refused for pictures that are too small, not square, of different sizes, or none", () => {
    const picture = (width: number, height = width) => ({
      width,
      height,
      pixels: new Uint8Array(width * height * 3),
    });
    const before = liveTensors();
    const compute = (...pictures: RgbPicture[]) => computeDescriptors(pictures, { seed: 0 });
    expect(() => compute(picture(4))).toThrow(UserError);
    expect(() => compute(picture(24))).toThrow(/8, 16, 32, … pixels a side, not 24/);
    expect(() => compute(picture(16, 8))).toThrow(/16 x 8/);
    expect(() => compute(picture(16), picture(32))).toThrow(/32 x 32 .* where all are 16 x 16/);
    expect(() => compute({ ...picture(16), pixels: new Uint8Array(256) })).toThrow(/256 bytes/);
    expect(() => compute()).toThrow(/no pictures/);
    expect(liveTensors()).toBe(before);
  });
});

describe("the sliced Wasserstein distance", () => {
  /** Descriptors that have `rows` in their first number and zeros in the others. */
  function onOneAxis(rows: readonly number[]): Descriptors {
    const all = new Float32Array(rows.length * descriptorSize);
    for (const [i, value] of rows.entries()) all[i * descriptorSize] = value;
    return new Descriptors(1, [
      { resolution: 16, values: tensor(all, [rows.length, descriptorSize]).keep() },
    ]);
  }

  it("of points on one axis is the distance of the sorted points times the mean |cosine| to the directions", () => {
    // Sorted: -2, 1, 3 and 0, 1, 5; |differences| 2, 0, 2; their mean is 4/3.
    const [real, fake] = [onOneAxis([3, -2, 1]), onOneAxis([1, 5, 0])];
    const { perLevel, mean } = slicedWassersteinDistance(real, fake, { seed: 0 });
    // E|u₁| of a unit vector in n dimensions is about √(2 / (π n)); 512 directions estimate it within 3.4 %.
    const expected = 1000 * (4 / 3) * Math.sqrt(2 / (Math.PI * descriptorSize));
    expect(perLevel).toEqual([{ resolution: 16, value: mean }]);
    expect(Math.abs(mean / expected - 1)).toBeLessThan(0.1);
    // The same directions for other points: exactly proportional to the hand-computed distance.
    const [a, b] = [onOneAxis([0, 0, 0]), onOneAxis([4, 4, 4])];
    expect(slicedWassersteinDistance(a, b, { seed: 0 }).mean / mean).toBeCloseTo(3, 5);
    for (const descriptors of [real, fake, a, b]) descriptors.dispose();
  });

  it("of a set with itself at the same positions is zero, and symmetric", () => {
    const real = computeDescriptors(discs({ count, side, seed: 1 }), { seed: 0 });
    const same = computeDescriptors(discs({ count, side, seed: 1 }), { seed: 0 });
    const other = computeDescriptors(discs({ count, side, seed: 1, noise: 20 }), { seed: 0 });
    expect(slicedWassersteinDistance(real, same, { seed: 0 }).mean).toBe(0);
    expect(slicedWassersteinDistance(real, other, { seed: 0 })).toEqual(
      slicedWassersteinDistance(other, real, { seed: 0 }),
    );
    for (const descriptors of [real, same, other]) descriptors.dispose();
  });

  it("is small for the same distribution and grows with noise and with blur", () => {
    const size = { count: 64, side };
    const reference = new SwdReference(discs({ ...size, seed: 1 }), { seed: 0 });
    const fakes = (changes: { noise?: number; blur?: number }) =>
      reference.distance(discs({ ...size, seed: 2, ...changes }));
    const floor = fakes({});
    const noisy = [15, 40, 80].map((noise) => fakes({ noise }));
    const blurred = [1, 3, 5].map((blur) => fakes({ blur }));
    expect(reference.distance(discs({ ...size, seed: 1 })).mean).toBeLessThan(floor.mean / 2);
    for (const series of [noisy, blurred])
      for (const [i, result] of series.entries())
        expect(result.mean).toBeGreaterThan((series[i - 1] ?? floor).mean * 1.1);
    // Both are seen in the detail before they are seen in the shapes.
    for (const changed of [noisy[0]!, blurred[2]!]) {
      const [detail, shapes] = values(changed).map((value, level) => value / values(floor)[level]!);
      expect(detail).toBeGreaterThan(2);
      expect(shapes).toBeLessThan(1.4);
    }
    reference.dispose();
  });

  it("of plain pictures, as a collapsed generator makes them, is large and a number", () => {
    const plain = { width: side, height: side, pixels: new Uint8Array(side * side * 3).fill(128) };
    const { perLevel, mean } = distance(discs({ count: 4, side, seed: 1 }), [plain, plain, plain, plain]);
    expect(mean).toBeGreaterThan(100);
    expect(mean).toBeCloseTo((perLevel[0]!.value + perLevel[1]!.value) / 2, 9);
  });

  it("depends on the seed alone, leaves libtorch's generator as it was, and keeps no tensor", () => {
    const reals = discs({ count: 4, side, seed: 1 });
    const fakes = discs({ count: 4, side, seed: 2 });
    const state = randomState("cpu");
    const before = liveTensors();
    const first = distance(reals, fakes, 3);
    expect(randomState("cpu")).toEqual(state);
    expect(liveTensors()).toBe(before);
    expect(distance(reals, fakes, 3)).toEqual(first);
    expect(distance(reals, fakes, 4)).not.toEqual(first);
  });

  it("is the same each time that one reference is used", () => {
    const reference = new SwdReference(discs({ count: 4, side, seed: 1 }), { seed: 0 });
    const [a, b] = [discs({ count: 4, side, seed: 2 }), discs({ count: 4, side, seed: 3 })];
    const first = reference.distance(a);
    expect(reference.distance(b)).not.toEqual(first);
    expect(reference.distance(a)).toEqual(first);
    expect(reference.images).toBe(4);
    reference.dispose();
  });

  it("refuses another number or size of fakes, and frees what it made", () => {
    const reference = new SwdReference(discs({ count: 4, side, seed: 1 }), { seed: 0 });
    const before = liveTensors();
    expect(() => reference.distance(discs({ count: 3, side, seed: 1 }))).toThrow(
      /3 fakes of 32 px for 4 reals of 32 px/,
    );
    expect(() => reference.distance(discs({ count: 4, side: 16, seed: 1 }))).toThrow(/16 px for 4 reals/);
    expect(liveTensors()).toBe(before);
    reference.dispose();
  });
});

describe("the reals of a metric", () => {
  it("are spread over the set, each once", () => {
    expect(spreadIndices(10, 4)).toEqual([0, 2, 5, 7]);
    expect(spreadIndices(3, 3)).toEqual([0, 1, 2]);
    expect(() => spreadIndices(3, 4)).toThrow(/4 of 3/);
    expect(() => spreadIndices(3, 0)).toThrow(/0 of 3/);
  });

  it("are read from the set one by one", () => {
    const set = {
      resolution: 2,
      length: 9,
      readImage: (index: number, target: Uint8Array, offset: number) => {
        target.fill(index, offset, offset + 12);
      },
    };
    expect([...readPictures(set, [4, 7])]).toEqual(
      [4, 7].map((index) => ({ width: 2, height: 2, pixels: new Uint8Array(12).fill(index) })),
    );
  });
});
