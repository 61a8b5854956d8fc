import { describe, expect, it } from "vitest";
import { minibatchStdDev } from "../../src/layers/normalization.js";
import { cat } from "../../src/torch/ops.js";
import { scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { type Batch, firstOf, partsOf } from "../../src/training/batch.js";
import { doubles, sampleTensor } from "../torch/numeric.js";

/** Sample n has the number n everywhere. */
function numbered(count: number): Batch {
  const numbers = () => tensor(Float32Array.from({ length: count }, (_, n) => n)).reshape([count, 1]);
  const images = numbers().reshape([count, 1, 1, 1]);
  const latents = { z: numbers(), c: null, mixing: { z: numbers(), firstLayer: 3 } };
  return { reals: { images, c: numbers() }, latents, between: numbers() };
}

const numbersOf = (x: Tensor) => [...x.toFloat32Array()];

describe("partsOf", () => {
  it.each([
    { size: 8, largest: 8, group: 4, parts: [[0, 1, 2, 3, 4, 5, 6, 7]] },
    {
      size: 8,
      largest: 4,
      group: 4,
      parts: [
        [0, 2, 4, 6],
        [1, 3, 5, 7],
      ],
    },
    {
      size: 8,
      largest: 7,
      group: 4,
      parts: [
        [0, 2, 4, 6],
        [1, 3, 5, 7],
      ],
    },
    {
      size: 6,
      largest: 2,
      group: 2,
      parts: [
        [0, 3],
        [1, 4],
        [2, 5],
      ],
    },
    {
      size: 6,
      largest: 4,
      group: 2,
      parts: [
        [0, 3],
        [1, 2, 4, 5],
      ],
    },
    { size: 5, largest: 2, group: 1, parts: [[0], [1, 2], [3, 4]] },
  ])("$size samples in groups of $group, at most $largest at once", ({ size, largest, group, parts }) =>
    scope(() => {
      const made = partsOf(numbered(size), { largest, group });
      expect(made.map(({ part }) => numbersOf(part.latents.z))).toEqual(parts);
      for (const { part, share } of made) {
        const [z] = [numbersOf(part.latents.z)];
        expect(share).toBeCloseTo(z.length / size, 12);
        const all = [part.reals.images, part.reals.c, part.latents.mixing?.z, part.between] as Tensor[];
        expect(all.map(numbersOf)).toEqual([z, z, z, z]);
        expect(part.latents.mixing?.firstLayer).toBe(3);
        expect(part.reals.images.shape).toEqual([z.length, 1, 1, 1]);
      }
    }),
  );

  it("refuses what has no room for a group", () =>
    scope(() => expect(() => partsOf(numbered(8), { largest: 3, group: 4 })).toThrow(/groups of 4/)));

  it("keeps the groups of the minibatch standard deviation", () =>
    scope(() => {
      const x = sampleTensor([8, 2, 3, 3], 5);
      const batch = { ...numbered(8), reals: { images: x, c: null } };
      const feature = (images: Tensor) => minibatchStdDev(images, { groupSize: 4 }).narrow(1, 2, 1);
      const parts = partsOf(batch, { largest: 4, group: 4 }).map(({ part }) => feature(part.reals.images));
      const [whole, first, second] = [feature(x), ...parts].map((f) => doubles(f.select(2, 0).select(2, 0)));
      for (let n = 0; n < 8; n++)
        expect((n % 2 === 0 ? first : second)?.[Math.floor(n / 2)]).toBeCloseTo(whole?.[n] as number, 12);
      expect(doubles(cat(parts, 0)).length).toBe(8 * 9);
    }));
});

it("firstOf takes the first samples of everything", () =>
  scope(() => {
    const { reals, latents, between } = firstOf(numbered(5), 2);
    const all = [reals.images, reals.c, latents.z, latents.mixing?.z, between] as Tensor[];
    for (const x of all) expect(numbersOf(x)).toEqual([0, 1]);
  }));
