import { availableParallelism } from "node:os";
import type { Limits } from "./mapInOrder.js";

/** One file of a source, read only when it is needed. */
export interface SourceFile {
  /** Path inside the source, with `/` between its parts. */
  readonly path: string;
  /** Changes whenever the file's bytes change; part of the fingerprint. */
  readonly identity: string;
  /** Of the file, as far as it is known before it is read. */
  readonly bytes: number;
  /** The file's bytes. Rejects if it cannot be read. */
  read(): Promise<Uint8Array>;
}

/** An image that could not be used, and why. */
export interface SkippedFile {
  readonly file: string;
  readonly reason: string;
}

/** Where pictures come from: a folder, a zip or the emoji. Nothing is decoded here. */
export interface ImageSource {
  /** Short name for run directories. */
  readonly name: string;
  /** Whether the images' own size is the default resolution: a zip made for training has it already. */
  readonly ownSize: boolean;
  /** Sorted by path, so that image numbers do not depend on the file system's order. */
  readonly images: readonly SourceFile[];
  /** Images that are already known to be unusable, before any is read. */
  readonly skipped: readonly SkippedFile[];
  /** NVIDIA's `dataset.json`, if the source holds one. */
  readonly datasetJson?: { chunks(): AsyncIterable<Uint8Array> };
  /** The class of an image by where it lies, or undefined if it has none. */
  className(path: string): string | undefined;
  close(): void;
}

/** What is worked on at once: enough images to keep every core busy, few enough to bound the memory, and bytes of their files. */
export const IN_WORK: Limits<SourceFile> = {
  items: availableParallelism() + 1,
  bytesOf: ({ bytes }) => bytes,
  bytes: 64 * 2 ** 20,
};

/** No larger file is read: it could only be a mistake or an attack (a 50-megapixel 16-bit PNG has 200 MB). */
export const MAX_FILE_BYTES = 256 * 2 ** 20;

/** Why a file above `MAX_FILE_BYTES` is skipped. */
export function tooLarge(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB is over the limit of ${MAX_FILE_BYTES / 2 ** 20} MiB`;
}

/** The formats that sharp reads with what its npm package holds, in words for a user. */
export const readableFormats = "JPEG, PNG, WebP, AVIF, GIF, TIFF or SVG";

/** True for paths that end like an image and are not hidden (macOS puts `._x.png` stubs beside pictures). */
export function isImagePath(path: string): boolean {
  return /\.(jpe?g|png|webp|svg|avif|gif|tiff?)$/i.test(path) && !isHidden(path);
}

/** Why a file that is a picture for its owner is skipped; undefined for all other files. HEVC has patents, so no HEIC. */
export function unreadableFormat(path: string): string | undefined {
  const ending = /\.(heic|heif|bmp|jxl|jp2|psd|tga|exr|hdr|dng|cr2|cr3|nef|arw|raf|orf|rw2)$/i.exec(
    path,
  )?.[1];
  if (ending === undefined || isHidden(path)) return undefined;
  return `${ending.toUpperCase()} cannot be read: convert it to JPEG or PNG`;
}

/** True if a name on the path starts with a dot, or is the folder that macOS adds to zips. */
export function isHidden(path: string): boolean {
  return path.split("/").some((part) => /^\.(?!\.?$)|^__MACOSX$/.test(part));
}

/** The first folder of a path; undefined for a file that lies in no folder. */
export function firstFolder(path: string): string | undefined {
  const slash = path.indexOf("/");
  return slash < 0 ? undefined : path.slice(0, slash);
}

/** Order by code units, which is the same on every machine and in every locale. */
export function comparePaths(a: { path: string }, b: { path: string }): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}

/** The first line of an error's message: sharp's errors have several. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.trim().split("\n", 1)[0] ?? "";
}
