import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Generator } from "../../src/networks/network.js";
import { readNpy } from "../../src/numpy/npy.js";
import { drawNumber, numberWidth } from "../../src/synthesis/digits.js";
import { readDirections, writeDirections } from "../../src/synthesis/directionFile.js";
import { findDirections, moveAlong } from "../../src/synthesis/directions.js";
import { encodePicture, FileQueue } from "../../src/synthesis/encode.js";
import { type GenerateOptions, generateFiles } from "../../src/synthesis/generate.js";
import { latentsOfSeeds } from "../../src/synthesis/latents.js";
import { checkGrid, Grid, type Picture } from "../../src/synthesis/picture.js";
import { mapLatents, renderLatents, renderWs, synthesizeImages } from "../../src/synthesis/render.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tinyGenerator } from "./tiny.js";

let G: Generator;
let outdir: string;
beforeAll(() => {
  G = tinyGenerator("stylegan2", 3);
  // A mean of w away from zero, so that truncation has something to go to.
  scope(() => G.updateWAvg(mapLatents(G, { z: latentsOfSeeds([77], G.zDim), classes: [1] }).select(1, 0)));
});
afterAll(() => G.dispose());
beforeEach(() => {
  outdir = mkdtempSync(join(tmpdir(), "stylegan-generate-"));
});
afterEach(() => rmSync(outdir, { recursive: true }));

const seeds = (list: number[], truncations = [1]) => ({ seeds: list, truncations, classIndex: 2 });

function generate(options: Partial<GenerateOptions> & Pick<GenerateOptions, "source">) {
  return generateFiles(G, { noiseMode: "const", batch: 3, outdir, format: "png", ...options });
}

const pixelsOf = async (name: string) =>
  new Uint8Array(await sharp(join(outdir, name)).removeAlpha().raw().toBuffer());

function pictureOf(seed: number, truncationPsi = 1): Picture {
  const z = latentsOfSeeds([seed], G.zDim);
  const [picture] = [...renderLatents(G, { z, classes: [2], noiseMode: "const", batch: 1, truncationPsi })];
  z.dispose();
  return picture as Picture;
}

function largestDifference(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] as number))), 0);
}

describe("generateFiles", () => {
  it("writes a picture for each seed, whatever the batch, and reports how far it is", async () => {
    const before = liveTensors();
    const seen: number[] = [];
    const result = await generate({ source: seeds([4, 0, 12345, 7]), onProgress: (done) => seen.push(done) });
    expect(result).toEqual({ written: 4, total: 4, grid: undefined });
    expect(seen).toEqual([3, 4]);
    expect(readdirSync(outdir).sort()).toEqual(
      ["seed0000.png", "seed0004.png", "seed0007.png", "seed12345.png"].sort(),
    );
    for (const seed of [0, 4, 7])
      expect(
        largestDifference(await pixelsOf(`seed000${seed}.png`), pictureOf(seed).pixels),
      ).toBeLessThanOrEqual(1);
    expect(liveTensors()).toBe(before);
  });

  it("sweeps truncation: a file for each ψ and a labelled grid with a row for each seed", async () => {
    const { grid, written } = await generate({ source: seeds([5, 10], [0.5, 1]) });
    expect(written).toBe(4);
    expect(readdirSync(outdir).sort()).toEqual([
      "grid.png",
      "seed0005-trunc0.5.png",
      "seed0005-trunc1.png",
      "seed0010-trunc0.5.png",
      "seed0010-trunc1.png",
    ]);
    const size = G.resolution;
    const { data, info } = await sharp(grid).raw().toBuffer({ resolveWithObject: true });
    const left = info.width - 2 * size;
    const top = info.height - 2 * size;
    expect([left > 0, top > 0]).toEqual([true, true]);
    for (const [row, seed] of [5, 10].entries())
      for (const [column, psi] of [0.5, 1].entries()) {
        const wanted = pictureOf(seed, psi).pixels;
        const cell = new Uint8Array(wanted.length);
        for (let y = 0; y < size; y++) {
          const start = ((top + row * size + y) * info.width + left + column * size) * 3;
          cell.set(data.subarray(start, start + size * 3), y * size * 3);
        }
        expect(largestDifference(cell, wanted)).toBeLessThanOrEqual(1);
        const file = await pixelsOf(`seed${String(seed).padStart(4, "0")}-trunc${psi}.png`);
        expect(largestDifference(file, wanted)).toBeLessThanOrEqual(1);
      }
    expect(largestDifference(pictureOf(5, 0.5).pixels, pictureOf(5, 1).pixels)).toBeGreaterThan(2);
    // There is ink in the margins.
    expect(data.subarray(0, top * info.width * 3).some((value) => value === 255)).toBe(true);
  });

  it("writes a projection's latents as they are", async () => {
    const ws = scope(() => mapLatents(G, { z: latentsOfSeeds([1, 2], G.zDim), classes: [0, 1] }));
    const expected = [...renderWs(G, { ws, noiseMode: "const", batch: 2 })];
    await generate({ source: { ws }, batch: 1, grid: { columns: 2, rows: 1 } });
    expect(readdirSync(outdir).sort()).toEqual(["grid.png", "proj00.png", "proj01.png"]);
    for (const [i, { pixels }] of expected.entries())
      expect(largestDifference(await pixelsOf(`proj0${i}.png`), pixels)).toBeLessThanOrEqual(1);
    ws.dispose();
  });

  it("--format npy is the network's own output in float32", async () => {
    await generate({ source: seeds([3]), format: "npy", grid: { columns: 1, rows: 1 } });
    expect(readdirSync(outdir).sort()).toEqual(["grid.png", "seed0003.npy"]);
    const { shape, data } = readNpy(join(outdir, "seed0003.npy"));
    expect(shape).toEqual([3, G.resolution, G.resolution]);
    const wanted = scope(() =>
      synthesizeImages(
        G,
        mapLatents(G, { z: latentsOfSeeds([3], G.zDim), classes: [2] }),
        "const",
      ).toFloat32Array(),
    );
    expect(data).toBeInstanceOf(Float32Array);
    for (const [i, value] of wanted.entries()) expect(data[i] as number).toBeCloseTo(value, 5);
  });

  it("moves latents along directions", async () => {
    const [direction] = findDirections(G, { count: 1 });
    if (!direction) throw new Error("no direction");
    await generate({ source: seeds([3]), steps: [{ direction, amount: 4 }] });
    const wanted = scope(() => {
      const ws = mapLatents(G, { z: latentsOfSeeds([3], G.zDim), classes: [2] });
      return [
        ...renderWs(G, { ws: moveAlong(ws, [{ direction, amount: 4 }]), noiseMode: "const", batch: 1 }),
      ];
    });
    const made = await pixelsOf("seed0003.png");
    expect(largestDifference(made, (wanted[0] as Picture).pixels)).toBeLessThanOrEqual(1);
    expect(largestDifference(made, pictureOf(3).pixels)).toBeGreaterThan(5);
  });

  it("stops when asked, with what is complete on disk and no grid", async () => {
    const list = Array.from({ length: 12 }, (_, i) => i);
    let batches = 0;
    const result = await generate({
      source: seeds(list),
      grid: { columns: 4, rows: 3 },
      shouldStop: () => ++batches === 2,
    });
    expect(result).toEqual({ written: 6, total: 12, grid: undefined });
    expect(readdirSync(outdir)).toHaveLength(6);
    for (const name of readdirSync(outdir)) expect((await pixelsOf(name)).length).toBe(3 * G.resolution ** 2);
  });

  it("fails as a user's error when a file cannot be written, and leaves no temporary one", async () => {
    rmSync(outdir, { recursive: true });
    await expect(generate({ source: seeds([0, 1]) })).rejects.toThrow(/folder is gone/);
    expect(existsSync(outdir)).toBe(false);
    outdir = mkdtempSync(join(tmpdir(), "stylegan-generate-"));
  });
});

describe("encodePicture", () => {
  const pixels = Uint8Array.from({ length: 16 * 8 * 3 }, (_, i) => 100 + Math.round(50 * Math.sin(i / 40)));
  const picture = { width: 16, height: 8, pixels };

  it.each([
    ["png", "png", 0],
    ["webp", "webp", 12],
    ["jpg", "jpeg", 12],
  ] as const)("%s", async (format, name, tolerance) => {
    const bytes = await encodePicture(picture, format);
    const { format: found, width, height } = await sharp(bytes).metadata();
    expect([found, width, height]).toEqual([name, 16, 8]);
    const decoded = new Uint8Array(await sharp(bytes).removeAlpha().raw().toBuffer());
    expect(largestDifference(decoded, pixels)).toBeLessThanOrEqual(tolerance);
  });
});

it("FileQueue holds few files at once and counts the complete ones", async () => {
  const queue = new FileQueue();
  let open = 0;
  let most = 0;
  for (let i = 0; i < 60; i++) {
    open += 1;
    const bytes = new Promise<Uint8Array>((resolve) =>
      setTimeout(() => {
        most = Math.max(most, open);
        open -= 1;
        resolve(Uint8Array.of(i));
      }, 1),
    );
    await queue.add(join(outdir, String(i)), bytes);
  }
  await queue.finish();
  expect(queue.written).toBe(60);
  expect(readdirSync(outdir)).toHaveLength(60);
  expect(most).toBeLessThan(60);
});

describe("Grid", () => {
  it("refuses what no viewer opens, before any work", () => {
    expect(() => checkGrid({ columns: 1000, rows: 1000, cell: 64 })).toThrow(/megapixels.*take fewer/);
    expect(checkGrid({ columns: 4, rows: 2, cell: 64 })).toEqual({
      left: 0,
      top: 0,
      width: 256,
      height: 128,
    });
  });

  it("refuses pictures of another size and places that are not there", () => {
    const grid = new Grid({ columns: 1, rows: 1, cell: 2 });
    expect(() => grid.place(0, { width: 3, height: 3, pixels: new Uint8Array(27) })).toThrow(/3 x 3/);
    expect(() => grid.place(1, { width: 2, height: 2, pixels: new Uint8Array(12) })).toThrow(/place 1/);
  });
});

it("drawNumber draws its glyphs and cuts off what is outside", () => {
  const canvas = { width: 8, height: 5, pixels: new Uint8Array(8 * 5 * 3) };
  drawNumber(canvas, "17", { left: 0, top: 0, scale: 1 });
  const rows = Array.from({ length: 5 }, (_, y) =>
    Array.from({ length: 8 }, (_, x) => (canvas.pixels[(y * 8 + x) * 3] ? "#" : ".")).join(""),
  );
  expect(rows).toEqual([".#..###.", "##....#.", ".#....#.", ".#....#.", "###...#."]);
  expect(numberWidth("17")).toBe(7);
  drawNumber(canvas, "8", { left: 7, top: 3, scale: 2 });
  expect(canvas.pixels.subarray(0, 3 * 8 * 3)[7 * 3]).toBe(0);
});

describe("files of directions", () => {
  const file = () => join(outdir, "directions.json");

  it("come back as they were written, one to a line", () => {
    const directions = findDirections(G, { layers: { first: 1, last: 3 }, count: 4 });
    writeDirections(file(), directions);
    expect(readDirections(file(), G)).toEqual(directions);
  });

  it.each<[string, RegExp, (text: string) => string]>([
    ["no JSON", /no file of directions/, () => "{"],
    ["another format", /no file of directions/, (text) => text.replace("directions 1", "directions 9")],
    [
      "another network",
      /12 elements, but this network's w has 10/,
      (text) => text.replace('"wDim":10', '"wDim":12'),
    ],
    ["layers beyond", /layers 0 to 5/, (text) => text.replace('"last":3', '"last":6')],
    ["layers backwards", /no file of directions/, (text) => text.replace('"first":1', '"first":5')],
    ["a name twice", /two directions have the name 1-3:0/, (text) => text.replace('"1-3:1"', '"1-3:0"')],
    [
      "a vector that is none",
      /no file of directions/,
      (text) => text.replace('"vector":[', '"vector":["a",'),
    ],
  ])("%s is refused in one line", (_, pattern, damage) => {
    writeDirections(file(), findDirections(G, { layers: { first: 1, last: 3 }, count: 2 }));
    const text = damage(readFileSync(file(), "utf8"));
    writeFileSync(file(), text);
    expect(() => readDirections(file(), G)).toThrow(pattern);
  });

  it("a missing one is named", () => {
    expect(() => readDirections(join(outdir, "nowhere.json"), G)).toThrow(/nowhere\.json: no such file/);
  });
});
