import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openFilm } from "../../src/synthesis/film.js";
import type { Picture } from "../../src/synthesis/picture.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "stylegan-film-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const options = { width: 24, height: 16, frames: 5, fps: 20 };

/** Each frame of its own brightness. */
const frame = (i: number): Picture => ({
  width: 24,
  height: 16,
  pixels: new Uint8Array(24 * 16 * 3).fill(20 + 45 * i),
});

describe.each(["webp", "gif"])("%s", (ending) => {
  it("decodes to the frames that went in, with their delays, and loops forever", async () => {
    const file = join(folder, `film.${ending}`);
    const film = openFilm(file, options);
    for (let i = 0; i < 5; i++) await film.add(frame(i));
    expect(existsSync(file)).toBe(false);
    await film.finish();
    expect(readdirSync(folder)).toEqual([`film.${ending}`]);
    const { pages, pageHeight, delay, loop, width, format } = await sharp(file, {
      animated: true,
    }).metadata();
    expect({ pages, pageHeight, delay, loop, width, format }).toEqual({
      ...{ pages: 5, pageHeight: 16, delay: [50, 50, 50, 50, 50], loop: 0, width: 24, format: ending },
    });
    const pixels = await sharp(file, { animated: true }).removeAlpha().raw().toBuffer();
    for (let i = 0; i < 5; i++) {
      const value = pixels[(i * 16 + 8) * 24 * 3] as number;
      expect(Math.abs(value - (20 + 45 * i))).toBeLessThanOrEqual(3);
    }
  });

  it("is complete with fewer frames", async () => {
    const file = join(folder, `film.${ending}`);
    const film = openFilm(file, options);
    for (let i = 0; i < 2; i++) await film.add(frame(i));
    await film.finish();
    expect((await sharp(file, { animated: true }).metadata()).pages).toBe(2);
  });

  it("refuses more than memory should hold, before any work", () => {
    const large = { width: 2048, height: 2048, frames: 100, fps: 30 };
    expect(() => openFilm(join(folder, `film.${ending}`), large)).toThrow(/100 frames of 2048 x 2048.*\.mp4/);
  });
});

it("refuses an unknown ending", () => {
  expect(() => openFilm(join(folder, "film.avi"), options)).toThrow(/film\.avi.*\.webp, \.gif, \.mp4/);
});

describe("mp4", () => {
  /** A program of the name ffmpeg that keeps what it is given. */
  function writeFfmpeg(script: string): void {
    const file = join(folder, "ffmpeg");
    writeFileSync(file, `#!/bin/sh\n[ "$1" = "-version" ] && exit 0\n${script}\n`);
    chmodSync(file, 0o755);
    vi.stubEnv("PATH", `${folder}${delimiter}${process.env.PATH}`);
  }

  it("without ffmpeg is a user's error with advice", () => {
    vi.stubEnv("PATH", folder);
    expect(() => openFilm(join(folder, "film.mp4"), options)).toThrow(/needs ffmpeg.*\.webp or \.gif/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("hands ffmpeg every frame's bytes and renames what it wrote", async () => {
    writeFfmpeg(`for last; do :; done; echo "$@" > "${folder}/arguments"; cat > "$last"`);
    const film = openFilm(join(folder, "film.mp4"), options);
    const reused = frame(0);
    for (let i = 0; i < 5; i++) {
      reused.pixels.fill(20 + 45 * i);
      await film.add(reused);
    }
    await film.finish();
    expect(readdirSync(folder).sort()).toEqual(["arguments", "ffmpeg", "film.mp4"]);
    const wanted = Buffer.concat(Array.from({ length: 5 }, (_, i) => frame(i).pixels));
    expect(readFileSync(join(folder, "film.mp4")).equals(wanted)).toBe(true);
    expect(readFileSync(join(folder, "arguments"), "utf8")).toMatch(
      /-pix_fmt rgb24 -s 24x16 -r 20 -i - .*libx264/,
    );
  });

  it("says why ffmpeg failed and leaves no file", async () => {
    writeFfmpeg('echo "no such encoder" >&2; exit 1');
    const film = openFilm(join(folder, "film.mp4"), options);
    for (let i = 0; i < 5; i++) await film.add(frame(i));
    await expect(film.finish()).rejects.toThrow(/film\.mp4: ffmpeg could not make it \(no such encoder\)/);
    expect(readdirSync(folder)).toEqual(["ffmpeg"]);
  });
});
