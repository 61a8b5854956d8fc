import sharp from "sharp";
import { UserError } from "../errors.js";

export interface PrepareOptions {
  /** Side of the square result in pixels. */
  readonly resolution: number;
  /** What transparent pixels are laid over: any colour that sharp understands. */
  readonly background: string;
}

/**
 * Decodes a JPEG, PNG, WebP or SVG into `[resolution, resolution, 3]` sRGB bytes: turned upright, laid over the
 * background, cropped to its centre square and resized with a Lanczos filter. Rejects if the picture is damaged.
 */
export async function prepareImage(bytes: Buffer, options: PrepareOptions): Promise<Buffer> {
  const { resolution, background } = options;
  const { format, width, height } = await sharp(bytes).metadata();
  // Vector graphics are drawn at the wanted size: a 24-pixel icon stays sharp, a poster costs no memory.
  const density = format === "svg" ? clampDensity((72 * resolution) / Math.min(width, height)) : undefined;
  const { data, info } = await sharp(bytes, { failOn: "error", ...(density && { density }) })
    .autoOrient()
    // Before the transparent pixels are filled: a gray picture would turn the background gray.
    .pipelineColourspace("srgb")
    .flatten({ background })
    .resize(resolution, resolution, { fit: "cover", position: "centre", kernel: "lanczos3" })
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels instead of 3`);
  return data;
}

/** Throws a `UserError` if sharp cannot read the colour. */
export function checkBackground(background: string): void {
  try {
    sharp().flatten({ background });
  } catch {
    throw new UserError(
      `"${background}" is not a colour: give the background as a name such as white or as #rrggbb`,
    );
  }
}

/** The size of a picture as it is meant to be seen, or undefined if it cannot be read. */
export async function imageSize(bytes: Buffer): Promise<{ width: number; height: number } | undefined> {
  try {
    return (await sharp(bytes).metadata()).autoOrient;
  } catch {
    return undefined;
  }
}

/** sharp takes densities from 1 to 100,000 dots per inch. */
function clampDensity(density: number): number {
  return Math.min(Math.max(density, 1), 100_000);
}
