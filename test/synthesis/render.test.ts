import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StyleGan2Generator } from "../../src/networks/stylegan2.js";
import { writePng } from "../../src/synthesis/encode.js";
import { latentsOfSeeds } from "../../src/synthesis/latents.js";
import { type Picture, tile } from "../../src/synthesis/picture.js";
import { type RenderOptions, renderLatents, toPictures } from "../../src/synthesis/render.js";
import { setThreads } from "../../src/torch/runtime.js";
import { readSafetensors } from "../../src/torch/safetensors.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";
import { fixturePath, nvidiaFixtureConfig } from "../helpers.js";

let G: StyleGan2Generator;
beforeAll(() => {
  setThreads();
  G = new StyleGan2Generator(nvidiaFixtureConfig);
  scope(() => {
    const { tensors } = readSafetensors(fixturePath("nvidia-stylegan2.weights.safetensors"));
    const own = [...tensors].filter(([name]) => name.startsWith("G."));
    G.loadStateDict(new Map(own.map(([name, value]) => [name.slice(2), value])));
  });
});
afterAll(() => G.dispose());

function render(seeds: readonly number[], options: Partial<RenderOptions> = {}): Picture[] {
  const z = latentsOfSeeds(seeds, G.zDim);
  try {
    return [...renderLatents(G, { z, noiseMode: "const", batch: 4, ...options })];
  } finally {
    z.dispose();
  }
}

function largestDifference(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] as number))), 0);
}

describe("pictures of seeds", () => {
  it("are NVIDIA's PNGs within one level", async () => {
    const pictures = render([0, 1, 2, 3]);
    for (const [seed, { width, height, pixels }] of pictures.entries()) {
      const file = fixturePath(`nvidia-stylegan2.seed000${seed}.png`);
      const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
      expect([width, height]).toEqual([info.width, info.height]);
      expect(largestDifference(pixels, data), `seed ${seed}`).toBeLessThanOrEqual(1);
    }
  });

  it("do not depend on the batch they are computed in, and come in order", () => {
    const before = liveTensors();
    const together = render([3, 1, 0, 2, 1], { batch: 5 });
    const apart = render([3, 1, 0, 2, 1], { batch: 2 });
    expect(together.length).toBe(5);
    for (const [i, { pixels }] of together.entries())
      expect(largestDifference(pixels, (apart[i] as Picture).pixels)).toBeLessThanOrEqual(1);
    expect(
      largestDifference((together[0] as Picture).pixels, (together[1] as Picture).pixels),
    ).toBeGreaterThan(20);
    expect(liveTensors()).toBe(before);
  });

  it("truncation 0 gives every seed the mean picture, a cutoff of 0 leaves them alone", () => {
    const [a, b] = render([0, 1], { truncationPsi: 0 }) as [Picture, Picture];
    expect(largestDifference(a.pixels, b.pixels)).toBeLessThanOrEqual(1);
    const plain = render([0])[0] as Picture;
    const untouched = render([0], { truncationPsi: 0, truncationCutoff: 0 })[0] as Picture;
    expect(untouched.pixels).toEqual(plain.pixels);
    const half = render([0], { truncationPsi: 0.5 })[0] as Picture;
    const distance = (x: Picture, y: Picture) =>
      x.pixels.reduce((sum, value, i) => sum + Math.abs(value - (y.pixels[i] as number)), 0);
    expect(distance(half, a)).toBeGreaterThan(0);
    expect(distance(half, a)).toBeLessThan(distance(plain, a));
  });

  it("a cutoff changes only what the later layers add", () => {
    const all = render([0], { truncationPsi: 0.5 })[0] as Picture;
    const some = render([0], { truncationPsi: 0.5, truncationCutoff: 3 })[0] as Picture;
    const beyond = render([0], { truncationPsi: 0.5, truncationCutoff: 999 })[0] as Picture;
    expect(some.pixels).not.toEqual(all.pixels);
    expect(beyond.pixels).toEqual(all.pixels);
  });

  it("random noise differs from call to call, the stored noise does not", () => {
    expect(render([0])).toEqual(render([0]));
    expect(render([0], { noiseMode: "random" })).not.toEqual(render([0], { noiseMode: "random" }));
    expect(render([0], { noiseMode: "none" })).not.toEqual(render([0]));
  });
});

describe("toPictures", () => {
  it("scales, clamps, cuts fractions off and puts channels last", () =>
    scope(() => {
      // Red: -1, -1.5, 0, 2; the values below 1/127.5 show that fractions are cut off, not rounded.
      const images = tensor([-1, -1.5, 0, 2, 0.0075, 0.99, -0.0075, 1, 0.5, -0.5, 0.25, -0.25], [1, 3, 2, 2]);
      const [picture] = toPictures(images) as [Picture];
      const level = (value: number) =>
        Math.trunc(Math.min(Math.max(Math.fround(value) * 127.5 + 128, 0), 255));
      const wanted = [
        [-1, 0.0075, 0.5],
        [-1.5, 0.99, -0.5],
        [0, -0.0075, 0.25],
        [2, 1, -0.25],
      ].flat();
      expect([...picture.pixels]).toEqual(wanted.map(level));
      expect([...picture.pixels].slice(0, 5)).toEqual([0, 128, 191, 0, 254]);
    }));
});

describe("tile", () => {
  const dot = (value: number): Picture => ({ width: 2, height: 2, pixels: new Uint8Array(12).fill(value) });

  it("fills row by row and leaves missing places black", () => {
    const grid = tile([dot(1), dot(2), dot(3)], 2);
    expect([grid.width, grid.height]).toEqual([4, 4]);
    const reds = [...grid.pixels].filter((_, i) => i % 3 === 0);
    expect(reds).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 0, 0, 3, 3, 0, 0]);
  });

  it("refuses no pictures", () => {
    expect(() => tile([], 3)).toThrow(/no pictures/);
  });
});

describe("writePng", () => {
  it("writes exactly the pixels, and no other file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "stylegan-png-"));
    try {
      const pixels = Uint8Array.from({ length: 5 * 3 * 3 }, (_, i) => (i * 37) % 256);
      await writePng(join(folder, "a.png"), { width: 5, height: 3, pixels });
      const read = await sharp(join(folder, "a.png")).raw().toBuffer();
      expect(new Uint8Array(read)).toEqual(pixels);
      expect(readdirSync(folder)).toEqual(["a.png"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
