import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { type CropOptions, croppedSize, cropToPng } from "../../../src/data/making/crop.js";
import type { CropMode } from "../../../src/data/making/cropModes.js";
import { openDestination } from "../../../src/data/making/destination.js";
import { labelsOf } from "../../../src/data/making/labels.js";
import { makeDataset } from "../../../src/data/making/makeDataset.js";
import { ZipWriter } from "../../../src/data/making/zipWriter.js";
import { openSource } from "../../../src/data/openSource.js";
import { UserError } from "../../../src/system/errors.js";
import { distance, noise, type Pixel, pixelOf, plain, redBlue, useWorkspace } from "../helpers.js";

const workspace = useWorkspace();
const defaults: CropOptions = { crop: "centre", size: { width: 16, height: 16 }, background: "white" };

/** Makes a data set of the workspace's pictures. */
async function make(dest: string, options: { labels?: "folders" | "none"; force?: boolean } = {}) {
  const source = await openSource(workspace.data);
  const destination = await openDestination(dest, { force: options.force ?? false });
  const classes = await labelsOf(source, options.labels);
  const made = await makeDataset(source, destination, { ...defaults, classes, leftOut: new Set() });
  await destination.finish();
  source.close();
  return made;
}

const message = (run: Promise<unknown>) =>
  run.then(
    () => "no error",
    (error: unknown) => (error instanceof UserError ? error.message : String(error)),
  );

describe("a data set", () => {
  it("as zip and as folder has NVIDIA's names, 8-bit RGB and the labels of the folders", async () => {
    const gray = sharp(Buffer.alloc(32 * 32, 77), { raw: { width: 32, height: 32, channels: 1 } });
    await workspace.write("cat/gray.png", await gray.png().toBuffer());
    await workspace.write("cat/cmyk.jpg", await plain("blue").toColourspace("cmyk").jpeg().toBuffer());
    const deep = plain("red").toColourspace("rgb16").png();
    await workspace.write("dog/deep.png", await deep.toBuffer());
    await workspace.write("dog/broken.png", "no picture");
    const glass = { create: { width: 32, height: 32, channels: 4 as const, background: "#00000000" } };
    await workspace.write("eel/glass.png", await sharp(glass).png().toBuffer());
    const { pictures, skipped, complete } = await make(workspace.path("set.zip"));
    expect({ pictures, complete }).toEqual({ pictures: 4, complete: true });
    expect(skipped.map(({ file }) => file)).toEqual(["dog/broken.png"]);
    await make(workspace.path("set"));

    const names = ["cmyk", "gray", "deep", "glass"].map((_, i) => `00000/img0000000${i}.png`);
    const [a, b, c, d] = names as [string, string, string, string];
    const wanted = {
      labels: [
        [a, 0],
        [b, 0],
        [c, 1],
        [d, 2],
      ],
    };
    expect(JSON.parse(readFileSync(workspace.path("set/dataset.json"), "utf8"))).toEqual({
      ...wanted,
      classes: ["cat", "dog", "eel"],
    });
    for (const name of names) {
      const { width, height, channels, depth, space } = await sharp(
        workspace.path(join("set", name)),
      ).metadata();
      expect({ width, height, channels, depth, space }).toEqual({
        ...{ width: 16, height: 16, channels: 3, depth: "uchar", space: "srgb" },
      });
    }
    for (const source of ["set.zip", "set"]) {
      const dataset = await workspace.open({ source: workspace.path(source), conditional: true });
      expect(dataset.fileNames).toEqual(names);
      expect(names.map((_, i) => dataset.label(i))).toEqual([0, 0, 1, 2]);
      expect(pixelOf(dataset, b, 3, 3)).toEqual([77, 77, 77]);
      expect(pixelOf(dataset, c, 3, 3)).toEqual([255, 0, 0]);
      expect(pixelOf(dataset, d, 3, 3)).toEqual([255, 255, 255]);
    }
  });

  it("is the same bytes each time, and keeps the labels of dataset.json", async () => {
    for (const color of ["red", "lime", "blue"])
      await workspace.write(`${color}.png`, await plain(color).png().toBuffer());
    await workspace.write("dataset.json", '{"labels": [["blue.png", 4], ["lime.png", 0], ["red.png", 2]]}');
    const [first, second] = [workspace.path("first.zip"), workspace.path("second.zip")];
    await make(first);
    await make(second);
    expect(readFileSync(first).equals(readFileSync(second))).toBe(true);
    const dataset = await workspace.open({ source: first, conditional: true });
    expect([0, 1, 2].map((i) => dataset.label(i))).toEqual([4, 0, 2]);
    await make(workspace.path("none.zip"), { labels: "none" });
    await expect(workspace.open({ source: workspace.path("none.zip"), conditional: true })).rejects.toThrow(
      /no classes/,
    );
  });

  it("takes nothing's place unless it is a zip and told to, and leaves nothing when given up", async () => {
    await workspace.write("a.png", await plain("red").png().toBuffer());
    writeFileSync(workspace.path("old.zip"), "precious");
    mkdirSync(workspace.path("full"));
    writeFileSync(workspace.path("full/file"), "precious");
    mkdirSync(workspace.path("empty"));
    expect(await message(make(workspace.path("old.zip")))).toMatch(/already there: .*--force/);
    expect(await message(make(workspace.path("full"), { force: true }))).toMatch(/something in it/);
    expect(readFileSync(workspace.path("old.zip"), "utf8")).toBe("precious");
    // Of a process that was killed: there is none of that number.
    writeFileSync(workspace.path(".new.zip.4999999.tmp"), "half");

    const destination = await openDestination(workspace.path("new.zip"), { force: false });
    await destination.add("a.png", new Uint8Array(3));
    expect(readdirSync(workspace.path("")).sort()).toEqual(
      [`.new.zip.${process.pid}.tmp`, "data", "empty", "full", "old.zip"].sort(),
    );
    await destination.abandon();
    expect(readdirSync(workspace.path("")).sort()).toEqual(["data", "empty", "full", "old.zip"]);

    await make(workspace.path("old.zip"), { force: true });
    await make(workspace.path("empty"));
    expect(readFileSync(workspace.path("old.zip")).subarray(0, 2).toString()).toBe("PK");
    expect(readdirSync(workspace.path("empty")).sort()).toEqual(["00000", "dataset.json"]);
  });

  it("asks for folders where classes were asked for", async () => {
    await workspace.write("one/a.png", await plain("red").png().toBuffer());
    expect(await message(make(workspace.path("x.zip"), { labels: "folders" }))).toMatch(/a single folder/);
    await workspace.write("b.png", await plain("red").png().toBuffer());
    expect(await message(make(workspace.path("x.zip"), { labels: "folders" }))).toMatch(/^b.png lies in no/);
  });
});

describe("crops of a wide picture", () => {
  /** A column of pixels a fifth from the left, one in the middle: its colours from top to bottom. */
  async function columns(picture: Buffer, crop: CropMode, size = { width: 20, height: 20 }) {
    const png = sharp(await cropToPng(picture, { crop, size, background: "lime" }));
    const { data, info } = await png.raw().toBuffer({ resolveWithObject: true });
    expect({ width: info.width, height: info.height }).toEqual(croppedSize({ crop, size }));
    const at = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3).subarray(0, 3)] as Pixel;
    return { at, info };
  }
  const [red, blue, lime] = [
    [255, 0, 0],
    [0, 0, 255],
    [0, 255, 0],
  ] as [Pixel, Pixel, Pixel];

  it("centre takes the middle, none squeezes, pad adds bars", async () => {
    const thirds = await redBlue(100, 50).png().toBuffer();
    const centre = await columns(thirds, "centre");
    expect([centre.at(0, 0), centre.at(19, 19)]).toEqual([red, blue]);
    const { at } = await columns(thirds, "pad");
    expect([at(0, 0), at(2, 9), at(17, 9), at(19, 19)]).toEqual([lime, red, blue, lime]);
    const squeezed = await columns(await redBlue(60, 20).png().toBuffer(), "none");
    expect([squeezed.at(0, 0), squeezed.at(8, 9), squeezed.at(11, 9)]).toEqual([red, red, blue]);
    const wide = await columns(thirds, "centre", { width: 20, height: 10 });
    expect([wide.at(0, 0), wide.at(19, 9)]).toEqual([red, blue]);
  });

  it("centre-wide makes a square of a wide size", async () => {
    const { at } = await columns(await redBlue(100, 80).png().toBuffer(), "centre-wide", {
      width: 20,
      height: 12,
    });
    expect([at(0, 3), at(0, 4), at(19, 15), at(19, 16)]).toEqual([lime, red, blue, lime]);
    expect(() => croppedSize({ crop: "centre-wide", size: { width: 16, height: 16 } })).toThrow(
      /--resolution 16x10/,
    );
  });

  it("attention and entropy find what is there", async () => {
    const input = await noise(50).png().toBuffer();
    const picture = await plain("white", 300, 50)
      .composite([{ input, left: 240, top: 0 }])
      .png()
      .toBuffer();
    for (const crop of ["attention", "entropy"] as const) {
      const { at } = await columns(picture, crop);
      expect(distance(at(10, 10), [255, 255, 255]), crop).toBeGreaterThan(20);
    }
    expect((await columns(picture, "centre")).at(10, 10)).toEqual([255, 255, 255]);
  });
});

describe("zips", () => {
  /** A zip of `count` files, which begins at that byte of its file. */
  async function write(file: string, count: number, start = 0): Promise<void> {
    const parts: Uint8Array[] = [];
    const zip = new ZipWriter(async (bytes) => void parts.push(bytes), start);
    for (let i = 0; i < count; i++) await zip.add(`${i}.png`, Buffer.from(`picture ${i}`));
    await zip.finish();
    const handle = await open(file, "wx");
    await handle.write(Buffer.concat(parts), 0, undefined, start); // the disk keeps nothing for a hole
    await handle.close();
  }

  /** How many files there are, and what the last one holds. */
  function readByPython(file: string): string {
    const program = `import sys, zipfile
z = zipfile.ZipFile(sys.argv[1]); names = z.namelist(); print(len(names), z.read(names[-1]).decode())`;
    return execFileSync("python3", ["-c", program, file], { encoding: "utf8" }).trim();
  }
  const hasPython = spawnSync("python3", ["--version"]).status === 0;

  it("beyond 4 GiB are read", async () => {
    const file = workspace.path("far.zip");
    await write(file, 3, 5 * 2 ** 30);
    const source = await openSource(file);
    const last = await source.images[2]?.read();
    expect(Buffer.from(last ?? []).toString()).toBe("picture 2");
    source.close();
    if (hasPython) expect(readByPython(file)).toBe("3 picture 2");
  });

  it.skipIf(!hasPython)("of more files than the old end has room for are read by Python", async () => {
    const file = workspace.path("many.zip");
    await write(file, 65_537);
    expect(readByPython(file)).toBe("65537 picture 65536");
  });
});
