// Which class a picture of a new data set has.

import { UserError } from "../../system/errors.js";
import { type ClassTable, classesByPlace, classesOfJson } from "../classes.js";
import type { ImageSource } from "../imageSource.js";
import { readLabelFile } from "./labelFile.js";

/** `folders`, `none` or a CSV file; undefined for what the source says, if it says it of every picture. */
export type LabelChoice = string | undefined;

/**
 * The classes of a source's pictures; undefined where it has none. With a CSV file, pictures that it does not name have none.
 * @throws UserError when they were asked for and are not there
 */
export async function labelsOf(source: ImageSource, choice: LabelChoice): Promise<ClassTable | undefined> {
  if (choice === "none") return undefined;
  const files = source.images.map(({ path }) => path);
  if (choice !== undefined && choice !== "folders") return readLabelFile(choice, files);
  const fromJson = choice === undefined ? await classesOfJson(source, files) : undefined;
  const table = fromJson ?? classesByPlace(source, files);
  const without = files.find((file) => table.labelOf(file) === undefined);
  if (choice === undefined) return table.names.length > 1 && without === undefined ? table : undefined;
  if (without !== undefined)
    throw new UserError(
      `${without} lies in no folder: move it into that of its class, or leave out --labels`,
    );
  if (table.names.length > 1) return table;
  throw new UserError(
    `${source.name} has a single folder, which makes no classes: sort the pictures into one for each, or leave out --labels`,
  );
}
