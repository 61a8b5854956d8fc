// Films: animated WebP and GIF by sharp, MP4 by ffmpeg.

import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { renameSync, rmSync } from "node:fs";
import { extname } from "node:path";
import type { Readable, Writable } from "node:stream";
import sharp from "sharp";
import { temporaryName, writeError, writeFileBeside } from "../system/atomicFile.js";
import { UserError } from "../system/errors.js";
import { type FilmFormat, filmFormats } from "./choices.js";
import type { Picture } from "./picture.js";

export interface FilmOptions {
  width: number;
  height: number;
  /** Frames at most. */
  frames: number;
  fps: number;
}

/** Takes frames of one size. The file appears under its name when the film is finished. */
export interface Film {
  /** Resolves when there is room for the next. */
  add(frame: Picture): Promise<void>;
  /** Completes the file with the frames so far. @throws UserError when it cannot be written */
  finish(): Promise<void>;
  /** Gives up; no file is left. */
  abandon(): void;
}

/** WebP and GIF are encoded as a whole: so many bytes of raw frames may be in memory. */
const maxAnimationBytes = 2 ** 30;

/** Of WebP: beyond it files grow and nobody sees a difference. */
const webpQuality = 90;

/** @throws UserError when the name has none of the endings */
export function filmFormatOf(file: string): FilmFormat {
  const ending = extname(file).slice(1).toLowerCase();
  const format = filmFormats.find((known) => known === ending);
  if (format === undefined)
    throw new UserError(`${file}: the name says the format; let it end in .${filmFormats.join(", .")}`);
  return format;
}

/**
 * Begins a film in the format that its name says. Loops forever where the format can.
 * @throws UserError when the format is unknown, ffmpeg is missing or the film would take too much memory
 */
export function openFilm(file: string, options: FilmOptions): Film {
  const format = filmFormatOf(file);
  if (format === "mp4") return new FfmpegFilm(file, options);
  const { width, height, frames } = options;
  const bytes = width * height * 3 * frames;
  if (bytes > maxAnimationBytes)
    throw new UserError(
      `${file}: ${frames} frames of ${width} x ${height} take ${(bytes / 2 ** 30).toFixed(1)} GB as ${format}, more than 1; write an .mp4, which needs no memory, or fewer or smaller frames`,
    );
  return new Animation(file, format, options);
}

/** Frames of one size below each other [frames * height, width, 3], as an animation that loops forever. */
export interface AnimationFrames {
  width: number;
  /** Of one frame. */
  height: number;
  pixels: Uint8Array;
  /** How long each frame stays. */
  delaysMs: readonly number[];
}

export function encodeAnimation(format: "webp" | "gif", frames: AnimationFrames): Promise<Uint8Array> {
  const { width, height, pixels, delaysMs } = frames;
  const raw = { width, height: height * delaysMs.length, channels: 3, pageHeight: height } as const;
  const image = sharp(pixels, { raw, limitInputPixels: false });
  const animation = { delay: [...delaysMs], loop: 0 };
  return (
    format === "webp"
      ? image.webp({ ...animation, quality: webpQuality, smartSubsample: true })
      : image.gif(animation)
  ).toBuffer();
}

class Animation implements Film {
  readonly #file: string;
  readonly #format: "webp" | "gif";
  readonly #options: FilmOptions;
  readonly #pixels: Uint8Array;
  #frames = 0;

  constructor(file: string, format: "webp" | "gif", options: FilmOptions) {
    const { width, height, frames } = options;
    this.#file = file;
    this.#format = format;
    this.#options = options;
    this.#pixels = new Uint8Array(width * height * 3 * frames);
  }

  async add({ pixels }: Picture): Promise<void> {
    this.#pixels.set(pixels, this.#frames * pixels.length);
    this.#frames += 1;
  }

  async finish(): Promise<void> {
    const { width, height, fps } = this.#options;
    const pixels = this.#pixels.subarray(0, width * height * 3 * this.#frames);
    const delaysMs = Array.from({ length: this.#frames }, () => Math.round(1000 / fps));
    await writeFileBeside(
      this.#file,
      await encodeAnimation(this.#format, { width, height, pixels, delaysMs }),
    );
  }

  abandon(): void {}
}

/** Raw frames into ffmpeg's standard input; nothing but one frame is held here. */
class FfmpegFilm implements Film {
  readonly #file: string;
  readonly #temporary: string;
  readonly #process: ChildProcessByStdio<Writable, null, Readable>;
  readonly #ended: Promise<number | null>;
  #errors = "";

  constructor(file: string, { width, height, fps }: FilmOptions) {
    checkFfmpeg(file);
    this.#file = file;
    this.#temporary = temporaryName(file);
    const input = [
      "-f",
      "rawvideo",
      "-pix_fmt",
      "rgb24",
      "-s",
      `${width}x${height}`,
      "-r",
      String(fps),
      "-i",
      "-",
    ];
    // 4:2:0 and an index at the front: what browsers and players take.
    const output = [
      "-c:v",
      "libx264",
      "-crf",
      "16",
      "-pix_fmt",
      "yuv420p",
      "-movflags",
      "+faststart",
      "-f",
      "mp4",
    ];
    this.#process = spawn("ffmpeg", ["-v", "error", "-y", ...input, ...output, this.#temporary], {
      stdio: ["pipe", "ignore", "pipe"],
      // A group of its own: Ctrl-C is for this program, which then finishes the film.
      detached: true,
    });
    this.#process.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    // A broken pipe is told by ffmpeg's end, with its reason.
    this.#process.stdin.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      this.#process.once("close", (code) => resolve(code));
    });
    process.once("exit", this.#kill);
  }

  async add({ pixels }: Picture): Promise<void> {
    const { stdin } = this.#process;
    // The pipe keeps the bytes until they are written, and a grid's pixels may be filled again before that.
    if (stdin.destroyed) return;
    if (stdin.write(Buffer.from(pixels))) return;
    await Promise.race([new Promise((resolve) => stdin.once("drain", resolve)), this.#ended]);
  }

  async finish(): Promise<void> {
    this.#process.stdin.end();
    const code = await this.#ended;
    process.off("exit", this.#kill);
    if (code !== 0) {
      rmSync(this.#temporary, { force: true });
      const reason = this.#errors.trim().split("\n").at(-1) ?? "";
      throw new UserError(`${this.#file}: ffmpeg could not make it (${reason || `exit code ${code}`})`);
    }
    try {
      renameSync(this.#temporary, this.#file);
    } catch (error) {
      throw writeError(this.#file, error);
    }
  }

  abandon(): void {
    process.off("exit", this.#kill);
    this.#kill();
  }

  readonly #kill = (): void => {
    this.#process.kill("SIGKILL");
    rmSync(this.#temporary, { force: true });
  };
}

/** @throws UserError with advice when ffmpeg is not there */
function checkFfmpeg(file: string): void {
  const { error, status } = spawnSync("ffmpeg", ["-version"], { stdio: "ignore" });
  if (!error && status === 0) return;
  throw new UserError(
    `${file}: MP4 needs ffmpeg, which is not on the PATH; install it (apt-get install ffmpeg, brew install ffmpeg) or write a .webp or .gif`,
  );
}
