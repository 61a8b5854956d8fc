import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeNpy, encodeNpy, maxNumpyBytes, readNpy, writeNpy } from "../../src/numpy/npy.js";
import { encodeNpz, readNpz, writeNpz } from "../../src/numpy/npz.js";
import { UserError } from "../../src/system/errors.js";
import { fixturePath } from "../helpers.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "stylegan-numpy-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ramp = { shape: [2, 3], data: Float32Array.from([0, 0.5, 1, 1.5, 2, -2.5]) };

/** A `.npy` file with any header. */
function npy(header: string, data: Uint8Array = new Uint8Array(24), version = 1): Buffer {
  const text = Buffer.from(`${header}\n`, "latin1");
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUIntLE(text.length, 0, length.length);
  return Buffer.concat([Buffer.from("\x93NUMPY", "latin1"), Buffer.from([version, 0]), length, text, data]);
}

describe("npy", () => {
  it("is laid out byte by byte as the format says", () => {
    const bytes = Buffer.from(encodeNpy(ramp));
    expect(bytes.subarray(0, 8)).toEqual(Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]));
    expect(bytes.readUInt16LE(8)).toBe(118);
    const header = bytes.toString("latin1", 10, 128);
    expect(header).toMatch(/^\{'descr': '<f4', 'fortran_order': False, 'shape': \(2, 3\), \} +\n$/);
    expect(bytes.length).toBe(128 + 24);
    expect([0, 1, 2, 3, 4, 5].map((i) => bytes.readFloatLE(128 + 4 * i))).toEqual([...ramp.data]);
  });

  it.each([
    { shape: [2, 2], data: Uint8Array.from([1, 2, 3, 255]) },
    { shape: [3], data: Int32Array.from([-1, 0, 2 ** 31 - 1]) },
    { shape: [1, 2], data: BigInt64Array.from([-(2n ** 62n), 5n]) },
    ramp,
    { shape: [], data: Float64Array.from([Math.PI]) },
    { shape: [0, 512], data: new Float32Array(0) },
  ])("reads back what it wrote: $shape $data", (array) => {
    const file = join(folder, "array.npy");
    writeNpy(file, array);
    expect(readNpy(file)).toEqual(array);
  });

  it("writes the elements of a view, not its whole buffer", () => {
    const view = Float32Array.from([9, 9, 1, 2]).subarray(2);
    expect(decodeNpy(encodeNpy({ shape: [2], data: view }), "x")).toEqual({
      shape: [2],
      data: Float32Array.from([1, 2]),
    });
  });

  it("refuses to write a shape that does not fit", () => {
    expect(() => encodeNpy({ shape: [7], data: ramp.data })).toThrow(/takes 7 elements, not 6/);
  });

  it("reads keys in any order, versions 2 and 3, and one dimension in Fortran order", () => {
    const header = "{'shape': (6,), 'fortran_order': True, 'descr': '<f4'}";
    for (const version of [1, 2, 3])
      expect(decodeNpy(npy(header, new Uint8Array(24), version), "x").shape).toEqual([6]);
  });

  const fields = (descr: string, order: string, shape: string) =>
    `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;
  it.each<[string, RegExp, Buffer]>([
    ["no magic", /not a NumPy array file/, Buffer.from("a text of some length")],
    ["empty", /not a NumPy array file/, Buffer.alloc(0)],
    ["an unknown version", /version 9/, npy(fields("'<f4'", "False", "(6,)"), undefined, 9)],
    ["a header past the end", /cut short/, npy(fields("'<f4'", "False", "(6,)")).subarray(0, 40)],
    ["a huge header", /header of 20001 bytes/, npy(" ".repeat(20_000))],
    ["a header that is none", /no dictionary/, npy("import os")],
    ["a call in the header", /does not go on at/, npy("{'descr': __import__('os'), }")],
    ["a missing key", /must have descr/, npy("{'descr': '<f4', 'shape': (6,), }")],
    [
      "a key too many",
      /must have descr/,
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'x': 'y'}"),
    ],
    ["a key twice", /descr twice/, npy("{'descr': '<f4', 'descr': '<f8', 'shape': (6,), }")],
    ["a key of the wrong type", /must have descr/, npy(fields("'<f4'", "'False'", "(6,)"))],
    ["big endian", /type ">f4".*astype/, npy(fields("'>f4'", "False", "(6,)"))],
    ["objects, which are pickles", /type "\|O"/, npy(fields("'|O'", "False", "(6,)"))],
    ["a structured array", /structured/, npy(fields("[('x', '<f4')]", "False", "(6,)"))],
    ["Fortran order", /ascontiguousarray/, npy(fields("'<f4'", "True", "(2, 3)"))],
    ["a negative size", /does not go on at/, npy(fields("'<f4'", "False", "(-6,)"))],
    ["no sizes between commas", /no valid shape/, npy(fields("'<f4'", "False", "(6,,1)"))],
    [
      "a shape larger than any file",
      /too large/,
      npy(fields("'<f4'", "False", "(99999999999, 99999999999)")),
    ],
    ["a huge size beside a 0", /too large/, npy(fields("'<f4'", "False", "(0, 99999999999)"))],
    ["hundreds of dimensions", /no valid shape/, npy(fields("'<f4'", "False", `(${"1, ".repeat(300)})`))],
    ["too few elements", /takes 28 bytes, the file has 24/, npy(fields("'<f4'", "False", "(7,)"))],
    ["too many elements", /takes 20 bytes, the file has 24/, npy(fields("'<f4'", "False", "(5,)"))],
  ])("one line for %s", (_, pattern, bytes) => {
    const error = errorOf(() => decodeNpy(bytes, "x.npy"));
    expect(error).toBeInstanceOf(UserError);
    expect(error?.message).toMatch(pattern);
    expect(error?.message).toMatch(/^x\.npy [^\n]{1,250}$/);
  });

  it("any cut of a file is refused", () => {
    const bytes = encodeNpy(ramp);
    for (let length = 0; length < bytes.length; length++)
      expect(errorOf(() => decodeNpy(bytes.subarray(0, length), "x"))).toBeInstanceOf(UserError);
  });

  it("no such file, and a folder", () => {
    expect(errorOf(() => readNpy(join(folder, "nothing.npy")))?.message).toMatch(/no such file/);
    expect(errorOf(() => readNpy(folder))?.message).toMatch(/not a file/);
  });
});

describe("npz", () => {
  const arrays = { w: ramp, seeds: { shape: [2], data: BigInt64Array.from([1n, 2n]) } };

  it("reads back what it wrote, the same bytes each time", async () => {
    const file = join(folder, "two.npz");
    writeNpz(file, arrays);
    expect(Object.fromEntries(await readNpz(file))).toEqual(arrays);
    expect(readFileSync(file).equals(encodeNpz(arrays))).toBe(true);
  });

  it("reads NumPy's own files, compressed and not", async () => {
    for (const name of ["numpy-savez.npz", "numpy-savez-compressed.npz"]) {
      const read = Object.fromEntries(await readNpz(fixturePath(name)));
      expect(read).toEqual({
        w: { shape: [1, 2, 3], data: Float32Array.from([0, 0.25, 0.5, 0.75, 1, 1.25]) },
        seeds: { shape: [2], data: BigInt64Array.from([3n, 4n]) },
        scalar: { shape: [], data: Float64Array.from([0.1]) },
      });
    }
  });

  it.runIf(hasNumpy())("NumPy reads it", () => {
    const file = join(folder, "for-numpy.npz");
    writeNpz(file, arrays);
    const program = `import numpy, sys
a = numpy.load(sys.argv[1])
print(sorted(a.files), a["w"].dtype, a["w"].tolist(), a["seeds"].dtype, a["seeds"].tolist())`;
    expect(execFileSync("python3", ["-c", program, file], { encoding: "utf8" })).toBe(
      "['seeds', 'w'] float32 [[0.0, 0.5, 1.0], [1.5, 2.0, -2.5]] int64 [1, 2]\n",
    );
  });

  const bytes = (name: string, content: Uint8Array) => zipSync({ [name]: content });
  /** Ten megabytes of zeros in ten kilobytes, said to be of another size. */
  const claiming = (size: number) => {
    const zip = Buffer.from(bytes("w.npy", new Uint8Array(1e7)));
    zip.writeUInt32LE(size, zip.indexOf(Buffer.from([0x50, 0x4b, 1, 2])) + 24); // in the central directory
    return zip;
  };
  it.each<[string, RegExp, () => Uint8Array]>([
    ["a text", /not a NumPy file of arrays/, () => Buffer.from("no zip, only some text")],
    ["an empty file", /not a NumPy file of arrays/, () => Buffer.alloc(0)],
    ["a zip of something else", /holds "a\.txt"/, () => bytes("a.txt", Buffer.from("a"))],
    ["an array that is none", /"w" is not a NumPy array file/, () => bytes("w.npy", Buffer.from("no array"))],
    ["a cut zip", /npz|damaged/, () => encodeNpz(arrays).subarray(0, 200)],
    ["a bomb that says how large it is", /more than 256 MiB/, () => claiming(maxNumpyBytes + 1)],
    ["a bomb that lies about its size", /damaged/, () => claiming(1000)],
  ])("one line for %s", async (_, pattern, content) => {
    const file = join(folder, "bad.npz");
    writeFileSync(file, content());
    const started = performance.now();
    const error = await readNpz(file).catch((e: unknown) => e);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(pattern);
    expect((error as Error).message).toMatch(/^[^\n]+$/);
  });
});

function errorOf(body: () => unknown): Error | undefined {
  try {
    body();
  } catch (error) {
    return error as Error;
  }
  return undefined;
}

function hasNumpy(): boolean {
  try {
    execFileSync("python3", ["-c", "import numpy"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
