import {
  open,
  readdir,
  readFile,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { defaultCacheDirectory } from "../../src/data/cache.js";
import type { DatasetOptions } from "../../src/data/dataset.js";
import { UserError } from "../../src/system/errors.js";
import { imageOf, makeZip, noise, pixelOf, plain, useWorkspace } from "./helpers.js";

const workspace = useWorkspace();
const png = (color: string, size = 16) => plain(color, size).png().toBuffer();

/** Opens and expects a one-line `UserError` that matches. */
async function expectUserError(options: Partial<DatasetOptions>, message: RegExp): Promise<void> {
  const error = await workspace.open(options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).toMatch(message);
  expect((error as UserError).message).not.toContain("\n");
}

async function writeColors(...files: string[]): Promise<void> {
  const colors = ["red", "lime", "blue", "yellow", "cyan", "magenta", "black", "white"];
  for (const [index, file] of files.entries()) await workspace.write(file, await png(colors[index % 8]!));
}

describe("folders", () => {
  it("finds images at any depth, in a fixed order, and passes over the rest", async () => {
    await writeColors("b.png", "a/deep/er/x.PNG", "a/y.jpeg");
    await workspace.write("readme.txt", "no image");
    await workspace.write("._b.png", "a stub of macOS");
    const dataset = await workspace.open();
    expect(dataset.fileNames).toEqual(["a/deep/er/x.PNG", "a/y.jpeg", "b.png"]);
    expect(dataset).toMatchObject({ name: "data", resolution: 16, length: 3, classNames: [], skipped: [] });
    expect(dataset.label(0)).toBe(-1);
    expect(pixelOf(dataset, "b.png", 0, 0)).toEqual([255, 0, 0]);
  });

  it("names and skips what cannot be read", async () => {
    await writeColors("good.png");
    const jpeg = await noise(64).jpeg().toBuffer();
    await workspace.write("cut.jpg", jpeg.subarray(0, jpeg.length * 0.8)); // its upper part could still be decoded
    await workspace.write("text.png", "not a picture");
    await symlink(workspace.path("nowhere"), join(workspace.data, "broken.png"));
    const dataset = await workspace.open();
    expect(dataset.fileNames).toEqual(["good.png"]);
    expect(dataset.skipped.map(({ file }) => file).sort()).toEqual(["broken.png", "cut.jpg", "text.png"]);
    for (const { reason } of dataset.skipped) expect(reason).toMatch(/^[^\n]+$/);
  });

  it("says what it has seen while it prepares, and only then", async () => {
    const picture = await noise(64).png().toBuffer();
    await workspace.write("a.png", picture);
    await workspace.write("b.png", picture);
    await workspace.write("white.png", await png("white"));
    expect((await workspace.open()).seen).toMatchObject({ duplicates: 1, blank: 1, tiny: 0 });
    expect((await workspace.open()).seen).toBeUndefined();
  });

  it("follows links to folders, but not in circles", async () => {
    await writeColors("a/x.png");
    await symlink(join(workspace.data, "a"), join(workspace.data, "b"));
    await symlink(workspace.data, join(workspace.data, "a", "loop"));
    expect((await workspace.open()).fileNames).toEqual(["a/x.png", "b/x.png"]);
  });

  it("takes 64 pixels unless told otherwise", async () => {
    await writeColors("x.png");
    expect(imageOf(await workspace.open({ resolution: undefined as never }), 0)).toHaveLength(64 * 64 * 3);
  });
});

describe("zips", () => {
  const source = () => workspace.path("set.zip");
  const labels = (value: unknown) => ({ name: "dataset.json", content: JSON.stringify({ labels: value }) });
  const nvidia = async () => [
    { name: "00000/img00000000.png", content: await png("red", 32) },
    { name: "00000/img00000001.png", content: await png("blue", 32) },
  ];

  it("takes NVIDIA's format as it is", async () => {
    const pairs = [
      ["00000/img00000001.png", 0],
      ["00000/img00000000.png", 2],
    ];
    await writeFile(source(), makeZip([...(await nvidia()), labels(pairs)]));
    const dataset = await workspace.open({
      source: source(),
      resolution: undefined as never,
      conditional: true,
    });
    expect(dataset).toMatchObject({ name: "set", resolution: 32, length: 2, classNames: ["0", "1", "2"] });
    expect([dataset.label(0), dataset.label(1)]).toEqual([2, 0]);
    expect(pixelOf(dataset, "00000/img00000001.png", 31, 31)).toEqual([0, 0, 255]);
  });

  it("takes `labels: null` as no classes, whatever the folders", async () => {
    const other = { name: "00001/img00001000.png", content: await png("lime") };
    await writeFile(source(), makeZip([...(await nvidia()), other, labels(null)]));
    expect(await workspace.open({ source: source() })).toMatchObject({ length: 3, classNames: [] });
    await expectUserError({ source: source(), conditional: true }, /no classes.*--cond/);
  });

  it("needs no dataset.json, and looks into the one folder that a zip was made from", async () => {
    const entries = [
      { name: "set/cats/a.png", content: await png("red", 24) },
      { name: "set/dogs/b.png", content: await png("blue", 24) },
      { name: "__MACOSX/set/cats/._a.png", content: "stub" },
    ];
    await writeFile(source(), makeZip(entries));
    const dataset = await workspace.open({
      source: source(),
      resolution: undefined as never,
      conditional: true,
    });
    expect(dataset.fileNames).toEqual(["cats/a.png", "dogs/b.png"]);
    expect(dataset.classNames).toEqual(["cats", "dogs"]);
    expect(dataset.resolution).toBe(64); // 24 is no power of two
  });

  it("survives hostile zips", async () => {
    const picture = await png("red");
    const bomb = deflateRawSync(Buffer.alloc(2 ** 20));
    await writeFile(
      source(),
      makeZip([
        { name: "good.png", content: picture },
        { name: "../../evil.png", content: picture },
        { name: "/evil.png", content: picture },
        { name: "giant.png", content: "x", claimedBytes: 0xfffffff0 },
        { name: "liar.png", content: bomb, claimedBytes: 100 },
      ]),
    );
    const before = await readdir(workspace.path(""));
    const dataset = await workspace.open({ source: source() });
    expect(dataset.fileNames).toEqual(["good.png"]);
    const reasons = Object.fromEntries(dataset.skipped.map(({ file, reason }) => [file, reason]));
    expect(reasons["../../evil.png"]).toMatch(/invalid relative path/);
    expect(reasons["/evil.png"]).toMatch(/absolute path/);
    expect(reasons["giant.png"]).toMatch(/over the limit/);
    expect(reasons["liar.png"]).toMatch(/another size than the zip says/);
    expect(await readdir(workspace.path(""))).toEqual(["cache", ...before].sort());
  });

  it("says what is wrong with a file that is no zip", async () => {
    await writeFile(source(), "hello");
    await expectUserError({ source: source() }, /no zip.*give a folder/);
    const whole = makeZip(await nvidia());
    whole.fill(0, whole.length - 90, whole.length - 80); // the last of the listed entries
    await writeFile(source(), whole);
    await expectUserError({ source: source() }, /damaged/);
  });
});

describe("classes", () => {
  it("come from the first-level folders, sorted", async () => {
    await writeColors("dogs/1.png", "cats/1.png", "cats/old/2.png");
    const dataset = await workspace.open({ conditional: true });
    expect(dataset.classNames).toEqual(["cats", "dogs"]);
    expect(dataset.fileNames.map((_, index) => dataset.label(index))).toEqual([0, 0, 1]);
    expect((await workspace.open()).label(2)).toBe(-1);
  });

  it("come from dataset.json first, and may change without new pixels", async () => {
    await writeColors("cats/1.png", "dogs/1.png");
    const save = (labels: unknown) => workspace.write("dataset.json", JSON.stringify({ labels }));
    await save([
      ["cats\\1.png", 1],
      ["dogs/1.png", 0],
    ]);
    expect((await workspace.open({ conditional: true })).label(0)).toBe(1);
    await save([
      ["cats/1.png", 0],
      ["dogs/1.png", 1],
    ]);
    const onProgress = vi.fn();
    expect((await workspace.open({ conditional: true, onProgress })).label(0)).toBe(0);
    expect(onProgress).not.toHaveBeenCalled();
  });

  it("are refused where they are missing or malformed", async () => {
    await writeColors("x.png", "y.png");
    await expectUserError({ conditional: true }, /no classes/);
    await writeColors("a/1.png", "b/1.png");
    await expectUserError({ conditional: true }, /^x\.png has no class/);
    await workspace.write("dataset.json", '{"labels": [["x.png", 1]]}');
    await expectUserError({ conditional: true }, /^a\/1\.png has no class: add it to dataset\.json/);
    await workspace.write("dataset.json", '{"labels": [["x.png", 1e9]]}');
    await expectUserError({ conditional: true }, /dataset\.json cannot be read/);
    await workspace.write("dataset.json", "{");
    await expectUserError({ conditional: true }, /dataset\.json cannot be read/);
    expect((await workspace.open()).length).toBe(4); // without --cond nobody asks
  });
});

describe("subsets", () => {
  it("depend on the seed alone and keep the numbers of the classes", async () => {
    const files = Array.from(
      { length: 12 },
      (_, i) => `${i < 11 ? "a" : "b"}/${String(i).padStart(2, "0")}.png`,
    );
    await writeColors(...files);
    const names = async (subset: number, subsetSeed: number) =>
      (await workspace.open({ subset, subsetSeed })).fileNames;
    const five = await names(5, 1);
    expect(five).toHaveLength(5);
    expect(await names(5, 1)).toEqual(five);
    expect(await names(5, 2)).not.toEqual(five);
    expect(await names(12, 1)).toEqual(files);

    const all = await workspace.open({ conditional: true });
    for (let subsetSeed = 0; subsetSeed < 8; subsetSeed++) {
      const part = await workspace.open({ conditional: true, subset: 4, subsetSeed });
      expect(part.classNames).toEqual(["a", "b"]);
      expect(part.fingerprint).not.toBe(all.fingerprint);
      for (const [index, file] of part.fileNames.entries()) {
        const original = all.fileNames.indexOf(file);
        expect(part.label(index)).toBe(all.label(original));
        expect(imageOf(part, index)).toEqual(imageOf(all, original));
      }
    }
    await expectUserError({ subset: 13 }, /subset of 13 .* 12 usable/);
    await expectUserError({ subset: 0 }, /subset of 0/);
  });
});

describe("the cache", () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  const files = async () => (await readdir(workspace.cache)).sort();
  const cacheFile = async (ending: string) =>
    join(workspace.cache, (await files()).find((file) => file.endsWith(ending))!);

  it("spares a second start all decoding", async () => {
    await writeColors("a.png", "b.png");
    await workspace.write("bad.png", "no");
    const onProgress = vi.fn();
    const first = await workspace.open({ onProgress });
    expect(onProgress.mock.calls).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    // Other bytes of the same size and time: only a second decoding would notice.
    const file = join(workspace.data, "a.png");
    const { size, atime, mtime } = await stat(file);
    await utimes(file, atime, mtime); // rounds the time to what utimes can restore
    const known = await workspace.open();
    await writeFile(file, Buffer.alloc(size));
    await utimes(file, atime, mtime);

    onProgress.mockClear();
    const second = await workspace.open({ onProgress });
    expect(onProgress).not.toHaveBeenCalled();
    expect(second.fingerprint).toBe(known.fingerprint);
    expect(second.skipped).toEqual(first.skipped);
    expect(imageOf(second, 0)).toEqual(imageOf(first, 0));
  });

  it("notices changed files, resolutions and backgrounds", async () => {
    await writeColors("a.png");
    const { fingerprint } = await workspace.open();
    expect((await workspace.open({ resolution: 8 })).fingerprint).not.toBe(fingerprint);
    expect((await workspace.open({ background: "black" })).fingerprint).not.toBe(fingerprint);
    await workspace.write("a.png", await png("blue", 20));
    expect(pixelOf(await workspace.open(), "a.png", 0, 0)).toEqual([0, 0, 255]);
  });

  it.each([
    ["pixels cut short", async () => truncate(await cacheFile(".rgb"), 100)],
    ["missing pixels", async () => unlink(await cacheFile(".rgb"))],
    ["a broken index", async () => writeFile(await cacheFile(".json"), '{"files": ["a.p')],
    ["an index of another form", async () => writeFile(await cacheFile(".json"), "[]")],
  ])("is rebuilt after %s", async (_, damage) => {
    await writeColors("a.png", "b.png");
    const before = imageOf(await workspace.open(), 1);
    await damage();
    expect(imageOf(await workspace.open(), 1)).toEqual(before);
    const onProgress = vi.fn();
    await workspace.open({ onProgress });
    expect(onProgress).not.toHaveBeenCalled();
  });

  it("may be made by several at once, and leaves no temporary files", async () => {
    await writeColors("a.png", "b.png", "c.png");
    const sets = await Promise.all([workspace.open(), workspace.open(), workspace.open()]);
    for (const set of sets) expect(imageOf(set, 2)).toEqual(imageOf(sets[0]!, 2));
    expect(await files()).toEqual([`${sets[0]!.fingerprint}.json`, `${sets[0]!.fingerprint}.rgb`]);
  });

  it("clears away what killed runs left, but not what may still be written", async () => {
    await writeColors("a.png");
    await workspace.open();
    await writeFile(join(workspace.cache, "old.tmp"), "x");
    await utimes(join(workspace.cache, "old.tmp"), 0, 0);
    await writeFile(join(workspace.cache, "new.tmp"), "x");
    await workspace.open({ resolution: 8 });
    expect((await files()).filter((file) => file.endsWith(".tmp"))).toEqual(["new.tmp"]);
  });

  it("says so when the disk is full, and removes its temporary file", async () => {
    await writeColors("a.png");
    const handle = await open(join(workspace.data, "a.png"));
    const prototype = Object.getPrototypeOf(handle) as typeof handle;
    await handle.close();
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    vi.spyOn(prototype, "appendFile").mockRejectedValue(full);
    await expectUserError({}, /disk is full.*STYLEGAN_CACHE/);
    expect(await files()).toEqual([]);
  });

  it("says so when its folder cannot be made", async () => {
    await writeColors("a.png");
    await expectUserError({ cacheDirectory: join(workspace.data, "a.png", "cache") }, /STYLEGAN_CACHE/);
  });

  it("says so when it is cut short while in use", async () => {
    await writeColors("a.png");
    const dataset = await workspace.open();
    await truncate(await cacheFile(".rgb"), 100);
    expect(() => imageOf(dataset, 0)).toThrow(UserError);
  });

  it("lies where the environment says", async () => {
    vi.stubEnv("XDG_CACHE_HOME", "/xdg");
    vi.stubEnv("STYLEGAN_CACHE", "");
    expect(defaultCacheDirectory()).toBe(join("/xdg", "stylegan-ts"));
    vi.stubEnv("STYLEGAN_CACHE", workspace.cache);
    await writeColors("a.png");
    await workspace.open({ cacheDirectory: undefined as never });
    expect((await readFile(await cacheFile(".rgb"))).length).toBe(16 * 16 * 3);
  });
});

describe("bad input", () => {
  it("gets one line that says how to mend it", async () => {
    await expectUserError({}, /holds no image/); // an empty folder
    await workspace.write("readme.txt", "x");
    await expectUserError({}, /holds no image/);
    await workspace.write("x.png", "x");
    await expectUserError({}, /holds no image .*x\.png/);
    await expectUserError({ source: workspace.path("nowhere") }, /there is no .*nowhere.*give a folder/);
    for (const resolution of [0, 2, 48, 63.5, -8, Number.NaN]) {
      await expectUserError({ resolution }, /power of two/);
    }
    await expectUserError({ background: "nosuch" }, /"nosuch" is not a colour/);
    await expectUserError({ source: "emoji:nosuch" }, /"nosuch".*faces.*animals.*smileys/);
    await expectUserError({ source: "emoji:" }, /no emoji group ""/);
  });

  it("closed sets and wrong numbers are refused", async () => {
    await writeColors("a.png");
    const dataset = await workspace.open();
    expect(() => imageOf(dataset, 1)).toThrow(RangeError);
    expect(() => dataset.label(-1)).toThrow(RangeError);
    expect(() => dataset.readImage(0, new Uint8Array(16 * 16 * 3), 1)).toThrow(RangeError);
    dataset.close();
    dataset.close();
    expect(() => imageOf(dataset, 0)).toThrow(/closed/);
  });
});
