import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { encodePng } from "../../src/synthesis/png.js";

function picture(width: number, height: number, value: (index: number) => number) {
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => value(i) & 255);
  return { width, height, pixels };
}

// Something of everything that the filter and the checksum can meet: flat, noise, wrap-around, a single pixel, and
// sizes on both sides of the one from which another thread compresses.
const pictures = {
  "one pixel": picture(1, 1, () => 200),
  flat: picture(32, 32, () => 255),
  noise: picture(64, 17, (i) => Math.imul(i + 1, 2654435761) >>> 13),
  steps: picture(5, 40, (i) => (i % 2 === 0 ? 0 : 255)),
  "larger than a thread's worth": picture(160, 90, (i) => Math.floor(i / 7) ^ (i >>> 5)),
};

describe("encodePng", () => {
  it.each(Object.entries(pictures))("%s comes back as it was", async (_, expected) => {
    const bytes = await encodePng(expected);
    const { data, info } = await sharp(bytes, { failOn: "warning" })
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: expected.width, height: expected.height, channels: 3 });
    expect(new Uint8Array(data)).toEqual(expected.pixels);
  });

  it("gets a checksum that a reader notices when a byte changes", async () => {
    const bytes = await encodePng(pictures.noise);
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] as number) ^ 1;
    await expect(sharp(bytes, { failOn: "warning" }).raw().toBuffer()).rejects.toThrow();
  });
});
