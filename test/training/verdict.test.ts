import { describe, expect, it } from "vitest";
import type { Picture } from "../../src/synthesis/picture.js";
import { variety, verdictOn } from "../../src/training/verdict.js";
import { numbers } from "../torch/numeric.js";

const side = 32;

/** A grid of `columns` x 2 pictures, each of one colour. */
function grid(colours: readonly number[]): Picture {
  const columns = colours.length / 2;
  const width = columns * side;
  const pixels = new Uint8Array(width * 2 * side * 3);
  for (let y = 0; y < 2 * side; y++)
    for (let x = 0; x < width; x++)
      pixels.fill(
        colours[Math.floor(y / side) * columns + Math.floor(x / side)] as number,
        (y * width + x) * 3,
        (y * width + x) * 3 + 3,
      );
  return { width, height: 2 * side, pixels };
}

const reals = grid([0, 20, 40, 60, 80, 100, 120, 140]);
const healthy = { "Loss/scores/real": 1.1, "Loss/scores/fake": -1.2 };
const sight = { loss: "logistic", stats: healthy, reals, fakes: reals, side };

describe("variety", () => {
  it("is the distance to the nearest other picture", () => {
    expect(variety(reals, side)).toBeCloseTo(20, 9);
    expect(variety(grid([7, 7, 90, 90, 7, 7, 90, 90]), side)).toBe(0);
  });

  it("does not grow with the number of pictures or their size", () => {
    const next = numbers(3);
    const many = grid(Array.from({ length: 400 }, () => Math.floor(256 * next())));
    expect(variety(many, side)).toBeLessThan(10);
  });
});

describe("a verdict", () => {
  it("is none of a healthy run, nor of scores that Wasserstein's loss may have", () => {
    expect(verdictOn(sight)).toEqual([]);
    const far = { "Loss/scores/real": 90, "Loss/scores/fake": -70 };
    expect(verdictOn({ ...sight, loss: "wgan", stats: far })).toEqual([]);
  });

  it.each([
    ["a discriminator that is too sure", { "Loss/scores/real": 12, "Loss/scores/fake": -31.1 }],
    ["one that is blind and wrong", { "Loss/scores/real": -1.4, "Loss/scores/fake": 19.2 }],
  ])("names %s", (_, stats) => {
    const [sentence, ...more] = verdictOn({ ...sight, stats });
    expect(sentence).toMatch(/scores pictures at -?1.*fakes at .*diverged/);
    expect(more).toEqual([]);
  });

  it("names pictures that are all alike, unless the training pictures are", () => {
    const fakes = grid([9, 9, 9, 9, 9, 9, 9, 10]);
    expect(verdictOn({ ...sight, fakes })).toEqual([expect.stringMatching(/alike.* 0 % .*collapsed/)]);
    expect(verdictOn({ ...sight, fakes, reals: fakes })).toEqual([]);
  });
});
