// Pictures of any shape as pictures of one.

import sharp, { type ResizeOptions, type Sharp } from "sharp";
import { UserError } from "../../system/errors.js";
import { BOUNDED_BYTES, type DecodeOptions, decode } from "../decode.js";
import type { CropMode } from "./cropModes.js";

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface CropOptions {
  readonly crop: CropMode;
  /** Of the part of the picture that is taken. */
  readonly size: Size;
  /** The colour of bars and under transparent pixels. */
  readonly background: string;
}

/** Left to sharp's strategies; the crop is of the picture that has already been scaled. */
const fits = {
  centre: { fit: "cover", position: "centre" },
  "centre-wide": { fit: "cover", position: "centre" },
  attention: { fit: "cover", position: sharp.strategy.attention },
  entropy: { fit: "cover", position: sharp.strategy.entropy },
  pad: { fit: "contain" },
  none: { fit: "fill" },
} as const satisfies Record<CropMode, ResizeOptions>;

/** What comes out for a size. @throws UserError when the mode cannot make it */
export function croppedSize({ crop, size }: Pick<CropOptions, "crop" | "size">): Size {
  if (crop !== "centre-wide") return size;
  const { width, height } = size;
  if (width <= height || (width - height) % 2 !== 0)
    throw new UserError(
      `--crop centre-wide makes a square of a wide picture with bars: give the picture's size, for example --resolution ${width}x${Math.round((width * 9) / 32) * 2}, or --crop centre`,
    );
  return { width, height: width };
}

export interface CroppedOptions extends CropOptions {
  /** Decode at a smaller size where that is quicker, for a picture that nobody sees closely. */
  readonly fast?: boolean;
}

/** A picture cropped and scaled by a Lanczos filter, to 8-bit RGB. */
export function cropped(image: Sharp, { crop, size, background, fast = false }: CroppedOptions): Sharp {
  const { width, height } = size;
  image.resize(width, height, {
    ...{ ...fits[crop], background, kernel: "lanczos3" },
    fastShrinkOnLoad: fast, // else leave the last halving to the Lanczos filter
  });
  const bar = crop === "centre-wide" ? (width - height) / 2 : 0;
  if (bar > 0) image.extend({ top: bar, bottom: bar, background });
  return image.toColourspace("srgb");
}

/** How pictures are decoded in a program that is to stay small. */
export function bounded({ background }: CropOptions): DecodeOptions {
  return { background, mostBytes: BOUNDED_BYTES };
}

/** @throws Error in one line when the picture cannot be read */
export function cropToPng(bytes: Uint8Array, options: CropOptions): Promise<Buffer> {
  return decode(bytes, bounded(options), (image) => cropped(image, options).png().toBuffer());
}
