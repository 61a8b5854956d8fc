import { describe, expect, it } from "vitest";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";
import { fadeReals } from "../../src/training/growth.js";
import { doubles, expectNear, sample } from "../torch/numeric.js";

type Images = number[][][][]; // [N, C, H, W]

const shape = [2, 3, 16, 16] as const;
const values = sample(shape, 7);

function full(): Images {
  const [n, c, h, w] = shape;
  let at = 0;
  const times = <T>(count: number, make: () => T) => Array.from({ length: count }, make);
  return times(n, () => times(c, () => times(h, () => times(w, () => values[at++] as number))));
}

function mapPlanes(images: Images, f: (plane: number[][]) => number[][]): Images {
  return images.map((planes) => planes.map(f));
}

function averaged(images: Images, factor: number): Images {
  return mapPlanes(images, (plane) =>
    Array.from({ length: plane.length / factor }, (_, y) =>
      Array.from({ length: plane.length / factor }, (_, x) => {
        let sum = 0;
        for (let dy = 0; dy < factor; dy++)
          for (let dx = 0; dx < factor; dx++) sum += plane[y * factor + dy]?.[x * factor + dx] as number;
        return sum / factor ** 2;
      }),
    ),
  );
}

function doubled(images: Images): Images {
  return mapPlanes(images, (plane) =>
    plane.flatMap((row) => {
      const wide = row.flatMap((value) => [value, value]);
      return [wide, wide];
    }),
  );
}

function mixed(a: Images, b: Images, alpha: number): number[] {
  const [from, to] = [a.flat(3), b.flat(3)];
  return from.map((value, i) => (1 - alpha) * value + alpha * (to[i] as number));
}

function faded(level: number, alpha: number): { shape: readonly number[]; values: Float64Array } {
  return scope(() => {
    const y = fadeReals(tensor(values, shape), { level, alpha });
    return { shape: y.shape, values: doubles(y) };
  });
}

describe("fadeReals against plain JavaScript", () => {
  it.each([
    [3, 0],
    [3, 0.25],
    [3, 0.9],
    [4, 0],
    [4, 0.5],
    [4, 0.999],
  ])("level %i, alpha %d: mixed with its own half resolution", (level, alpha) => {
    const size = 2 ** level;
    const sharp = averaged(full(), 16 / size);
    const result = faded(level, alpha);
    expect(result.shape).toEqual([2, 3, size, size]);
    expectNear(result.values, mixed(doubled(averaged(sharp, 2)), sharp, alpha), 1e-12);
  });

  it.each([2, 3, 4])("level %i, alpha 1: averages only", (level) => {
    const size = 2 ** level;
    const result = faded(level, 1);
    expect(result.shape).toEqual([2, 3, size, size]);
    expectNear(result.values, averaged(full(), 16 / size).flat(3), 1e-12);
  });

  it("the lowest level has no older one: alpha has no effect", () => {
    expect(faded(2, 0.3)).toEqual(faded(2, 1));
  });

  it("the full level with alpha 1 is the picture itself, and stays the caller's", () => {
    scope(() => {
      const images = tensor(values, shape);
      const y = scope(() => fadeReals(images, { level: 4, alpha: 1 }));
      expect(doubles(y)).toEqual(values);
      expect(images.isDisposed).toBe(false);
    });
  });

  it("leaves the pictures as they were and nothing behind", () => {
    const before = liveTensors();
    scope(() => {
      const images = tensor(values, shape);
      fadeReals(images, { level: 3, alpha: 0.5 });
      expect(doubles(images)).toEqual(values);
    });
    expect(liveTensors()).toBe(before);
  });
});
