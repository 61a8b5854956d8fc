// Pictures of strangers, decoded in bounded memory.

import { availableParallelism } from "node:os";
import sharp, { type Metadata, type Sharp } from "sharp";
import { checkSvg } from "./svgBounds.js";

/**
 * What decoding may take in all. A picture that takes more than half of it is decoded alone, and there are no more at once
 * than processors: with each of them the allocator holds more back.
 */
const sharedBytes = 128 * 2 ** 20;
/**
 * And of one picture, where the program is to stay below 500 MB with what the allocator holds back: enough for 75 megapixels
 * of a progressive JPEG, 28 of a WebP and 12 of an AVIF, and for any size of what is read from top to bottom.
 */
export const BOUNDED_BYTES = 220 * 2 ** 20;

export interface DecodeOptions {
  /** The colour under transparent pixels. */
  readonly background: string;
  /** Pictures that take more are refused. Default: none is. */
  readonly mostBytes?: number;
}

// libvips would keep whole pictures that have been decoded, which nobody asks for again.
sharp.cache(false);

/**
 * Decodes a picture (of several frames or pages the first), turned upright and laid over the background: `work` says to
 * what. Waits until there is memory for it.
 * @throws Error in one line when the picture is damaged or takes too much memory
 */
export async function decode<Result>(
  bytes: Uint8Array,
  { background, mostBytes = Number.POSITIVE_INFINITY }: DecodeOptions,
  work: (image: Sharp, metadata: Metadata) => Promise<Result>,
): Promise<Result> {
  checkSvg(bytes);
  const image = sharp(bytes, { failOn: "error" }).autoOrient();
  const metadata = await image.metadata();
  // Gray with alpha would turn the background gray too. Only there: it keeps sharp from decoding at reduced size.
  if (metadata.channels === 2) image.pipelineColourspace("srgb");
  checkPlausible(metadata, bytes.length);
  const needed = decodedBytes(metadata);
  if (needed > mostBytes)
    throw new Error(
      `${metadata.width} x ${metadata.height} take ${Math.ceil(needed / 2 ** 20)} MiB to decode, more than ${mostBytes / 2 ** 20}: make it smaller`,
    );
  const share = Math.max(needed, sharedBytes / availableParallelism());
  const giveBack = await memory.take(needed > sharedBytes / 2 ? sharedBytes : share);
  try {
    return await work(image.flatten({ background }), metadata);
  } finally {
    giveBack();
  }
}

/** Pixels that a byte of a GIF holds at most: a code has 12 bits, for up to 4,096 pixels. */
const mostPixelsOfByte = 2731;

/** A GIF of a few bytes that claims a picture of gigabytes would take seconds, and be blank. */
function checkPlausible({ format, width, height }: Metadata, length: number): void {
  if (format === "gif" && width * height > length * mostPixelsOfByte)
    throw new Error(`${width} x ${height} pixels cannot be in ${length} bytes: it is damaged or cut short`);
}

/** Bytes that are handed out to whoever asked first. */
class Memory {
  readonly #waiting: { bytes: number; start: () => void }[] = [];
  #free: number;

  constructor(bytes: number) {
    this.#free = bytes;
  }

  async take(bytes: number): Promise<() => void> {
    if (this.#waiting.length > 0 || bytes > this.#free)
      await new Promise<void>((start) => this.#waiting.push({ bytes, start }));
    else this.#free -= bytes;
    return () => {
      this.#free += bytes;
      for (let next = this.#waiting[0]; next && next.bytes <= this.#free; next = this.#waiting[0]) {
        this.#waiting.shift();
        this.#free -= next.bytes;
        next.start();
      }
    };
  }
}

const memory = new Memory(sharedBytes);

/** Rows that libvips keeps of a picture that it reads from top to bottom, at a large reduction. */
const rowsKept = 1300;

/** Bytes for each pixel of formats that are decoded as a whole, whatever is in it. */
const wholeFormats: Partial<Record<Metadata["format"], number>> = { webp: 8, heif: 18, gif: 5 };

/**
 * Bytes that decoding takes, about. The numbers are what the peak of the process grew by with libvips 8.18, at 30 to 256
 * megapixels. TIFFs are taken to be in strips or tiles, as what writes large ones has them.
 */
export function decodedBytes(metadata: Metadata): number {
  const { width, height, channels, depth, format, isProgressive, chromaSubsampling } = metadata;
  const pixels = width * height;
  if (format === "svg") return 0; // drawn at the size that is wanted
  const perPixel = wholeFormats[format];
  if (perPixel !== undefined) return pixels * perPixel;
  if (format === "jpeg" && isProgressive) {
    // Coefficients of two bytes, all of them until the last pass.
    const samples = chromaSubsampling === "4:2:0" ? 1.5 : chromaSubsampling === "4:2:2" ? 2 : channels;
    return pixels * samples * 2;
  }
  const ofPixel = channels * (bytesOfDepth[depth] ?? 1);
  if (isProgressive) return pixels * ofPixel * 1.1;
  return Math.min(height, rowsKept) * width * ofPixel;
}

const bytesOfDepth: Record<string, number> = { ushort: 2, short: 2, uint: 4, int: 4, float: 4, double: 8 };
