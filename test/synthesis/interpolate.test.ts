import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Generator } from "../../src/networks/network.js";
import { easings } from "../../src/synthesis/choices.js";
import { findDirections } from "../../src/synthesis/directions.js";
import {
  frameCount,
  type InterpolationOptions,
  interpolationFrames,
  lerp,
  slerp,
} from "../../src/synthesis/interpolate.js";
import { latentsOfSeeds } from "../../src/synthesis/latents.js";
import type { Picture } from "../../src/synthesis/picture.js";
import { mapLatents, renderLatents, renderWs } from "../../src/synthesis/render.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";
import { tinyGenerator } from "./tiny.js";

let G: Generator;
beforeAll(() => {
  G = tinyGenerator("stylegan2", 2);
});
afterAll(() => G.dispose());

const seeds = (list: number[], space: "z" | "w" = "w") => ({ seeds: list, space });

function frames(
  options: Partial<InterpolationOptions> & Pick<InterpolationOptions, "keyframes" | "numKeyframes">,
) {
  return [
    ...interpolationFrames(G, {
      ...{ wFrames: 4, interpolation: "linear", easing: "linear", loop: true },
      ...{ noiseMode: "const", batch: 3, classIndex: 1, ...options },
    }),
  ];
}

function pictureOf(seed: number): Picture {
  const z = latentsOfSeeds([seed], G.zDim);
  const [picture] = [...renderLatents(G, { z, classes: [1], noiseMode: "const", batch: 1 })];
  z.dispose();
  return picture as Picture;
}

const difference = (a: Picture | undefined, b: Picture | undefined) => {
  if (!a || !b || a.pixels.length !== b.pixels.length) throw new Error("pictures of different sizes");
  return a.pixels.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b.pixels[i] as number))), 0);
};

describe.each([
  ["w", "linear"],
  ["w", "spherical"],
  ["z", "linear"],
  ["z", "spherical"],
] as const)("interpolationFrames in %s, %s", (space, interpolation) => {
  it("begins with generate's picture, passes every keyframe, and a loop comes back", () => {
    const before = liveTensors();
    const film = frames({ keyframes: seeds([3, 8, 5], space), numKeyframes: 3, interpolation });
    expect(liveTensors()).toBe(before);
    expect(film).toHaveLength(12);
    for (const [i, seed] of [3, 8, 5].entries())
      expect(difference(film[4 * i], pictureOf(seed))).toBeLessThanOrEqual(1);
    expect(difference(film[2], film[0])).toBeGreaterThan(1);
    // The last frame lies between the last keyframe and the first; one step on is the first again.
    const open = frames({ keyframes: seeds([5, 3], space), numKeyframes: 2, interpolation, loop: false });
    expect(open).toHaveLength(5);
    for (let i = 0; i < 4; i++) expect(difference(film[8 + i], open[i])).toBeLessThanOrEqual(1);
    expect(difference(open[4], film[0])).toBeLessThanOrEqual(1);
  });
});

describe("interpolationFrames", () => {
  it("is the mean of two ws in the middle", () => {
    const film = frames({ keyframes: seeds([1, 2]), numKeyframes: 2 });
    const middle = scope(() => {
      const ws = mapLatents(G, { z: latentsOfSeeds([1, 2], G.zDim), classes: [1, 1] });
      return [...renderWs(G, { ws: ws.mean([0], true), noiseMode: "const", batch: 1 })][0];
    });
    expect(difference(film[2], middle)).toBeLessThanOrEqual(1);
  });

  it("shares keyframes out among the cells of a grid, and starts again when they end", () => {
    const grid = { columns: 2, rows: 1 };
    const film = frames({ keyframes: seeds([1, 2, 3]), numKeyframes: 2, grid, batch: 8 });
    const size = G.resolution;
    const cell = (frame: number, column: number): Picture => {
      const { width, height, pixels } = film[frame] as Picture;
      expect([width, height]).toEqual([2 * size, size]);
      const part = new Uint8Array(size * size * 3);
      for (let y = 0; y < size; y++) {
        const start = (y * width + column * size) * 3;
        part.set(pixels.subarray(start, start + size * 3), y * size * 3);
      }
      return { width: size, height: size, pixels: part };
    };
    const wanted = [
      [1, 2],
      [3, 1],
    ];
    for (const [column, [first, second]] of wanted.entries()) {
      expect(difference(cell(0, column), pictureOf(first as number))).toBeLessThanOrEqual(1);
      expect(difference(cell(4, column), pictureOf(second as number))).toBeLessThanOrEqual(1);
    }
  });

  it("walks between projected latents", () => {
    const ws = scope(() => mapLatents(G, { z: latentsOfSeeds([6, 7], G.zDim), classes: [1, 1] }));
    const film = frames({ keyframes: { ws }, numKeyframes: 2 });
    ws.dispose();
    expect(difference(film[0], pictureOf(6))).toBeLessThanOrEqual(1);
    expect(difference(film[4], pictureOf(7))).toBeLessThanOrEqual(1);
  });

  it("sweeps along a direction, there and back when it loops", () => {
    const [direction] = findDirections(G, { count: 1 });
    if (!direction) throw new Error("no direction");
    const sweeps = [{ direction, from: 0, to: 4 }];
    const one = { keyframes: seeds([9]), numKeyframes: 1, wFrames: 8, sweeps };
    const loop = frames(one);
    expect(loop).toHaveLength(8);
    expect(difference(loop[0], pictureOf(9))).toBeLessThanOrEqual(1);
    for (const i of [1, 2, 3]) expect(difference(loop[i], loop[8 - i])).toBeLessThanOrEqual(1);
    const open = frames({ ...one, loop: false });
    expect(open).toHaveLength(9);
    // The far end of both is the same picture.
    expect(difference(open[8], loop[4])).toBeLessThanOrEqual(1);
    expect(difference(open[8], open[0])).toBeGreaterThan(5);
  });

  it("counts its frames before they are made", () => {
    const of = (numKeyframes: number, loop: boolean) => frameCount({ numKeyframes, wFrames: 10, loop });
    expect([of(3, true), of(3, false), of(1, false)]).toEqual([30, 21, 1]);
  });
});

describe("between two vectors", () => {
  const a = Float32Array.of(3, 0, 1, -2);
  const b = Float32Array.of(-1, 2, 5, 0.5);
  const length = (v: Float32Array) => Math.hypot(...v);
  const angle = (v: Float32Array, w: Float32Array) =>
    Math.acos(v.reduce((sum, value, i) => sum + value * (w[i] as number), 0) / (length(v) * length(w)));

  it("slerp's angle and length grow evenly", () => {
    for (const t of [0.1, 0.25, 0.5, 0.9]) {
      const v = slerp(a, b, t);
      expect(length(v)).toBeCloseTo(length(a) + t * (length(b) - length(a)), 5);
      expect(angle(a, v)).toBeCloseTo(t * angle(a, b), 5);
      expect(angle(v, b)).toBeCloseTo((1 - t) * angle(a, b), 5);
    }
    for (const [i, value] of slerp(a, b, 0).entries()) expect(value).toBeCloseTo(a[i] as number, 6);
    for (const [i, value] of slerp(a, b, 1).entries()) expect(value).toBeCloseTo(b[i] as number, 6);
  });

  it("slerp of parallel, opposite and vanishing vectors is the straight line", () => {
    const twice = a.map((value) => 2 * value);
    expect(slerp(a, twice, 0.5)).toEqual(lerp(a, twice, 0.5));
    const opposite = a.map((value) => -value);
    expect(slerp(a, opposite, 0.25)).toEqual(lerp(a, opposite, 0.25));
    expect([...slerp(a, new Float32Array(4), 0.5)]).toEqual([1.5, 0, 0.5, -1]);
  });

  it("easings start at 0, end at 1 and rise", () => {
    for (const ease of Object.values(easings)) {
      expect([ease(0), ease(0.5), ease(1)]).toEqual([0, 0.5, 1]);
      for (let i = 0; i < 10; i++) expect(ease((i + 1) / 10)).toBeGreaterThan(ease(i / 10));
    }
    expect(easings.smooth(0.1)).toBeLessThan(0.05);
  });
});

it("a network without classes or with one latent for all layers has films as well", () => {
  const progan = tinyGenerator("progan");
  const film = [
    ...interpolationFrames(progan, {
      ...{ keyframes: seeds([1, 2], "z"), numKeyframes: 2, wFrames: 2, interpolation: "spherical" },
      ...{ easing: "smooth", loop: false, noiseMode: "const", batch: 8 },
    }),
  ];
  expect(film).toHaveLength(3);
  const end = scope(() => {
    const z = tensor(latentsOfSeeds([2], progan.zDim).toFloat32Array(), [1, progan.zDim]);
    return [...renderLatents(progan, { z, noiseMode: "const", batch: 1 })][0];
  });
  expect(difference(film[2], end)).toBeLessThanOrEqual(1);
  progan.dispose();
});
