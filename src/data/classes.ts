import { z } from "zod";
import { UserError } from "../system/errors.js";
import { type ImageSource, reasonOf, type SourceFile } from "./imageSource.js";

/** More classes than any known set has; a larger label is a mistake and would ask for a giant embedding. */
const MAX_CLASSES = 100_000;

const labelsSchema = z.object({
  labels: z
    .array(
      z.tuple([
        z.string(),
        z
          .number()
          .int()
          .min(0)
          .max(MAX_CLASSES - 1),
      ]),
    )
    .nullish(),
});

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
  const fromJson = source.datasetJson && (await readDatasetJson(source.datasetJson));
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

interface ClassTable {
  readonly names: readonly string[];
  labelOf(file: string): number | undefined;
}

function classesByPlace(source: ImageSource, files: readonly string[]): ClassTable {
  const found = files.map((file) => source.className(file)).filter((name) => name !== undefined);
  const names = [...new Set(found)].sort();
  const indices = new Map(names.map((name, index) => [name, index]));
  return { names, labelOf: (file) => indices.get(source.className(file) ?? "") };
}

/** `undefined` if the file says nothing about labels; `"labels": null` says that there are no classes. */
async function readDatasetJson(file: SourceFile): Promise<ClassTable | undefined> {
  let labels: z.infer<typeof labelsSchema>["labels"];
  try {
    labels = labelsSchema.parse(JSON.parse((await file.read()).toString("utf8"))).labels;
  } catch (error) {
    const detail = error instanceof z.ZodError ? z.prettifyError(error) : error;
    throw new UserError(
      `dataset.json cannot be read (${reasonOf(detail)}): it must hold {"labels": [["folder/file.png", 0], ...]}`,
    );
  }
  if (labels === undefined) return undefined;
  // Written on Windows, the names may hold backslashes.
  const table = new Map((labels ?? []).map(([name, label]) => [name.replaceAll("\\", "/"), label]));
  const count = Math.max(-1, ...new Set(table.values())) + 1;
  return {
    names: Array.from({ length: count }, (_, index) => String(index)),
    labelOf: (path) => table.get(path),
  };
}
