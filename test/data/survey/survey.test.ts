// A folder of what people have: each kind is told, and only what is of that kind.

import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { openSource } from "../../../src/data/openSource.js";
import { findingNames } from "../../../src/data/survey/findings.js";
import { reportPage, shownFiles } from "../../../src/data/survey/reportPage.js";
import { shortLine, surveyLines } from "../../../src/data/survey/reportText.js";
import type { Survey } from "../../../src/data/survey/survey.js";
import { surveySource, thumbnails } from "../../../src/data/survey/surveySource.js";
import { crc32 } from "../../../src/system/crc32.js";
import { createRandom } from "../../../src/system/random.js";
import { plain, useWorkspace } from "../helpers.js";

const workspace = useWorkspace();
const crop = { crop: "centre", size: { width: 64, height: 64 }, background: "white" } as const;

/** A picture of its own: ellipses on a gradient. */
function scene(seed: number, width: number, height: number) {
  const next = createRandom(seed, 0);
  const colour = () => `rgb(${[0, 0, 0].map(() => Math.floor(next() * 256)).join(",")})`;
  const shapes = Array.from({ length: 12 }, () => {
    const [x, y, rx, ry] = [width, height, width / 3, height / 3].map((most) => next() * most);
    return `<ellipse cx="${x}" cy="${y}" rx="${rx}" ry="${ry}" fill="${colour()}"/>`;
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="${colour()}"/>${shapes.join("")}</svg>`;
  return sharp(Buffer.from(svg)).removeAlpha();
}

async function survey(tinySide = 16): Promise<Survey> {
  const source = await openSource(workspace.data);
  const found = await surveySource(source, {
    ...{ ...crop, tinySide },
    classOf: (file) => source.className(file),
  });
  source.close();
  return found as Survey;
}

/** Begins as a picture and says how large it is. */
function interlacedPng(side: number): Buffer {
  const header = Buffer.from("89504e470d0a1a0a0000000d494844520000000000000000080200000100000000", "hex");
  header.writeUInt32BE(side, 16);
  header.writeUInt32BE(side, 20);

  header.writeUInt32BE(crc32(header.subarray(12, 29)), 29);
  return Buffer.concat([header, Buffer.from("0000000049444154", "hex"), Buffer.from("35af061e", "hex")]);
}

describe("a set of forty files", () => {
  it("each kind is told", async () => {
    const { write } = workspace;
    for (let i = 0; i < 20; i++)
      await write(
        `${i % 4 === 0 ? "few" : "many/and/deep"}/${i}.jpg`,
        await scene(i, 300 + i, 200)
          .jpeg({ quality: 95 })
          .toBuffer(),
      );
    const first = await scene(100, 400, 300).jpeg({ quality: 95 }).toBuffer();
    await write("many/original.jpg", first);
    await write("many/other.jpg", first);
    await write("many/smaller.webp", await sharp(first).resize(200).webp({ quality: 60 }).toBuffer());
    await write("many/tinted.jpg", await sharp(first).negate().jpeg().toBuffer());
    await write("many/cut.jpg", first.subarray(0, first.length / 2));
    await write("many/text.png", "no picture");
    await write("many/empty.gif", "");
    await write("many/phone.heic", "ftypheic");
    await write("many/notes.txt", "not a picture, and not meant to be");
    await write("many/huge.png", interlacedPng(16_000));
    await write("many/pixel.png", await plain("red", 1).png().toBuffer());
    await write("many/white.png", await plain("white", 50).png().toBuffer());
    await write("many/wide.png", await scene(7, 20_000, 20).png().toBuffer());
    await write("many/cmyk.jpg", await scene(8, 100, 100).toColourspace("cmyk").jpeg().toBuffer());
    await write("many/gray.png", await scene(9, 100, 100).toColourspace("b-w").png().toBuffer());
    await write("many/deep.png", await scene(10, 100, 100).toColourspace("rgb16").png().toBuffer());
    const frames = await Promise.all([11, 12].map((seed) => scene(seed, 40, 40).raw().toBuffer()));
    const raw = { width: 40, height: 80, channels: 3, pageHeight: 40 } as const;
    await write(
      "many/moves.gif",
      await sharp(Buffer.concat(frames), { raw })
        .gif({ delay: [50, 50] })
        .toBuffer(),
    );
    const svg = (inside: string) =>
      `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="90" height="90">${inside}</svg>`;
    await write(
      "many/alone.svg",
      svg('<defs><circle id="c" r="30"/></defs><use xlink:href="#c" x="45" y="30"/>'),
    );
    await write(
      "many/asks.svg",
      svg('<circle r="60"/><image href="http://example.com/a.png" width="9" height="9"/>'),
    );

    const found = await survey();
    const files = (name: (typeof findingNames)[number]) => found.of(name).map(({ file }) => file);
    expect(Object.fromEntries(findingNames.map((name) => [name, files(name).sort()]))).toEqual({
      unreadable: ["cut.jpg", "empty.gif", "huge.png", "phone.heic", "text.png"].map(
        (name) => `many/${name}`,
      ),
      tiny: ["many/pixel.png"],
      blank: ["many/pixel.png", "many/white.png"],
      duplicates: ["many/other.jpg"],
      "near-duplicates": ["many/smaller.webp"],
      animated: ["many/moves.gif"],
      outside: ["many/asks.svg"],
    });
    expect(found.of("duplicates")[0]?.note).toBe("many/original.jpg");
    expect(found.of("near-duplicates")[0]?.note).toBe("many/original.jpg");
    expect(found.of("unreadable").find(({ file }) => file === "many/huge.png")?.note).toMatch(
      /^16000 x 16000 take \d+ MiB to decode, .*make it smaller$/,
    );
    expect(found.pictures).toBe(33);
    expect(Object.fromEntries(found.formats)).toEqual({ JPEG: 24, PNG: 5, WebP: 1, GIF: 1, SVG: 2 });
    expect(Object.fromEntries(found.colours)).toMatchObject({ CMYK: 1, gray: 1, "16-bit RGB": 1 });
    expect(found.shapes.get("panoramas")).toBe(1);
    expect(Object.fromEntries(found.classes ?? [])).toEqual({ few: 5, many: 28 });
    expect([found.shorterSide(0), found.shorterSide(0.5), found.shorterSide(1)]).toEqual([1, 200, 300]);
    expect(found.smallerThan(40)).toBe(2);

    const text = surveyLines(found, 40);
    expect(text).toContain("pictures    33, and 5 that cannot be read");
    expect(text).toContain("            2 have less than 40 px and are enlarged");
    expect(text).toContain("classes     2: many 28, few 5; many has 6 times as many as few (5)");
    expect(text).toContain("              many/other.jpg = many/original.jpg");
    expect(shortLine({ duplicates: 1, blank: 2, animated: 3 })).toBe("2 of one colour, 1 copies of others");

    const source = await openSource(workspace.data);
    const shown = shownFiles(found);
    expect(shown).toContain("many/original.jpg");
    const small = await thumbnails(source, shown, crop);
    source.close();
    const page = await reportPage({ title: "<me> & you", survey: found, text, sheet: [], thumbnails: small });
    expect(page).toContain("<h1>&lt;me&gt; &amp; you</h1>");
    expect(page).not.toMatch(/(?:src|href)="(?!data:)/);
    expect(page.match(/unreadable<\/div>/g)).toHaveLength(5);
  });

  it("left and right that differ are seen, by more than chance", async () => {
    const flag = (left: string, right: string) =>
      plain(left, 32).composite([
        { input: { create: { width: 16, height: 32, channels: 3, background: right } }, left: 16, top: 0 },
      ]);
    for (let i = 0; i < 8; i++) {
      const shade = `rgb(${200 + i * 4},30,30)`;
      await workspace.write(
        `${i}.png`,
        await (i % 2 ? flag(shade, "blue") : flag("blue", shade)).png().toBuffer(),
      );
    }
    expect((await survey()).isSided).toBe(false);
    for (let i = 0; i < 24; i++)
      await workspace.write(
        `more${i}.png`,
        await flag(`rgb(${150 + i * 4},30,30)`, "blue")
          .png()
          .toBuffer(),
      );
    expect((await survey()).isSided).toBe(true);
  });
});
