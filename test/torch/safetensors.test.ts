import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UserError } from "../../src/system/errors.js";
import { zeros } from "../../src/torch/ops.js";
import { readSafetensors, readSafetensorsHeader, writeSafetensors } from "../../src/torch/safetensors.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { numbers } from "./numeric.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "stylegan-safetensors-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const path = (name: string) => join(folder, name);

/** Writes a file with this header and so many bytes of data, and returns its path. */
function crafted(header: unknown, dataBytes = 8): string {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = path("crafted.safetensors");
  writeFileSync(file, Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
  return file;
}

const entry = (changes: object) => ({
  x: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...changes },
});

function errorOf(read: () => unknown): unknown {
  try {
    scope(() => {
      const result = read();
      return result === undefined ? undefined : null;
    });
  } catch (error) {
    return error;
  }
  return undefined;
}

function expectUserError(file: string, pattern: RegExp): void {
  const error = errorOf(() => readSafetensors(file));
  expect(error).toBeInstanceOf(UserError);
  const { message } = error as UserError;
  expect(message).toMatch(pattern);
  expect(message).toContain(file);
  expect(message).not.toContain("\n");
}

describe("round trip", () => {
  it("keeps names, shapes, types, bits, order and metadata", () =>
    scope(() => {
      const tensors = new Map<string, Tensor>([
        ["synthesis.b4.const", tensor([1.5, Number.NaN, Number.NEGATIVE_INFINITY], [3, 1])],
        ["scalar", tensor(new Float64Array([Math.PI]), [])],
        ["empty", tensor([], [0, 5])],
        ["bytes", tensor(new Uint8Array([1, 2, 255]))],
        ["long", tensor(new BigInt64Array([-(2n ** 63n), 7n]))],
        ["int", tensor(new Int32Array([-5]))],
        ["brain", tensor(new Uint16Array([0x3fc0, 0xff80, 0x0001]), [3], "bfloat16")],
        ["half", tensor(new Uint16Array([0x3e00]), [1], "float16")],
        ["flag", tensor(new Uint8Array([1, 0]), [2], "bool")],
        ["permuted", tensor([1, 2, 3, 4, 5, 6], [2, 3]).permute([1, 0])],
        ['näme "quoted" \\', tensor([1])],
      ]);
      const metadata = { format: "test", text: 'Zeile\n"zwei" ü 𝄞' };
      writeSafetensors(path("all.safetensors"), tensors, metadata);
      const read = readSafetensors(path("all.safetensors"));
      expect(read.metadata).toEqual(metadata);
      expect([...read.tensors.keys()]).toEqual([...tensors.keys()]);
      for (const [name, wanted] of tensors) {
        const actual = read.tensors.get(name) as Tensor;
        expect([name, actual.dtype, actual.shape]).toEqual([name, wanted.dtype, wanted.shape]);
        expect(actual.toBytes()).toEqual(wanted.toBytes());
      }
      const { shapes } = readSafetensorsHeader(path("all.safetensors"));
      expect(shapes.get("permuted")).toEqual([3, 2]);
    }));

  it("starts the data at a multiple of 8 bytes, as the format recommends", () =>
    scope(() => {
      for (let i = 1; i < 10; i++) {
        writeSafetensors(path("aligned.safetensors"), new Map([["x".repeat(i), tensor([1])]]));
        expect(readFileSync(path("aligned.safetensors")).readBigUInt64LE() % 8n).toBe(0n);
      }
    }));
});

describe("digests", () => {
  const write = (file: string) =>
    writeSafetensors(
      file,
      new Map<string, Tensor>([
        ["a.weight", tensor([1, 2, 3, 4, 5, 6], [3, 2])],
        ["empty", tensor([], [0, 2])],
        ["7", tensor([Math.PI])],
        ["large", tensor(Float32Array.from({ length: 5000 }, (_, i) => Math.sin(i)))],
      ]),
      { format: "test", progress: JSON.stringify({ tick: 12, totalSeconds: 34.5 }) },
    );

  it("notice 400 flipped bits in tensors, by name of the tensor, and in the header", () =>
    scope(() => {
      const file = path("flipped.safetensors");
      write(file);
      const whole = readFileSync(file);
      const wanted = readSafetensors(file);
      const headerEnd = 8 + Number(whole.readBigUInt64LE());
      const next = numbers(9);
      let harmless = 0;
      for (let i = 0; i < 400; i++) {
        const [start, end] = i % 2 === 0 ? [8, headerEnd] : [headerEnd, whole.length];
        const at = start + Math.floor(next() * (end - start));
        const flipped = Buffer.from(whole);
        flipped[at] = (flipped[at] as number) ^ (1 << Math.floor(next() * 8));
        writeFileSync(file, flipped);
        const error = errorOf(() => {
          // The name of the digests themselves, or a space that became a tab: all else must be there.
          const { tensors, metadata } = readSafetensors(file);
          expect(metadata).toMatchObject(wanted.metadata);
          for (const [name, tensor] of wanted.tensors) {
            expect(tensors.get(name)?.shape).toEqual(tensor.shape);
            expect(tensors.get(name)?.toBytes()).toEqual(tensor.toBytes());
          }
          harmless += 1;
        });
        if (error === undefined) continue;
        expectUserError(
          file,
          i % 2 === 0 ? /./ : /damaged: entry "(a\.weight|7|large)" is not what was written/,
        );
      }
      expect(harmless).toBeLessThan(10);
    }));

  it("are those of zips, a text in the metadata: other programs read the file as before", () =>
    scope(() => {
      const file = path("digests.safetensors");
      write(file);
      const whole = readFileSync(file);
      const headerEnd = 8 + Number(whole.readBigUInt64LE());
      const header = JSON.parse(whole.toString("utf8", 8, headerEnd)) as {
        __metadata__: Record<string, string>;
        large: { data_offsets: [number, number] };
      };
      const { crc32: digests = "", ...metadata } = header.__metadata__;
      expect(digests).toMatch(/^[0-9a-f]{40}$/);
      const [start, end] = header.large.data_offsets;
      const zipped = gzipSync(whole.subarray(headerEnd + start, headerEnd + end));
      expect(Number.parseInt(digests.slice(24, 32), 16)).toBe(zipped.readUInt32LE(zipped.length - 8));
      expect(readSafetensors(file).metadata).toEqual(metadata);
      // A tensor that is not asked for is not looked at.
      whole.writeUInt8((whole.at(-1) as number) ^ 1, whole.length - 1);
      writeFileSync(file, whole);
      expect(readSafetensors(file, (name) => name !== "large").tensors.size).toBe(3);
    }));

  it("need not be there: files from before and of other programs load", () =>
    scope(() => {
      expect(readSafetensors(crafted(entry({}))).tensors.get("x")?.shape).toEqual([2]);
    }));

  it.each([
    ["too few", "00000000"],
    ["no digits", "x".repeat(16)],
    ["of another file", "0123456789abcdef"],
  ])("%s are an error", (_, crc32) => {
    expectUserError(crafted({ ...entry({}), __metadata__: { crc32 } }), /header is not what was written/);
  });
});

describe("hostile files", () => {
  it("JSON of 12 MB of brackets, of lists and of entries takes no more memory than the file has", () => {
    const items = (text: string) => `{"x":[${text.repeat(4_000_000)}1]}`;
    const entries = Array.from(
      { length: 150_000 },
      (_, i) => `"${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`,
    );
    for (const header of ["[".repeat(12_000_000), items("[],"), items("1, "), `{${entries.join(",")}}`]) {
      const file = crafted(header);
      const before = process.memoryUsage.rss();
      expectUserError(file, /not a safetensors file/);
      expect(process.memoryUsage.rss() - before).toBeLessThan((64 + 3 * 12) * 2 ** 20);
    }
  });

  it.each([
    ["empty", 0],
    ["7 bytes", 7],
  ])("%s", (_, size) => {
    writeFileSync(path("short.safetensors"), Buffer.alloc(size));
    expectUserError(path("short.safetensors"), /not a safetensors file/);
  });

  it("cut anywhere", () => {
    const whole = scope(() => {
      writeSafetensors(path("whole.safetensors"), new Map([["x", tensor([1, 2, 3])]]), { a: "b" });
      return readFileSync(path("whole.safetensors"));
    });
    for (let size = 0; size < whole.length; size++) {
      writeFileSync(path("cut.safetensors"), whole.subarray(0, size));
      expectUserError(path("cut.safetensors"), /cut short|not a safetensors file/);
    }
  });

  it.each([2n ** 64n - 1n, 2n ** 63n, 2n ** 53n, 100_000_001n, 1000n])("a header of %s bytes", (length) => {
    const bytes = Buffer.alloc(32);
    bytes.writeBigUInt64LE(length);
    writeFileSync(path("huge.safetensors"), bytes);
    expectUserError(path("huge.safetensors"), /not a safetensors file|cut short/);
  });

  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  it.each<[string, unknown, RegExp]>([
    ["no JSON", "{x", /not JSON/],
    ["a list", [], /not an object/],
    ["null", "null", /not an object/],
    ["a number", "5", /not an object/],
    ["an entry that is a number", { x: 5 }, /entry "x"/],
    ["an entry that is null", { x: null }, /entry "x"/],
    ["a negative offset", entry({ data_offsets: [-8, 0] }), /offsets/],
    ["a fractional offset", entry({ data_offsets: [0.5, 8.5] }), /offsets/],
    ["offsets the wrong way round", entry({ data_offsets: [8, 0] }), /entry "x"/],
    ["offsets after the end", entry({ data_offsets: [8, 16] }), /cut short/],
    ["huge offsets", entry({ data_offsets: [2 ** 53 - 9, 2 ** 53 - 1] }), /cut short/],
    ["three offsets", entry({ data_offsets: [0, 4, 8] }), /offsets/],
    ["no offsets", entry({ data_offsets: undefined }), /offsets/],
    ["too few bytes for the shape", entry({ shape: [3] }), /claims 8 bytes for 12/],
    ["a negative size", entry({ shape: [-2] }), /shape/],
    ["a fractional size", entry({ shape: [1.5] }), /shape/],
    ["a text as shape", entry({ shape: "2" }), /shape/],
    ["sizes whose product overflows", entry({ shape: [2 ** 52, 2 ** 52, 2 ** 52] }), /entry "x"/],
    ["sizes whose product is not a number", entry({ shape: [...Array(40).fill(2 ** 52), 0] }), /entry "x"/],
    [
      "huge sizes beside a zero",
      entry({ shape: [2 ** 52, 2 ** 52, 0], data_offsets: [0, 0] }),
      /entry x|damaged/,
    ],
    ["an unknown type", entry({ dtype: "F8_E4M3" }), /F8_E4M3/],
    ["no type", entry({ dtype: undefined }), /element type/],
    ["a type that is an object", entry({ dtype: { toString: 1, valueOf: 1 } }), /element type/],
    ["a type that is deeply nested", `{"x":{"dtype":${nested(50_000)}}}`, /.*/],
    ["deeply nested JSON", nested(1_000_000), /.*/],
    ["a line break in a name", { "x\ny": 5 }, /entry/],
    ["a line break in a type", entry({ dtype: "F\n32" }), /element type/],
    [
      "entries that overlap",
      { ...entry({}), y: { dtype: "F32", shape: [1], data_offsets: [4, 8] } },
      /entry|damaged|overlap/,
    ],
  ])("%s", (_, header, pattern) => {
    expectUserError(crafted(header), pattern);
  });

  it("a text as metadata does not turn into something else", () =>
    scope(() => {
      expect(readSafetensors(crafted({ ...entry({}), __metadata__: "text" })).metadata).toEqual({});
      expect(readSafetensors(crafted({ ...entry({}), __metadata__: { a: 1, b: "c" } })).metadata).toEqual({
        b: "c",
      });
    }));

  it("a name like __proto__ is a name", () =>
    scope(() => {
      const file = crafted('{"__proto__":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}');
      expect([...readSafetensors(file).tensors.keys()]).toEqual(["__proto__"]);
    }));

  it("no such file", () => {
    expectUserError(path("nothing.safetensors"), /no such file/);
  });

  it("a folder in its place", () => {
    mkdirSync(path("folder.safetensors"));
    expectUserError(path("folder.safetensors"), /.*/);
  });

  it("2,000 random changes of a small file: read, or a UserError of one line; nothing leaks", () => {
    scope(() =>
      writeSafetensors(
        path("seed.safetensors"),
        new Map<string, Tensor>([
          ["a.weight", tensor([1, 2, 3, 4], [2, 2])],
          ["b", tensor(new BigInt64Array([1n, 2n]))],
        ]),
        { format: "x" },
      ),
    );
    const original = readFileSync(path("seed.safetensors"));
    const next = numbers(42);
    const below = (limit: number) => Math.floor(next() * limit);
    const before = liveTensors();
    let refused = 0;
    for (let round = 0; round < 2000; round++) {
      let bytes = Buffer.from(original);
      for (let change = 0; change <= below(3); change++) {
        const at = below(bytes.length);
        switch (below(5)) {
          case 0:
            bytes[at] = below(256);
            break;
          case 1:
            bytes[at] = (bytes[at] as number) ^ (1 << below(8));
            break;
          case 2: // digits and punctuation hit the header's meaning more often than random bytes
            bytes[at] = '0123456789-.,:[]{}"eE'.charCodeAt(below(21));
            break;
          case 3:
            bytes = bytes.subarray(0, at);
            break;
          default:
            bytes = Buffer.concat([
              bytes.subarray(0, at),
              Buffer.from("9".repeat(below(20))),
              bytes.subarray(at),
            ]);
        }
        if (bytes.length === 0) break;
      }
      writeFileSync(path("mutated.safetensors"), bytes);
      const error = errorOf(() => readSafetensors(path("mutated.safetensors")));
      if (error === undefined) continue;
      refused += 1;
      expect(error, `round ${round}: ${JSON.stringify(bytes.toString("latin1"))}`).toBeInstanceOf(UserError);
      expect((error as UserError).message).not.toContain("\n");
    }
    expect(refused).toBeGreaterThan(1000);
    expect(liveTensors()).toBe(before);
  });

  it("frees the tensors read before a broken one", () => {
    const before = liveTensors();
    const broken = { ...entry({}), y: { dtype: "F32", shape: [2 ** 40], data_offsets: [8, 8 + 2 ** 42] } };
    expect(() => readSafetensors(crafted(broken))).toThrow(UserError);
    expect(liveTensors()).toBe(before);
  });
});

describe("a failed write", () => {
  it("into a folder that is not there is a UserError", () => {
    const x = tensor([1]);
    expect(() => writeSafetensors(path("none/x.safetensors"), new Map([["x", x]]))).toThrow(UserError);
    x.dispose();
  });

  it("of a disposed tensor leaves the old file and nothing else", () => {
    mkdirSync(path("kept"));
    const file = path("kept/x.safetensors");
    scope(() => writeSafetensors(file, new Map([["x", tensor([1])]])));
    const whole = readFileSync(file);
    const x = tensor([2]);
    const y = tensor([3]);
    const tensors = new Map([
      ["x", x],
      ["y", y],
    ]);
    y.dispose();
    expect(() => writeSafetensors(file, tensors)).toThrow(/disposed/);
    x.dispose();
    expect(readFileSync(file)).toEqual(whole);
    expect(readdirSync(path("kept"))).toEqual(["x.safetensors"]);
  });

  it("on a full disk leaves the old file and nothing else", (context) => {
    const mount = path("full");
    mkdirSync(mount);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", mount], { stdio: "pipe" });
    } catch {
      context.skip("a tmpfs cannot be mounted here: needs root");
    }
    try {
      const file = join(mount, "x.safetensors");
      scope(() => {
        writeSafetensors(file, new Map([["x", tensor([1, 2, 3])]]));
        const whole = readFileSync(file);
        expect(() => writeSafetensors(file, new Map([["x", zeros([100_000])]]))).toThrow(/disk is full/);
        expect(readFileSync(file)).toEqual(whole);
        expect(readdirSync(mount)).toEqual(["x.safetensors"]);
      });
    } finally {
      execFileSync("umount", [mount]);
    }
  });
});
