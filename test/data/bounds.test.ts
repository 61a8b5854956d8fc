// Data sets that are damaged or want to do harm: sizes are looked at before memory is taken, bytes are held against their
// digests, and what is wrong is said of the file that it is in.

import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readLabels } from "../../src/data/datasetJson.js";
import { mapInOrder } from "../../src/data/mapInOrder.js";
import { checkSvg } from "../../src/data/svgBounds.js";
import { readNpz } from "../../src/numpy/npz.js";
import { crc32 } from "../../src/system/crc32.js";
import { UserError } from "../../src/system/errors.js";
import { fixturePath } from "../helpers.js";
import { imageOf, makeZip, plain, useWorkspace } from "./helpers.js";

const workspace = useWorkspace();
const png = (color: string) => plain(color, 16).png().toBuffer();

/** What an entry holds when it is unpacked, packed, with what a zip says of it. */
function packed(name: string, whole: Buffer) {
  return { name, content: deflateRawSync(whole), claimedBytes: whole.length, crc: crc32(whole) };
}

/** MB beyond the file that are taken while `work` is done. */
async function memoryBeyond(file: string, work: () => Promise<unknown>): Promise<number> {
  const before = process.resourceUsage().maxRSS;
  await work();
  return (process.resourceUsage().maxRSS - before) / 1024 - statSync(file).size / 2 ** 20;
}

describe("dataset.json", () => {
  const read = (text: string, wanted = ["a.png", "f/b.png"]) => {
    async function* pieces() {
      for (let at = 0; at < text.length; at += 7) yield Buffer.from(text.slice(at, at + 7));
    }
    return readLabels(pieces(), { isWanted: (name) => wanted.includes(name), maxClasses: 1000 });
  };

  it.each([
    [
      '{"labels": [["a.png", 0], ["f\\\\b.png", 12], ["c", 900]]}',
      901,
      [
        ["a.png", 0],
        ["f/b.png", 12],
      ],
    ],
    [
      ' {"x":{"labels":[1,{"y":"]"}]},"labels":[ ["\\u0061.png" , 3e0 ] ] , "z":"\\"[[" } ',
      4,
      [["a.png", 3]],
    ],
    ['{"labels":null}', 0, []],
    ['{"labels":[]}', 0, []],
  ])("%s", async (text, classes, labels) => {
    expect(JSON.parse(text)).toBeTypeOf("object");
    const found = await read(text);
    expect([found?.classes, [...(found?.labelOf ?? [])]]).toEqual([classes, labels]);
  });

  it("that says nothing about labels", async () => {
    expect(await read('{"other":[["a.png",1]]}')).toBeUndefined();
  });

  it.each([
    "",
    "{",
    "[]",
    "5",
    '"labels"',
    '{"labels":[["a",1]]',
    '{"labels":[["a",1]]}}',
    '{"labels":[["a" 1]]}',
    '{"labels":[["a",1,2]]}',
    '{"labels":[[1,"a"]]}',
    '{"labels":[["a",-1]]}',
    '{"labels":[["a",1.5]]}',
    '{"labels":[["a",1000]]}',
    '{"labels":["a",1]}',
    '{"labels":{}}',
    '{"labels":[{"a":1}]}',
    '{"labels":[["a",[1]]]}',
    '{"labels":[["a",1],]}',
    '{"labels":[,["a",1]]}',
    '{"labels":"x"}',
    '{"labels":[["a\\q",1]]}',
    "{labels:null}",
    `{"labels":[["${"a".repeat(5000)}",1]]}`,
    `{"x":${"[".repeat(100)}`,
  ])("%s is refused", async (text) => {
    await expect(read(text)).rejects.toThrow(SyntaxError);
  });

  it.each([
    ["240 MB of brackets", () => Buffer.alloc(240 * 2 ** 20, "["), /cannot be read/],
    [
      "2 million labels of other files",
      () => Buffer.from(`{"labels":[${'["other",7],'.repeat(2_000_000)}["other",7]]}`),
      /no class/,
    ],
  ])("%s in a small zip takes next to no memory", async (_, make, pattern) => {
    const file = workspace.path("set.zip");
    const entries = [
      { name: "a.png", content: await png("red") },
      { name: "b.png", content: await png("blue") },
      packed("dataset.json", make()),
    ];
    await writeFile(file, makeZip(entries));
    expect(statSync(file).size).toBeLessThan(300_000);
    await workspace.open({ source: file });
    let error: unknown;
    const beyond = await memoryBeyond(file, () =>
      workspace.open({ source: file, conditional: true }).catch((caught: unknown) => {
        error = caught;
      }),
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(pattern);
    expect(beyond).toBeLessThan(64);
  });
});

describe("images", () => {
  it("under way at once are bounded in bytes, and one that is larger is alone", async () => {
    let [now, most, alone] = [0, 0, true];
    const sizes = [3, 3, 3, 50, 3, 3, 3, 3, 3];
    const results: number[] = [];
    const work = async (size: number) => {
      now += size;
      most = Math.max(most, size === 50 ? 0 : now);
      alone &&= size !== 50 || now === 50;
      await new Promise((resolve) => setTimeout(resolve, 2));
      now -= size;
      return size;
    };
    for await (const size of mapInOrder(sizes, { items: 8, bytesOf: (size) => size, bytes: 10 }, work))
      results.push(size);
    expect(results).toEqual(sizes);
    expect([most, alone]).toEqual([9, true]);
  });

  it("of a zip whose bytes, size or kind are not what it says are left out by name, and end nothing", async () => {
    const file = workspace.path("set.zip");
    const picture = await png("red");
    const flipped = Buffer.from(picture);
    flipped.writeUInt8(flipped.readUInt8(40) ^ 4, 40);
    const whole = makeZip([
      { name: "good.png", content: picture },
      { name: "flipped.png", content: flipped, crc: crc32(picture) },
      { ...packed("smaller.png", picture), claimedBytes: picture.length - 1 },
      { ...packed("larger.png", picture), claimedBytes: picture.length + 1 },
      { ...packed("garbage.png", picture), content: Buffer.alloc(50, 0xff) },
      packed("packed.png", picture),
    ]);
    await writeFile(file, whole);
    const dataset = await workspace.open({ source: file });
    expect(dataset.fileNames).toEqual(["good.png", "packed.png"]);
    expect(Object.fromEntries(dataset.skipped.map(({ file: name, reason }) => [name, reason]))).toEqual({
      "flipped.png": expect.stringContaining("CRC"),
      "smaller.png": expect.stringContaining("another size"),
      "larger.png": expect.stringContaining("another size"),
      "garbage.png": expect.stringContaining("damaged"),
    });
    // Nothing comes after the source has been closed, where it would end the program.
    await new Promise((resolve) => setTimeout(resolve, 50));
  });
});

describe("an array of a .npz", () => {
  it("whose bytes are not what was written is refused", async () => {
    const file = workspace.path("latents.npz");
    const bytes = readFileSync(fixturePath("numpy-savez.npz"));
    writeFileSync(file, bytes);
    await readNpz(file);
    const at = bytes.indexOf("NUMPY") + 124; // an element
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(file, bytes);
    await expect(readNpz(file)).rejects.toThrow(UserError);
    await expect(readNpz(file)).rejects.toThrow(/CRC/);
  });
});

describe("the cache of prepared images", () => {
  const pixels = () =>
    join(workspace.cache, readdirSync(workspace.cache).find((name) => name.endsWith(".rgb")) as string);

  it("tells an image whose bytes have changed, and no other", async () => {
    for (const color of ["red", "lime", "blue"]) await workspace.write(`${color}.png`, await png(color));
    const before = await workspace.open();
    expect(imageOf(before, 1)).toHaveLength(768);
    const bytes = readFileSync(pixels());
    writeFileSync(pixels(), bytes.fill(0, 768 + 100, 768 + 200));
    const dataset = await workspace.open();
    imageOf(dataset, 0);
    imageOf(dataset, 2);
    expect(() => imageOf(dataset, 1)).toThrow(UserError);
    expect(() => imageOf(dataset, 1)).toThrow(
      `the prepared image of ${dataset.fileNames[1]} is damaged: remove ${pixels()}`,
    );
  });

  it("from before there were digests is used as it is", async () => {
    await workspace.write("red.png", await png("red"));
    await workspace.open();
    const index = pixels().replace(".rgb", ".json");
    const { digests, ...old } = JSON.parse(readFileSync(index, "utf8")) as Record<string, unknown>;
    expect(digests).toMatch(/^[0-9a-f]{8}$/);
    writeFileSync(index, JSON.stringify(old));
    expect(imageOf(await workspace.open(), 0)).toHaveLength(768);
  });
});

describe("an SVG", () => {
  const svg = (inner: string) =>
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="16" height="16">${inner}</svg>`;
  const nested = (levels: number, use = (name: string) => `<use xlink:href="#${name}"/>`) => {
    const groups = Array.from(
      { length: levels },
      (_, i) => `<g id="a${i + 1}">${use(`a${i}`).repeat(10)}</g>`,
    );
    return svg(`<defs><rect id="a0" width="1" height="1"/>${groups.join("")}</defs>${use(`a${levels}`)}`);
  };

  it("whose parts are in each other a thousand million times is left out within a second", async () => {
    await workspace.write("good.svg", nested(2));
    await workspace.write("bomb.svg", nested(9));
    await workspace.write("named otherwise.png", nested(9));
    const start = process.cpuUsage();
    const dataset = await workspace.open();
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1e6).toBeLessThan(1);
    expect(dataset.fileNames).toEqual(["good.svg"]);
    expect(dataset.skipped.map(({ reason }) => reason)).toEqual(
      Array(2).fill(expect.stringMatching(/draws more than/)),
    );
  });

  it.each([
    ["with numbers for characters", nested(9, (name) => `<use href="&#35;&#x61;${name.slice(1)}"/>`)],
    ["by patterns", nested(9, (name) => `<rect fill="url(#${name})" width="1" height="1"/>`)],
    ["with > in quotes", nested(9, (name) => `<use class=">" href='#${name}'></use>`)],
    ["compressed", "\x1f\x8b"],
  ])("%s is refused too", (_, text) => {
    expect(() => checkSvg(Buffer.from(text, "latin1"))).toThrow();
  });

  it.each([
    ["many elements", svg('<rect width="1" height="1"/>'.repeat(100_000))],
    ["a circle of references", svg('<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g>')],
    ["depth", svg("<g>".repeat(100_000))],
    ["tags without an end", svg('<a "'.repeat(100_000))],
    ["a comment", svg(`<!-- ${nested(9)} -->`)],
    ["no SVG", nested(9).replaceAll("<svg", "<html")],
  ])("%s is drawn, or not, by who draws it", (_, text) => {
    checkSvg(Buffer.from(text));
  });
});
