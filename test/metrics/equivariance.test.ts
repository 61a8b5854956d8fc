// The references that EQ-T and EQ-R compare with, against those of the reference implementation.

import { describe, expect, it } from "vitest";
import { ErrorSum, translate, translateByPixels } from "../../src/metrics/equivariance.js";
import { pseudoRotate, rotate, rotationFilter } from "../../src/metrics/rotation.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { expectClose, fixtureTensors, relativeError } from "../helpers.js";

/** A picture that is smooth and nowhere symmetric. */
function wave(size: number, phase = 0): Tensor {
  const values = Array.from({ length: size * size }, (_, i) => {
    const [x, y] = [(i % size) / size, Math.floor(i / size) / size];
    return Math.sin(5 * x + 3 * y + phase) * 0.5 + 0.3 * Math.cos(9 * y * x);
  });
  return tensor(values, [1, 1, size, size]);
}

describe.each(["t", "r"])("of the picture of StyleGAN3-%s", (network) => {
  const of = fixtureTensors(`metrics.eq-nvidia-stylegan3-${network}.safetensors`);
  const orig = () => of("first.orig");
  const size = 32;
  const first = (name: string) => of(name).toArray() as Float32Array;
  const shift = (name: string) => {
    const [x, y] = first(name) as unknown as [number, number];
    return { x: x * size, y: y * size };
  };

  it("moves by whole pixels", () =>
    scope(() => {
      const { x, y } = shift("translation_int");
      const moved = translateByPixels(orig(), { x: Math.round(x), y: Math.round(y) });
      expect(relativeError(moved.images, of("first.integer"))).toBe(0);
      expect(relativeError(moved.mask, of("first.integer.mask"))).toBe(0);
    }));

  it("moves by fractions of pixels", () =>
    scope(() => {
      const moved = translate(orig(), shift("translation_frac"));
      expectClose(moved.images, of("first.fractional"), 1e-5);
      expect(relativeError(moved.mask, of("first.fractional.mask"))).toBe(0);
    }));

  it("turns, and filters as turning does", () =>
    scope(() => {
      const angle = first("angle")[0] as number;
      expectClose(rotationFilter(angle, 4), of("first.rotation_filter"), 1e-4);
      expectClose(rotationFilter(-angle, 1), of("first.pseudo_rotation_filter"), 1e-4);
      const turned = rotate(orig(), angle);
      expectClose(turned.images, of("first.rotation"), 1e-4);
      expect(relativeError(turned.mask, of("first.rotation.mask"))).toBe(0);
      const filtered = pseudoRotate(of("first.rotated_by_generator"), angle);
      expectClose(filtered.images, of("first.pseudo_rotation"), 1e-4);
      expect(relativeError(filtered.mask, of("first.pseudo_rotation.mask"))).toBe(0);
    }));

  it("measures the error of the picture that the generator turned as the reference does", () =>
    scope(() => {
      const angle = first("angle")[0] as number;
      const sums = [
        [pseudoRotate(of("first.rotated_by_generator"), angle), rotate(orig(), angle)],
        [
          { images: of("first.pseudo_rotation"), mask: of("first.pseudo_rotation.mask") },
          { images: of("first.rotation"), mask: of("first.rotation.mask") },
        ],
      ].map(([made, wanted]) => {
        const sum = new ErrorSum();
        sum.add(made!.images, wanted!.images, [made!.mask, wanted!.mask]);
        return sum.decibels;
      }) as [number, number];
      expect(sums[0]).toBeGreaterThan(network === "t" ? 10 : 50);
      expect(Math.abs(sums[0] / sums[1] - 1)).toBeLessThan(1e-4);
    }));
});

describe("translation", () => {
  it("by a fraction of 0 is that by whole pixels", () =>
    scope(() => {
      const image = wave(16);
      const [a, b] = [translate(image, { x: 3, y: -2 }), translateByPixels(image, { x: 3, y: -2 })];
      const both = a.mask.mul(b.mask);
      expectClose(a.images.mul(both), b.images.mul(both), 1e-6);
    }));

  it("leaves nothing when the picture has gone", () =>
    scope(() => {
      const { images, mask } = translateByPixels(wave(8), { x: 0, y: 9 });
      expect([images.abs().sum().item(), mask.sum().item()]).toEqual([0, 0]);
    }));
});

describe("rotation", () => {
  it("by a right angle puts pixels where they belong", () =>
    scope(() => {
      // Anticlockwise: the first row becomes the first column, from below.
      const image = wave(48);
      const { images, mask } = rotate(image, Math.PI / 2);
      const wanted = image.permute([0, 1, 3, 2]).flip([2]);
      expect(mask.sum().item()).toBeGreaterThan(30 ** 2);
      expectClose(images.mul(mask), wanted.mul(mask), 5e-3);
    }));
});

describe("decibels", () => {
  it("are 20 log10 of the range over the error, of masked pixels alone", () =>
    scope(() => {
      const [a, b] = [tensor([0, 1, 0, 0], [1, 1, 2, 2]), tensor([0.2, 7, 0.2, 0.2], [1, 1, 2, 2])];
      const sum = new ErrorSum();
      sum.add(a, b, [tensor([1, 0, 1, 1], [1, 1, 2, 2])]);
      expect(sum.decibels).toBeCloseTo(20, 5);
    }));
});

it("leaves no tensor behind", () => {
  const image = wave(16);
  const before = liveTensors();
  for (const made of [rotate(image, 0.3), pseudoRotate(image, 0.3), translate(image, { x: 0.5, y: 1.5 })]) {
    made.images.dispose();
    made.mask.dispose();
  }
  expect(liveTensors()).toBe(before);
  image.dispose();
});
