import { createHash } from "node:crypto";
import type { Metadata } from "sharp";
import { decode } from "../decode.js";
import type { SourceFile } from "../imageSource.js";
import { bounded, type CropOptions, type CroppedOptions, cropped, croppedSize } from "../making/crop.js";
import type { CropMode } from "../making/cropModes.js";
import type { Raster } from "./fingerprint.js";
import type { Look } from "./survey.js";

/** Of the shorter side of the small picture that is looked at. */
const lookedAtSide = 32;

/**
 * Looks at a picture as it would be cropped for training, at a small size.
 * @throws Error in one line when it cannot be read
 */
export async function lookAt(file: SourceFile, options: CropOptions): Promise<Look> {
  const bytes = await file.read();
  return decode(bytes, bounded(options), async (image, metadata) => {
    const { data, info } = await cropped(image, smallOf(options)).raw().toBuffer({ resolveWithObject: true });
    const raster = { width: info.width, height: info.height, pixels: data };
    return lookOf(raster, { file: file.path, bytes, metadata });
  });
}

/** What is seen of a picture that has been decoded anyway. */
export function lookOf(
  raster: Raster,
  { file, bytes, metadata }: { file: string; bytes: Uint8Array; metadata: Metadata },
): Look {
  return {
    ...{ file, digest: createHash("sha256").update(bytes).digest("base64") },
    ...{ format: formatOf(metadata), colour: colourOf(metadata), frames: metadata.pages ?? 1 },
    ...metadata.autoOrient,
    refersOutside: metadata.format === "svg" && refersOutside(Buffer.from(bytes).toString("latin1")),
    raster,
  };
}

/** Without bars, which would hide that a picture is blank. */
function smallOf(options: CropOptions): CroppedOptions {
  const withoutBars: Partial<Record<CropMode, CropMode>> = { pad: "none", "centre-wide": "centre" };
  const { width, height } = options.size;
  const scale = lookedAtSide / Math.min(width, height);
  return {
    ...{ ...options, crop: withoutBars[options.crop] ?? options.crop, fast: true },
    size: { width: Math.round(width * scale), height: Math.round(height * scale) },
  };
}

/** Of the longer side. */
const thumbnailSide = 96;

/** A picture as it would be cropped for training, for people to see. @throws Error when it cannot be read */
export async function thumbnail(file: SourceFile, options: CropOptions): Promise<Raster> {
  const made = croppedSize(options);
  const scale = thumbnailSide / Math.max(made.width, made.height);
  // Even numbers keep bars of whole pixels.
  const even = (side: number) => Math.max(2, 2 * Math.round((side * scale) / 2));
  const size = { width: even(options.size.width), height: even(options.size.height) };
  const { data, info } = await decode(await file.read(), bounded(options), (image) =>
    cropped(image, { ...options, size, fast: true })
      .raw()
      .toBuffer({ resolveWithObject: true }),
  );
  return { width: info.width, height: info.height, pixels: data };
}

const formatNames: Record<string, string> = { heif: "AVIF", webp: "WebP" };

function formatOf({ format }: Metadata): string {
  return formatNames[format] ?? format.toUpperCase();
}

const colourNames: Record<string, string> = { srgb: "RGB", rgb16: "RGB", "b-w": "gray", grey16: "gray" };

function colourOf({ space, depth, hasAlpha, isPalette }: Metadata): string {
  const deep = depth === "uchar" ? "" : depth === "ushort" ? "16-bit " : `${depth} `;
  const name = isPalette ? "palette" : (colourNames[space] ?? space.toUpperCase());
  return `${deep}${name}${hasAlpha ? " with alpha" : ""}`;
}

/** Whether an SVG draws what is in another file: librsvg reads none for bytes in memory, so that something is missing. */
function refersOutside(svg: string): boolean {
  return (
    /<(?:\w+:)?(?:image|use|feImage)\b[^>]*\bhref\s*=\s*["']\s*(?!#|data:)[^"'\s]/i.test(svg) ||
    /<\?xml-stylesheet\b|@import\b|url\(\s*["']?\s*(?!#|data:)[a-z]+:/i.test(svg)
  );
}
