// Files that are damaged or want to do harm: each ends in one line, within a second and in bounded memory, and
// nothing is run or written.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSnapshot } from "../../src/interop/openSnapshot.js";
import { disposeAll } from "../../src/networks/snapshot.js";
import { UserError } from "../../src/system/errors.js";
import { zeros } from "../../src/torch/ops.js";
import { readSafetensors, writeSafetensors } from "../../src/torch/safetensors.js";
import { liveTensors } from "../../src/torch/scope.js";
import { fixturePath } from "../helpers.js";
import { numbers } from "../torch/numeric.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "stylegan-hostile-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const bytes = (...parts: (string | number[] | Uint8Array)[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part))),
  );
const uint32 = (value: number) => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
};
const proto = "\x80\x04";
const text = (value: string) => bytes("X", uint32(value.length), value);

/** What opening the file and reading all of it ends with. */
function outcome(file: string): unknown {
  try {
    const snapshot = openSnapshot(file);
    try {
      disposeAll(snapshot.read(["G_ema", "G", "D"]));
    } finally {
      snapshot.close();
    }
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Doubles a list 20 times by reference. */
const laughs = bytes(
  "]\x94",
  ...Array.from({ length: 20 }, (_, i) => bytes("]\x94", "h", [i], "h", [i], "\x86a")),
);
const reduceSystem = (module: string) =>
  bytes(proto, text(module), text("system"), "\x93", text("true"), "\x85R.");

const files: [string, () => Uint8Array, RegExp][] = [
  ["os.system", () => reduceSystem("os"), /os\.system.*refused/],
  ["builtins.eval", () => bytes(proto, "cbuiltins\neval\n", text("1"), "\x85R."), /builtins\.eval.*refused/],
  ["a global of protocol 0", () => bytes("cposix\nsystem\n(Vtrue\ntR."), /posix\.system.*refused/],
  ["an instance of protocol 0", () => bytes("(Vtrue\nios\nsystem\n."), /is not a snapshot|refused/],
  [
    "names with line feeds",
    () => bytes(proto, text("a\nb"), text("c".repeat(500)), "\x93."),
    /a\\nb\.ccc.*refused/,
  ],
  ["an unknown instruction", () => bytes(proto, "\xff."), /byte 2 holds 0xff/],
  ["an extension code", () => bytes(proto, "\x82\x01."), /0x82/],
  ["protocol 99", () => bytes("\x80\x63."), /protocol 99/],
  ["nothing", () => bytes(""), /is not a snapshot/],
  ["one byte", () => bytes("\x80"), /is not a snapshot|cut short/],
  ["no end", () => bytes(proto, "}"), /cut short/],
  ["a text of 4 GB", () => bytes(proto, "X", uint32(0xffffffff), "abc"), /too much text|cut short/],
  ["bytes of 2^63", () => bytes(proto, "\x8e", [0, 0, 0, 0, 0, 0, 0, 0x80]), /cut short/],
  ["an integer of 2 GB", () => bytes(proto, "\x8b", uint32(0x7fffffff), "abc"), /integer of/],
  ["an empty stack", () => bytes(proto, "0."), /do not fit together/],
  ["a memo that is not there", () => bytes(proto, "h\x05."), /do not fit together/],
  ["a million instructions", () => bytes(proto, "N0".repeat(1_000_000), "N."), /too many instructions/],
  ["a million dictionaries", () => bytes(proto, "}".repeat(1_000_000), "."), /too many instructions/],
  [
    "lists in lists, 200,000 deep",
    () => bytes(proto, "]".repeat(200_000), "a".repeat(199_999), "."),
    /no networks/,
  ],
  ["a list that holds itself", () => bytes(proto, "]\x94h\x00a."), /no networks/],
  ["references that double 20 times", () => bytes(proto, laughs, "."), /no networks/],
  [
    "a dictionary of 40,000 pairs, made 40,000 times",
    () => {
      const pairs = bytes("]\x94(", "K\x00K\x01\x86".repeat(40_000), "e0");
      const make = bytes("ccollections\nOrderedDict\nh\x00\x85R0");
      return bytes(proto, pairs, ...Array.from({ length: 40_000 }, () => make), "N.");
    },
    /too many instructions/,
  ],
  [
    "a module that is its own child",
    () =>
      bytes(
        ...[proto, "}\x94(", text("G_ema"), "ctorch_utils.persistence\n_reconstruct_persistent_obj\n}("],
        ...[text("type"), text("class"), text("class_name"), text("Generator"), text("state"), "}\x94("],
        ...[
          text("_modules"),
          "}\x94(",
          text("a"),
          "ctorch_utils.persistence\n_reconstruct_persistent_obj\n}(",
        ],
        ...[
          text("type"),
          text("class"),
          text("class_name"),
          text("X"),
          text("state"),
          "h\x01u\x85Ruuu\x85Ru.",
        ],
      ),
    /modules do not end/,
  ],
  ["a zip without a pickle", () => zipSync({ "a/b": new Uint8Array(3) }), /no data\.pkl/],
  [
    "a zip that grows 1000 times",
    () => zipSync({ "a/data.pkl": new Uint8Array(2 ** 26) }, { level: 9 }),
    /compressed/,
  ],
  [
    "a zip cut in half",
    () => readFileSync(fixturePath("stylegan2-port.pt")).subarray(0, 100_000),
    /zip is cut short/,
  ],
  [
    "a storage larger than its file",
    () => {
      const pickle = bytes(
        ...[
          "\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((",
          text("storage"),
          "ctorch\nFloatStorage\n",
          text("0"),
        ],
        ...[text("cpu"), "J", uint32(0x7fffffff), "tQK\x00J", uint32(0x7fffffff), "\x85K\x01\x85\x89}tR."],
      );
      return zipSync({ "a/data.pkl": pickle, "a/data/0": new Uint8Array(8) }, { level: 0 });
    },
    /cut short/,
  ],
];

describe("a hostile file", () => {
  it.each(files)("%s", (_, make, pattern) => {
    const file = join(folder, "hostile");
    writeFileSync(file, make());
    const memory = process.memoryUsage.rss();
    // Of the processor's time, whatever else the machine does.
    const start = process.cpuUsage();
    const error = outcome(file);
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000).toBeLessThan(1000);
    expect(process.memoryUsage.rss() - memory).toBeLessThan(300 * 2 ** 20);
    expect(error).toBeInstanceOf(UserError);
    const { message } = error as UserError;
    expect(message).toMatch(pattern);
    expect(message).not.toContain("\n");
    expect(message.length).toBeLessThan(500);
    expect(readdirSync(folder)).toEqual(["hostile"]);
  });
});

describe("10,000 damaged files", () => {
  const next = numbers(5);
  const integer = (limit: number) => Math.floor(next() * limit);

  /** Bytes changed, runs copied over others, and now and then the end cut off. */
  function mutated(whole: Buffer, reach: number): Buffer {
    const result = Buffer.from(whole);
    for (let i = 1 + integer(8); i > 0; i--) {
      const at = integer(reach);
      if (integer(4) === 0) result.copyWithin(at, integer(reach), integer(reach));
      else result[at] = integer(256);
    }
    return integer(5) === 0 ? result.subarray(0, integer(reach)) : result;
  }

  const sources: [string, () => { whole: Buffer; reach: number }, number][] = [
    ["of a pickle", () => start("nvidia-stylegan2.pkl", 40_000), 200],
    ["of a pickle's first 30 kB", () => start("nvidia-stylegan2.pkl", 30_000, 30_000), 4400],
    ["of a zip", () => end("stylegan2-port.pt"), 400],
    ["of a zip's pickle", () => start("stylegan2-port.pt", 24_000), 1000],
    ["of safetensors", smallSafetensors, 4000],
  ];

  function smallSafetensors() {
    const file = join(folder, "hostile");
    const tensors = new Map(["a.weight", "a.bias", "b"].map((name, i) => [name, zeros([i + 1, 2])]));
    writeSafetensors(file, tensors, { format: "test" });
    disposeAll(tensors);
    const whole = readFileSync(file);
    return { whole, reach: whole.length };
  }

  /** Mutations of the first `reach` bytes, where the structure is. */
  function start(name: string, reach: number, length?: number) {
    return { whole: readFileSync(fixturePath(name)).subarray(0, length), reach };
  }

  /** Mutations of the last 24 kB: a zip's directory. The bytes are turned around and back. */
  function end(name: string) {
    return { whole: readFileSync(fixturePath(name)).reverse(), reach: 24_000 };
  }

  it.each(sources)("%s: none crashes, hangs, leaks or writes anything", (which, source, count) => {
    const { whole, reach } = source();
    const file = join(folder, "hostile");
    const live = liveTensors();
    const memory = process.memoryUsage.rss();
    let refused = 0;
    for (let i = 0; i < count; i++) {
      const damaged = mutated(whole, reach);
      rmSync(file, { force: true }); // a new file: some file systems wait for the disk when one is cut to nothing
      writeFileSync(file, which === "of a zip" ? damaged.reverse() : damaged);
      const error = which === "of safetensors" ? readingError(file) : outcome(file);
      if (error === undefined) continue;
      refused += 1;
      if (!(error instanceof UserError) || error.message.includes("\n")) throw error;
    }
    expect(refused).toBeGreaterThan(count / 4);
    expect(liveTensors()).toBe(live);
    expect(process.memoryUsage.rss() - memory).toBeLessThan(500 * 2 ** 20);
    expect(readdirSync(folder)).toEqual(["hostile"]);
  });

  function readingError(file: string): unknown {
    try {
      disposeAll(readSafetensors(file).tensors);
      return undefined;
    } catch (error) {
      return error;
    }
  }
});
