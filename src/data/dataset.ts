import { createHash } from "node:crypto";
import { closeSync, readSync } from "node:fs";
import { crc32, crc32Text } from "../system/crc32.js";
import { UserError } from "../system/errors.js";
import { permutation } from "../system/random.js";
import { defaultCacheDirectory, openPreparedImages, type PreparedImages } from "./cache.js";
import { type Classes, readClasses } from "./classes.js";
import type { ImageSource, SkippedFile } from "./imageSource.js";
import { noImages, openSource } from "./openSource.js";
import { checkBackground, imageSize } from "./prepareImage.js";
import type { FindingCounts } from "./survey/findings.js";

const DEFAULT_RESOLUTION = 64;

export interface DatasetOptions {
  /** A folder, a zip, `emoji` or `emoji:GROUP` (a folder of that name is `./emoji`). */
  source: string;
  /** Power of two from 4 on. Default: a zip's own image size if that is square and a power of two, else 64. */
  resolution?: number;
  /** What transparent pixels are laid over: a colour name or `#rrggbb`. Default: white. */
  background?: string;
  /** Whether classes are wanted (`--cond`): from `dataset.json`, first-level folders or emoji groups. */
  conditional?: boolean;
  /** Use only this many images, chosen at random by `subsetSeed`. */
  subset?: number;
  /** Default: 0. */
  subsetSeed?: number;
  /** Where prepared images are kept. Default: see `defaultCacheDirectory`. */
  cacheDirectory?: string;
  /** Called after each image while the set is prepared; never called if that was done before. */
  onProgress?: (done: number, total: number) => void;
}

/** Images of one size, ready to be read. They stay on disk, so memory does not grow with their number. */
export interface Dataset {
  /** Short, for run directories. */
  readonly name: string;
  readonly source: string;
  /** Two sets with the same fingerprint have the same images in the same order. */
  readonly fingerprint: string;
  readonly resolution: number;
  readonly length: number;
  /** Empty when not conditional. */
  readonly classNames: readonly string[];
  /** Images that could not be read, and why. */
  readonly skipped: readonly SkippedFile[];
  /** What was seen of the images while they were prepared; undefined where that was done before. */
  readonly seen?: FindingCounts | undefined;
  /** Path of each image inside the source. */
  readonly fileNames: readonly string[];
  /** Class index of an image; -1 when unconditional. */
  label(index: number): number;
  /** Copies image `index` as `[H, W, 3]` bytes into `target` at `offset`. */
  readImage(index: number, target: Uint8Array, offset: number): void;
  /** Closes the file that the images are read from. May be called twice. */
  close(): void;
}

/**
 * Opens a set of images, of any size and format that `prepareImage` takes, as square RGB images. The first time they are
 * prepared, which takes some milliseconds an image; later they come from the cache. Throws a `UserError` for whatever
 * the user can mend.
 */
export async function openDataset(options: DatasetOptions): Promise<Dataset> {
  const { source: sourceName, background = "white", cacheDirectory = defaultCacheDirectory() } = options;
  if (options.resolution !== undefined) checkResolution(options.resolution);
  checkBackground(background);

  const source = await openSource(sourceName);
  try {
    if (source.images.length === 0) throw noImages(sourceName, source.skipped);
    const resolution = options.resolution ?? (await ownResolution(source)) ?? DEFAULT_RESOLUTION;
    const prepared = await openPreparedImages({
      source,
      resolution,
      background,
      directory: cacheDirectory,
      ...(options.onProgress && { onProgress: options.onProgress }),
    });
    try {
      return await selectImages({ options, source, prepared, resolution });
    } catch (error) {
      closeSync(prepared.descriptor);
      throw error;
    }
  } finally {
    source.close();
  }
}

/** The size of the first image, where a source's images are used at their own size and it is a possible one. */
async function ownResolution(source: ImageSource): Promise<number | undefined> {
  if (!source.ownSize) return undefined;
  const size = await source.images[0]?.read().then(imageSize, () => undefined);
  return size && size.width === size.height && isResolution(size.width) ? size.width : undefined;
}

function isResolution(value: number): boolean {
  return Number.isInteger(Math.log2(value)) && value >= 4;
}

function checkResolution(resolution: number): void {
  if (isResolution(resolution)) return;
  throw new UserError(
    `resolution ${resolution} is not a power of two from 4 on: use 16, 32, 64, 128, 256, 512 or 1024`,
  );
}

interface Selection {
  readonly options: DatasetOptions;
  readonly source: ImageSource;
  readonly prepared: PreparedImages;
  readonly resolution: number;
}

/** Applies what the cache knows nothing of: classes and subset. */
async function selectImages({ options, source, prepared, resolution }: Selection): Promise<Dataset> {
  const skipped = [...source.skipped, ...prepared.skipped];
  const available = prepared.files.length;
  if (available === 0) throw noImages(options.source, skipped);
  const { subset = available, subsetSeed = 0 } = options;
  if (!Number.isInteger(subset) || subset < 1 || subset > available) {
    throw new UserError(
      `a subset of ${subset} is not possible: ${options.source} has ${available} usable images, give a whole number up to that`,
    );
  }
  // Classes come from all images, so that a class keeps its number whatever the subset.
  const classes = options.conditional ? await readClasses(source, prepared.files) : undefined;
  const whole = subset === available;
  const chosen = whole ? undefined : permutation(available, subsetSeed, 0).slice(0, subset).sort();
  return new PreparedDataset({ options, source, prepared, resolution, skipped, classes, chosen });
}

interface Parts extends Selection {
  readonly skipped: readonly SkippedFile[];
  readonly classes: Classes | undefined;
  /** Numbers of the chosen images in the cache; undefined for all of them. */
  readonly chosen: Uint32Array | undefined;
}

class PreparedDataset implements Dataset {
  readonly name: string;
  readonly source: string;
  readonly fingerprint: string;
  readonly resolution: number;
  readonly length: number;
  readonly classNames: readonly string[];
  readonly skipped: readonly SkippedFile[];
  readonly seen: FindingCounts | undefined;
  readonly fileNames: readonly string[];
  readonly #imageBytes: number;
  readonly #labels: Int32Array | undefined;
  readonly #chosen: Uint32Array | undefined;
  readonly #digests: string | undefined;
  readonly #pixelsFile: string;
  #descriptor: number | undefined;

  constructor({ options, source, prepared, resolution, skipped, classes, chosen }: Parts) {
    this.name = source.name;
    this.source = options.source;
    this.fingerprint = chosen ? subsetFingerprint(prepared.fingerprint, chosen) : prepared.fingerprint;
    this.resolution = resolution;
    this.fileNames = chosen ? Array.from(chosen, (record) => prepared.files[record]!) : prepared.files;
    this.length = this.fileNames.length;
    this.classNames = classes?.names ?? [];
    this.skipped = skipped;
    this.seen = prepared.seen;
    this.#imageBytes = resolution ** 2 * 3;
    this.#labels = classes?.labels;
    this.#chosen = chosen;
    this.#descriptor = prepared.descriptor;
    this.#digests = prepared.digests;
    this.#pixelsFile = prepared.pixelsFile;
  }

  label(index: number): number {
    const record = this.#record(index);
    return this.#labels?.[record] ?? -1;
  }

  readImage(index: number, target: Uint8Array, offset: number): void {
    if (this.#descriptor === undefined) throw new Error("the data set is closed");
    const record = this.#record(index);
    const position = record * this.#imageBytes;
    const bytesRead = readSync(this.#descriptor, target, offset, this.#imageBytes, position);
    if (bytesRead !== this.#imageBytes)
      throw new UserError("the image cache was cut short while in use: start again, and it is rebuilt");
    const wanted = this.#digests?.slice(8 * record, 8 * record + 8);
    if (wanted !== undefined && crc32Text(crc32(target.subarray(offset, offset + bytesRead))) !== wanted)
      throw new UserError(
        `the prepared image of ${this.fileNames[index]} is damaged: remove ${this.#pixelsFile}, and it is made again`,
      );
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  /** Number of an image in the cache. */
  #record(index: number): number {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RangeError(`image ${index} is not one of the ${this.length} of the data set`);
    }
    return this.#chosen?.[index] ?? index;
  }
}

function subsetFingerprint(fingerprint: string, chosen: Uint32Array): string {
  return createHash("sha256").update(fingerprint).update(chosen).digest("hex").slice(0, fingerprint.length);
}
