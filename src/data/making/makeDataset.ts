// A data set in NVIDIA's form from pictures of any kind: PNG files of one size in folders of a thousand, and dataset.json.

import type { ClassTable } from "../classes.js";
import { type ImageSource, IN_WORK, reasonOf, type SkippedFile, type SourceFile } from "../imageSource.js";
import { mapInOrder } from "../mapInOrder.js";
import { noImages } from "../openSource.js";
import { type CropOptions, cropToPng } from "./crop.js";
import type { Destination } from "./destination.js";

export interface MakeOptions extends CropOptions {
  /** What the pictures are; undefined for no classes. */
  readonly classes: ClassTable | undefined;
  /** Files that are left out; those without a class are too, where there are classes. */
  readonly leftOut: ReadonlySet<string>;
  /** Called after each picture; true ends the work. */
  readonly onPicture?: (done: number) => boolean;
}

export interface MadeDataset {
  readonly pictures: number;
  readonly bytes: number;
  /** What could not be read, and why. */
  readonly skipped: readonly SkippedFile[];
  /** False when `onPicture` has ended it: the destination then holds a part. */
  readonly complete: boolean;
}

/** Writes the pictures of a source, in their order, to a destination that the caller finishes. */
export async function makeDataset(
  source: ImageSource,
  destination: Destination,
  options: MakeOptions,
): Promise<MadeDataset> {
  const { classes, leftOut, onPicture } = options;
  const skipped = [...source.skipped];
  const wanted = source.images.filter(
    ({ path }) => !leftOut.has(path) && (classes === undefined || classes.labelOf(path) !== undefined),
  );
  const labels: [string, number][] = [];
  let [pictures, bytes, done] = [0, 0, 0];
  for await (const result of mapInOrder(wanted, IN_WORK, (file) => pictureOf(file, options))) {
    if ("reason" in result) skipped.push(result);
    else {
      const name = nameOf(pictures++);
      await destination.add(name, result.png);
      bytes += result.png.length;
      const label = classes?.labelOf(result.file);
      if (label !== undefined) labels.push([name, label]);
    }
    if (onPicture?.(++done)) return { pictures, bytes, skipped, complete: false };
  }
  if (pictures === 0) throw noImages(source.name, skipped);
  await destination.add("dataset.json", datasetJson(labels, classes?.names));
  return { pictures, bytes, skipped, complete: true };
}

/** As NVIDIA's tool numbers them. */
function nameOf(index: number): string {
  const digits = String(index).padStart(8, "0");
  return `${digits.slice(0, 5)}/img${digits}.png`;
}

/** A line for each picture, so that it can be read and compared. NVIDIA's tools read the labels and pass over the names. */
function datasetJson(labels: readonly [string, number][], names: readonly string[] | undefined): Buffer {
  if (names === undefined) return Buffer.from('{"labels": null}\n');
  const lines = labels.map((pair) => `\n${JSON.stringify(pair)}`);
  return Buffer.from(`{"classes": ${JSON.stringify(names)},\n"labels": [${lines.join(",")}\n]}\n`);
}

async function pictureOf(
  file: SourceFile,
  options: CropOptions,
): Promise<{ file: string; png: Buffer } | SkippedFile> {
  try {
    return { file: file.path, png: await cropToPng(await file.read(), options) };
  } catch (error) {
    return { file: file.path, reason: reasonOf(error) };
  }
}
