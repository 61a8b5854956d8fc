import { UserError } from "../system/errors.js";
import { type DatasetLabels, readLabels } from "./datasetJson.js";
import { type ImageSource, reasonOf } from "./imageSource.js";

/** More classes than any known set has; a larger label is a mistake and would ask for a giant embedding. */
export const MAX_CLASSES = 100_000;

export interface Classes {
  readonly names: readonly string[];
  /** Class index of each of the files that were asked for, in their order. */
  readonly labels: Int32Array;
}

/**
 * The classes of `files`: from the source's `dataset.json`, else from its folders (or emoji groups). Throws a
 * `UserError` if there are no two classes, or if a file has none.
 */
export async function readClasses(source: ImageSource, files: readonly string[]): Promise<Classes> {
  const fromJson = await classesOfJson(source, files);
  const { names, labelOf } = fromJson ?? classesByPlace(source, files);
  if (names.length < 2) {
    throw new UserError(
      `${source.name} has no classes to train with: sort the images into one folder per class, add NVIDIA's dataset.json, or leave out --cond`,
    );
  }
  const labels = Int32Array.from(files, (file) => {
    const label = labelOf(file);
    if (label !== undefined) return label;
    throw new UserError(
      `${file} has no class: ${fromJson ? "add it to dataset.json" : "move it into the folder of its class"}, or leave out --cond`,
    );
  });
  return { names, labels };
}

export interface ClassTable {
  readonly names: readonly string[];
  /** The class of a file; undefined for one that has none. */
  labelOf(file: string): number | undefined;
}

/** By the source's folders (or emoji groups), in alphabetical order. */
export function classesByPlace(source: ImageSource, files: readonly string[]): ClassTable {
  const found = files.map((file) => source.className(file)).filter((name) => name !== undefined);
  const names = [...new Set(found)].sort();
  const indices = new Map(names.map((name, index) => [name, index]));
  return { names, labelOf: (file) => indices.get(source.className(file) ?? "") };
}

/**
 * By the source's `dataset.json`; undefined if there is none, or if it says nothing about labels. `"labels": null` says that
 * there are no classes.
 */
export async function classesOfJson(
  { datasetJson }: ImageSource,
  files: readonly string[],
): Promise<ClassTable | undefined> {
  if (datasetJson === undefined) return undefined;
  const wanted = new Set(files);
  let found: DatasetLabels | undefined;
  try {
    found = await readLabels(datasetJson.chunks(), {
      isWanted: (name) => wanted.has(name),
      maxClasses: MAX_CLASSES,
    });
  } catch (error) {
    throw new UserError(
      `dataset.json cannot be read (${reasonOf(error)}): it must hold {"labels": [["folder/file.png", 0], ...]}`,
    );
  }
  if (!found) return undefined;
  const { classes, labelOf, names } = found;
  return {
    names: Array.from(
      { length: Math.max(classes, names.length) },
      (_, index) => names[index] ?? String(index),
    ),
    labelOf: (path) => labelOf.get(path),
  };
}
