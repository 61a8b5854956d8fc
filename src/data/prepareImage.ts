import sharp, { type Sharp } from "sharp";
import { UserError } from "../system/errors.js";
import { decode } from "./decode.js";
import { checkSvg } from "./svgBounds.js";

export interface PrepareOptions {
  /** Side of the square result in pixels. */
  readonly resolution: number;
  /** What transparent pixels are laid over: any colour that sharp understands. */
  readonly background: string;
}

/**
 * Decodes a picture (of several frames or pages the first) into `[resolution, resolution, 3]` sRGB bytes: turned upright, laid over the
 * background, cropped to its centre square and resized with a Lanczos filter (an SVG is drawn at that size). Rejects if
 * the picture is damaged.
 */
export async function prepareImage(bytes: Uint8Array, options: PrepareOptions): Promise<Buffer> {
  return decode(bytes, { background: options.background }, (image) =>
    squarePixels(image, options.resolution),
  );
}

/** The centre square of a picture, as `prepareImage`. */
export async function squarePixels(image: Sharp, resolution: number): Promise<Buffer> {
  const { data, info } = await image
    .resize(resolution, resolution, {
      fit: "cover",
      position: "centre",
      kernel: "lanczos3",
      fastShrinkOnLoad: false, // leave the last halving to the Lanczos filter
    })
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
export async function imageSize(bytes: Uint8Array): Promise<{ width: number; height: number } | undefined> {
  try {
    checkSvg(bytes);
    return (await sharp(bytes).metadata()).autoOrient;
  } catch {
    return undefined;
  }
}
