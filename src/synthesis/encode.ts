// Pictures as bytes of a format, and files of them written beside the computing.

import { availableParallelism } from "node:os";
import sharp from "sharp";
import { writeFileBeside } from "../system/atomicFile.js";
import type { PictureFormat } from "./choices.js";
import type { Picture } from "./picture.js";
import { encodePng } from "./png.js";

/** Of JPEG and WebP: beyond it files grow and nobody sees a difference. */
const quality = 95;

/** Pixels from which on sharp's threads and its bounded memory are worth more than our encoder's speed. */
const largePng = 1024 * 1024;

/** A picture in a file format. What takes long is done in other threads, beside JavaScript and libtorch. */
export async function encodePicture(picture: Picture, format: PictureFormat): Promise<Uint8Array> {
  const { width, height, pixels } = picture;
  if (format === "png" && width * height < largePng) return encodePng(picture);
  const image = sharp(pixels, { raw: { width, height, channels: 3 } });
  switch (format) {
    case "png":
      return image.png().toBuffer();
    case "webp":
      return image.webp({ quality, smartSubsample: true }).toBuffer();
    case "jpg":
      return image.jpeg({ quality, chromaSubsampling: "4:4:4" }).toBuffer();
  }
}

/** Writes a picture; it appears under its name only when it is complete. */
export async function writePicture(file: string, picture: Picture, format: PictureFormat): Promise<void> {
  await writeFileBeside(file, await encodePicture(picture, format));
}

/** `writePicture` as PNG. */
export function writePng(file: string, picture: Picture): Promise<void> {
  return writePicture(file, picture, "png");
}

/**
 * Writes files while the program goes on computing. Few are under way at once, so that memory stays bounded however
 * slow the disk is.
 */
export class FileQueue {
  readonly #pending = new Set<Promise<void>>();
  #failure: unknown;
  #written = 0;

  /** Files that are complete. */
  get written(): number {
    return this.#written;
  }

  /**
   * Starts to write what `bytes` resolves to; resolves when there is room for the next.
   * @throws what an earlier file failed with
   */
  async add(file: string, bytes: Promise<Uint8Array>): Promise<void> {
    const job = bytes
      .then((encoded) => writeFileBeside(file, encoded))
      .then(() => {
        this.#written += 1;
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#pending.delete(job));
    this.#pending.add(job);
    while (this.#pending.size >= maxPending) await Promise.race(this.#pending);
    this.#check();
  }

  /** Resolves when every file is complete. @throws what the first one failed with */
  async finish(): Promise<void> {
    await Promise.all(this.#pending);
    this.#check();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

const maxPending = 4 * availableParallelism();
