import { type ImageSource, IN_WORK, reasonOf, type SourceFile } from "../imageSource.js";
import type { CropOptions } from "../making/crop.js";
import { mapInOrder } from "../mapInOrder.js";
import type { Raster } from "./fingerprint.js";
import { lookAt, thumbnail } from "./lookAt.js";
import { Survey, type SurveyOptions } from "./survey.js";

export interface SurveySourceOptions extends SurveyOptions, CropOptions {
  /** Called after each picture; true ends the work. */
  readonly onPicture?: (done: number) => boolean;
}

/** Pictures in work at once: one that takes long must not stop those after it. */
const limits = { ...IN_WORK, items: IN_WORK.items * 4 };

/** Looks at all pictures of a source; undefined when `onPicture` has ended it. */
export async function surveySource(
  source: ImageSource,
  options: SurveySourceOptions,
): Promise<Survey | undefined> {
  const survey = new Survey(options);
  for (const skipped of source.skipped) survey.skip(skipped);
  let done = 0;
  const look = (file: SourceFile) =>
    lookAt(file, options).catch((error: unknown) => ({ file: file.path, reason: reasonOf(error) }));
  for await (const result of mapInOrder(source.images, limits, look)) {
    if ("reason" in result) survey.skip(result);
    else survey.add(result);
    if (options.onPicture?.(++done)) return undefined;
  }
  return survey;
}

/** Small pictures of files of a source, of those that can be read. */
export async function thumbnails(
  source: ImageSource,
  files: Iterable<string>,
  options: CropOptions,
): Promise<Map<string, Raster>> {
  const wanted = new Set(files);
  const found = new Map<string, Raster>();
  const small = async (file: SourceFile) => ({
    file: file.path,
    raster: await thumbnail(file, options).catch(() => undefined),
  });
  for await (const { file, raster } of mapInOrder(
    source.images.filter(({ path }) => wanted.has(path)),
    limits,
    small,
  ))
    if (raster) found.set(file, raster);
  return found;
}
