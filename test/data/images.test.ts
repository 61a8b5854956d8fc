import { readFileSync } from "node:fs";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { distance, imageOf, type Pixel, pixelOf, plain, redBlue, useWorkspace } from "./helpers.js";

const RED: Pixel = [255, 0, 0];
const BLUE: Pixel = [0, 0, 255];
const WHITE: Pixel = [255, 255, 255];
const ORANGE: Pixel = [255, 128, 0];

describe("images become square RGB", () => {
  const workspace = useWorkspace();

  it("turns a JPEG upright as its EXIF orientation says", async () => {
    // Orientation 6: turn by 90 degrees clockwise, so that the left half comes out on top.
    await workspace.write("a.jpg", await redBlue(64, 64).jpeg().withMetadata({ orientation: 6 }).toBuffer());
    await workspace.write("b.jpg", await redBlue(64, 64).jpeg().toBuffer());
    const dataset = await workspace.open();
    expect(distance(pixelOf(dataset, "a.jpg", 12, 2), RED)).toBeLessThan(8);
    expect(distance(pixelOf(dataset, "a.jpg", 2, 12), BLUE)).toBeLessThan(8);
    expect(distance(pixelOf(dataset, "b.jpg", 12, 2), BLUE)).toBeLessThan(8);
  });

  it("reads GIF, TIFF and AVIF; of an animation the first frame", async () => {
    const frames = { raw: { width: 32, height: 64, channels: 3 as const, pageHeight: 32 } };
    const redThenBlue = Buffer.alloc(32 * 64 * 3).map((_, i) =>
      i % 3 === (i < 32 * 32 * 3 ? 0 : 2) ? 255 : 0,
    );
    await workspace.write("a.gif", await sharp(redThenBlue, frames).gif().toBuffer());
    await workspace.write("b.tif", await plain("red").tiff().toBuffer());
    await workspace.write(
      "c.TIFF",
      await plain("red").toColourspace("cmyk").withIccProfile("cmyk").tiff().toBuffer(),
    );
    await workspace.write("d.avif", await plain("red").avif().toBuffer());
    const dataset = await workspace.open();
    expect((await sharp(`${workspace.data}/a.gif`).metadata()).pages).toBe(2);
    expect(dataset.skipped).toEqual([]);
    for (const [i, far] of [4, 4, 50, 8].entries())
      expect(distance(pixelOf(dataset, dataset.fileNames[i]!, 8, 8), RED)).toBeLessThan(far);
  });

  it("a large blank picture is read; one that its bytes cannot hold is named, and not drawn for seconds", async () => {
    const blank = sharp({ create: { width: 2000, height: 2000, channels: 3, background: "red" } });
    await workspace.write("a.gif", await blank.clone().gif().toBuffer());
    await workspace.write(
      "b.png",
      await blank.clone().png({ palette: true, colours: 2, compressionLevel: 9 }).toBuffer(),
    );
    // What the fuzzer has found: 73 bytes.
    await workspace.write("c.gif", readFileSync("test/fuzz/corpus/pictures/seed1-1394"));
    const dataset = await workspace.open();
    expect(distance(pixelOf(dataset, "a.gif", 8, 8), RED)).toBeLessThan(8);
    expect(distance(pixelOf(dataset, "b.png", 8, 8), RED)).toBeLessThan(8);
    expect(dataset.skipped).toEqual([
      {
        file: expect.stringContaining("c.gif"),
        reason: expect.stringMatching(/^37277 x 2347 pixels cannot be in 73 bytes/),
      },
    ]);
  });

  it("names pictures in formats that cannot be read", async () => {
    await workspace.write("a.png", await plain("red").png().toBuffer());
    for (const name of ["IMG_0001.HEIC", "raw/x.CR2", "._y.heic"]) await workspace.write(name, "bytes");
    const { skipped } = await workspace.open();
    expect(skipped).toEqual([
      { file: "IMG_0001.HEIC", reason: "HEIC cannot be read: convert it to JPEG or PNG" },
      { file: "raw/x.CR2", reason: "CR2 cannot be read: convert it to JPEG or PNG" },
    ]);
  });

  it("converts CMYK", async () => {
    await workspace.write("a.jpg", await plain("white").toColourspace("cmyk").jpeg().toBuffer());
    await workspace.write("b.jpg", await plain("red").toColourspace("cmyk").jpeg().toBuffer());
    const dataset = await workspace.open();
    expect(distance(pixelOf(dataset, "a.jpg", 8, 8), WHITE)).toBeLessThan(4);
    expect(distance(pixelOf(dataset, "b.jpg", 8, 8), RED)).toBeLessThan(40); // printable red is duller
  });

  it("converts an embedded colour profile to sRGB", async () => {
    const raw = { raw: { width: 32, height: 32, channels: 3 as const } };
    const green = Buffer.alloc(32 * 32 * 3).map((_, i) => (i % 3 === 1 ? 200 : 100));
    const tagged = await sharp(green, raw).withIccProfile("p3").png().toBuffer();
    await workspace.write("p3.png", tagged);
    const untouched = await sharp(tagged, { ignoreIcc: true }).raw().toBuffer();
    const dataset = await workspace.open();
    expect(untouched.subarray(0, 3)).not.toEqual(Buffer.from([100, 200, 100]));
    expect(distance(pixelOf(dataset, "p3.png", 8, 8), [100, 200, 100])).toBeLessThan(4);
  });

  it("scales 16-bit gray to 8-bit RGB", async () => {
    const gray = Uint16Array.from({ length: 32 * 32 }, () => 0x4080);
    const image = sharp(gray, { raw: { width: 32, height: 32, channels: 1 } }).toColourspace("grey16");
    await workspace.write("a.png", await image.png().toBuffer());
    expect((await sharp(`${workspace.data}/a.png`).metadata()).depth).toBe("ushort");
    expect(distance(pixelOf(await workspace.open(), "a.png", 3, 3), [64, 64, 64])).toBeLessThan(2);
  });

  it("lays transparent pixels over white, or over the background asked for", async () => {
    const clear = { create: { width: 32, height: 32, channels: 4 as const, background: "#ff000000" } };
    await workspace.write("clear.png", await sharp(clear).png().toBuffer());
    await workspace.write("gray.png", await sharp(clear).toColourspace("b-w").png().toBuffer());
    const deep = new Uint16Array(32 * 32 * 4);
    const raw = { width: 32, height: 32, channels: 4 as const };
    await workspace.write("deep.png", await sharp(deep, { raw }).toColourspace("rgb16").png().toBuffer());
    const overWhite = await workspace.open();
    const overOrange = await workspace.open({ background: "#ff8000" });
    for (const file of ["clear.png", "gray.png", "deep.png"]) {
      expect(pixelOf(overWhite, file, 8, 8)).toEqual(WHITE);
      expect(distance(pixelOf(overOrange, file, 8, 8), ORANGE)).toBeLessThan(2);
    }
    expect(overOrange.fingerprint).not.toBe(overWhite.fingerprint);
  });

  it("draws an SVG at the training resolution", async () => {
    const halves = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2">
      <rect width="1" height="2" fill="red"/><rect x="1" width="1" height="2" fill="blue"/></svg>`;
    await workspace.write("a.svg", halves);
    const dataset = await workspace.open();
    // An enlarged 2-pixel picture would be purple around the middle.
    expect(pixelOf(dataset, "a.svg", 7, 8)).toEqual(RED);
    expect(pixelOf(dataset, "a.svg", 8, 8)).toEqual(BLUE);
  });

  it("reads WebP and enlarges tiny pictures", async () => {
    await workspace.write("a.webp", await plain("blue").webp({ lossless: true }).toBuffer());
    await workspace.write("tiny.png", await plain("red", 1).png().toBuffer());
    const dataset = await workspace.open();
    expect(pixelOf(dataset, "a.webp", 0, 0)).toEqual(BLUE);
    expect(pixelOf(dataset, "tiny.png", 15, 15)).toEqual(RED);
  });

  it("crops to the centre square", async () => {
    // 96 x 32 with the middle third blue: only that is left.
    const middle = { create: { width: 32, height: 32, channels: 3 as const, background: "blue" } };
    const wide = plain("red", 96, 32).composite([{ input: middle, left: 32, top: 0 }]);
    await workspace.write("wide.png", await wide.png().toBuffer());
    const image = imageOf(await workspace.open({ resolution: 32 }), 0);
    for (let start = 0; start < image.length; start += 3) {
      expect([...image.subarray(start, start + 3)]).toEqual(BLUE);
    }
  });
});
