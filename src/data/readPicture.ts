import { readFile, stat } from "node:fs/promises";
import { UserError } from "../system/errors.js";
import { MAX_FILE_BYTES, readableFormats, reasonOf, tooLarge } from "./imageSource.js";
import { prepareImage } from "./prepareImage.js";

/**
 * One picture from a file (`readableFormats`), as a data set would have it: turned upright, laid over white, cropped to
 * its centre square and scaled to `resolution`.
 * @returns `pixels` as [resolution, resolution, 3] sRGB bytes
 * @throws UserError when there is no such file or it is no picture
 */
export async function readPicture(
  file: string,
  resolution: number,
): Promise<{ width: number; height: number; pixels: Uint8Array }> {
  const stats = await stat(file).catch(() => undefined);
  if (!stats) throw new UserError(`${file}: no such file`);
  if (!stats.isFile()) throw new UserError(`${file} is not a file; give one picture`);
  if (stats.size > MAX_FILE_BYTES) throw new UserError(`${file}: ${tooLarge(stats.size)}`);
  const pixels = await prepareImage(await readFile(file), { resolution, background: "white" }).catch(
    (error: unknown) => {
      throw new UserError(
        `${file} cannot be read as a picture (${reasonOf(error)}); give ${readableFormats}`,
      );
    },
  );
  return { width: resolution, height: resolution, pixels };
}
