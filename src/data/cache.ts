import { createHash, randomUUID } from "node:crypto";
import { closeSync, fstatSync, openSync } from "node:fs";
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { crc32, crc32Text } from "../system/crc32.js";
import { UserError } from "../system/errors.js";
import { decode } from "./decode.js";
import { type ImageSource, IN_WORK, reasonOf, type SkippedFile, type SourceFile } from "./imageSource.js";
import { mapInOrder } from "./mapInOrder.js";
import { type PrepareOptions, squarePixels } from "./prepareImage.js";
import type { FindingCounts } from "./survey/findings.js";
import { lookOf } from "./survey/lookAt.js";
import { type Look, Survey, tinySide } from "./survey/survey.js";

/** Raise it whenever the same source would be prepared to other bytes or another index. */
const FORMAT_VERSION = 1;

const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

const indexSchema = z.object({
  files: z.array(z.string()),
  skipped: z.array(z.object({ file: z.string(), reason: z.string() })),
  /** CRC-32 of each image, eight digits after each other. Caches from before that was kept have none. */
  digests: z
    .string()
    .regex(/^([0-9a-f]{8})*$/)
    .optional(),
});
type Index = z.infer<typeof indexSchema>;

/** Prepared images on disk: image `i` is the `resolution * resolution * 3` bytes from `i` times that. */
export interface PreparedImages extends Index {
  readonly descriptor: number;
  readonly pixelsFile: string;
  readonly fingerprint: string;
  /** What was seen of the images while they were prepared; undefined where that was done before. */
  readonly seen?: FindingCounts;
}

export interface CacheOptions extends PrepareOptions {
  readonly source: ImageSource;
  readonly directory: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/** With what is seen while an index is made, and not kept in it. */
type Made = Index & { seen?: FindingCounts };

/**
 * Opens the prepared images of a source, and prepares them first if that has not been done. The caller closes the
 * descriptor. Throws a `UserError` if the cache cannot be written.
 */
export async function openPreparedImages(options: CacheOptions): Promise<PreparedImages> {
  const { directory, resolution } = options;
  const fingerprint = fingerprintOf(options);
  const pixelsFile = join(directory, `${fingerprint}.rgb`);
  const indexFile = join(directory, `${fingerprint}.json`);

  const index: Made = (await readIndex(indexFile)) ?? (await prepare({ ...options, pixelsFile, indexFile }));
  let descriptor = openIfWhole(pixelsFile, index.files.length * resolution ** 2 * 3);
  if (descriptor !== undefined) return { ...index, descriptor, pixelsFile, fingerprint };

  const rebuilt = await prepare({ ...options, pixelsFile, indexFile });
  descriptor = openSync(pixelsFile, "r");
  return { ...rebuilt, descriptor, pixelsFile, fingerprint };
}

/** `$STYLEGAN_CACHE`, else a folder of our own where the system keeps caches. */
export function defaultCacheDirectory(): string {
  const { STYLEGAN_CACHE, XDG_CACHE_HOME } = process.env;
  if (STYLEGAN_CACHE) return STYLEGAN_CACHE;
  if (XDG_CACHE_HOME) return join(XDG_CACHE_HOME, "stylegan-ts");
  const caches = process.platform === "darwin" ? join("Library", "Caches") : ".cache";
  return join(homedir(), caches, "stylegan-ts");
}

function fingerprintOf({ source, resolution, background }: CacheOptions): string {
  const images = source.images.map(({ path, identity }) => [path, identity]);
  const content = JSON.stringify([FORMAT_VERSION, resolution, background, images]);
  return createHash("sha256").update(content).digest("hex").slice(0, 32);
}

async function readIndex(file: string): Promise<Index | undefined> {
  try {
    const index = indexSchema.parse(JSON.parse(await readFile(file, "utf8")));
    const { files, digests } = index;
    return digests === undefined || digests.length === 8 * files.length ? index : undefined;
  } catch {
    return undefined; // missing or damaged: either way it is made again
  }
}

function openIfWhole(file: string, bytes: number): number | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch {
    return undefined;
  }
  if (fstatSync(descriptor).size === bytes) return descriptor;
  closeSync(descriptor);
  return undefined;
}

/**
 * Writes both files under temporary names and renames them, the pixels first: an index is then never without its
 * pixels. Two processes may do this at once, for they write the same bytes.
 */
async function prepare(options: CacheOptions & { pixelsFile: string; indexFile: string }): Promise<Made> {
  const { directory, pixelsFile, indexFile } = options;
  const temporary = join(directory, `${randomUUID()}.tmp`);
  try {
    await mkdir(directory, { recursive: true });
    await removeAbandoned(directory);
    const handle = await open(temporary, "wx");
    const survey = new Survey({ tinySide: Math.min(tinySide, options.resolution) });
    let index: Index;
    try {
      index = await writePixels(handle, survey, options);
      await handle.sync(); // else a power cut could leave a file of the right size without its content
    } finally {
      await handle.close();
    }
    await rename(temporary, pixelsFile);
    await writeFile(temporary, JSON.stringify(index), { flush: true });
    await rename(temporary, indexFile);
    return { ...index, seen: survey.counts };
  } catch (error) {
    throw explainWriteError(error, options);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined); // must not hide why the writing failed
  }
}

async function writePixels(handle: FileHandle, survey: Survey, options: CacheOptions): Promise<Index> {
  const { source, onProgress } = options;
  const index: Index = { files: [], skipped: [] };
  const digests: string[] = [];
  let done = 0;
  for await (const result of mapInOrder(source.images, IN_WORK, (file) => prepareFile(file, options))) {
    if ("reason" in result) {
      index.skipped.push(result);
    } else {
      await handle.appendFile(result.pixels);
      digests.push(crc32Text(crc32(result.pixels)));
      index.files.push(result.look.file);
      survey.add(result.look);
    }
    onProgress?.(++done, source.images.length);
  }
  return { ...index, digests: digests.join("") };
}

async function prepareFile(
  file: SourceFile,
  { resolution, background }: PrepareOptions,
): Promise<{ look: Look; pixels: Buffer } | SkippedFile> {
  try {
    const bytes = await file.read();
    return await decode(bytes, { background }, async (image, metadata) => {
      const pixels = await squarePixels(image, resolution);
      const raster = { width: resolution, height: resolution, pixels };
      return { pixels, look: lookOf(raster, { file: file.path, bytes, metadata }) };
    });
  } catch (error) {
    return { file: file.path, reason: reasonOf(error) };
  }
}

/** A killed process leaves its temporary file behind, and these can be large. */
async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.endsWith(".tmp")) continue;
    const file = join(directory, name);
    const stats = await stat(file).catch(() => undefined); // its owner may just have renamed it
    if (stats && Date.now() - stats.mtimeMs > ABANDONED_AFTER_MS) await rm(file, { force: true });
  }
}

function explainWriteError(error: unknown, { directory, resolution, source }: CacheOptions): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const mend = "set STYLEGAN_CACHE to a folder on another disk";
  if (error.code === "ENOSPC" || error.code === "EDQUOT") {
    const mebibytes = Math.ceil((source.images.length * resolution ** 2 * 3) / 2 ** 20);
    return new UserError(
      `the disk is full: the prepared images need ${mebibytes} MiB in ${directory}; free some space or ${mend}`,
    );
  }
  return new UserError(`cannot keep prepared images in ${directory} (${reasonOf(error)}): ${mend}`);
}
