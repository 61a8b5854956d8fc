import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeNpz } from "../../src/numpy/npz.js";
import { readLatents, writeLatents } from "../../src/synthesis/latentFile.js";
import { UserError } from "../../src/system/errors.js";
import { tensor } from "../../src/torch/tensor.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "stylegan-latents-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const G = { numWs: 2, wDim: 3 };
const values = [0, 1, 2, 3, 4, 5];

describe("latents in files", () => {
  it("come back as they went", async () => {
    const file = join(folder, "projected_w.npz");
    const ws = tensor(values, [1, 2, 3]);
    writeLatents(file, ws);
    const read = await readLatents(file, G);
    expect([...read.shape]).toEqual([1, 2, 3]);
    expect([...read.toArray()]).toEqual(values);
    ws.dispose();
    read.dispose();
  });

  it("are read from float64, as NumPy computes", async () => {
    const file = join(folder, "double.npz");
    writeNpz(file, { w: { shape: [1, 2, 3], data: Float64Array.from(values) } });
    const read = await readLatents(file, G);
    expect(read.dtype).toBe("float32");
    expect([...read.toArray()]).toEqual(values);
    read.dispose();
  });

  it.each<[string, RegExp, Record<string, { shape: number[]; data: Float32Array }>]>([
    ["another key", /no array w \(it has z\)/, { z: { shape: [1, 2, 3], data: Float32Array.from(values) } }],
    [
      "another network",
      /\(1, 3, 2\).*\(N, 2, 3\)/,
      { w: { shape: [1, 3, 2], data: Float32Array.from(values) } },
    ],
    ["no dimension of samples", /shape \(2, 3\)/, { w: { shape: [2, 3], data: Float32Array.from(values) } }],
    ["no latents", /shape \(0, 2, 3\)/, { w: { shape: [0, 2, 3], data: new Float32Array(0) } }],
    ["not a number", /not finite/, { w: { shape: [1, 2, 3], data: new Float32Array(6).fill(Number.NaN) } }],
  ])("%s is refused in one line", async (_, pattern, arrays) => {
    const file = join(folder, "bad.npz");
    writeNpz(file, arrays);
    const error = await readLatents(file, G).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(pattern);
  });
});
