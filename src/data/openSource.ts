import { stat } from "node:fs/promises";
import { UserError } from "../system/errors.js";
import { openEmoji } from "./emoji.js";
import { openFolder } from "./folder.js";
import { type ImageSource, readableFormats, reasonOf, type SkippedFile } from "./imageSource.js";
import { openZip } from "./zip.js";

/**
 * The pictures of a folder, a zip, `emoji` or `emoji:GROUP`; the caller closes them.
 * @throws UserError when there is no such source
 */
export async function openSource(source: string): Promise<ImageSource> {
  if (source === "emoji") return openEmoji();
  if (source.startsWith("emoji:")) return openEmoji(source.slice("emoji:".length));
  const stats = await stat(source).catch((error: unknown) => {
    throw new UserError(
      (error as NodeJS.ErrnoException).code === "ENOENT"
        ? `there is no ${source}: give a folder of images, a zip, or "emoji"`
        : `cannot open ${source} (${reasonOf(error)}): give a folder of images, a zip, or "emoji"`,
    );
  });
  return stats.isDirectory() ? openFolder(source) : openZip(source);
}

/** What to throw when none of a source's pictures can be used. */
export function noImages(source: string, skipped: readonly SkippedFile[]): UserError {
  return new UserError(
    `${source} holds no image that can be read${because(skipped)}: put ${readableFormats} files there`,
  );
}

function because(skipped: readonly SkippedFile[]): string {
  const first = skipped[0];
  return first ? ` (${skipped.length} skipped, the first is ${first.file}: ${first.reason})` : "";
}
