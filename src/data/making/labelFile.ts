// Labels from a table: a line for each picture, with its file and its class.

import { basename } from "node:path";
import { UserError } from "../../system/errors.js";
import { readNamed } from "../../system/regularFile.js";
import { type ClassTable, MAX_CLASSES } from "../classes.js";

const maxBytes = 256 * 2 ** 20;
const fileHeaders = ["file", "filename", "file_name", "path", "image", "name"];
const labelHeaders = ["label", "class", "category", "target"];

/**
 * The classes of `files` by a CSV file: its first two columns are file and class, or those that its first line calls so.
 * A file is named by its path in the source, or by its name alone where no other has it. Files that are not in the table
 * have no class.
 * @throws UserError when it is no such table
 */
export function readLabelFile(table: string, files: readonly string[]): ClassTable {
  const rows = parseCsv(
    readNamed(table, maxBytes)
      .toString("utf8")
      .replace(/^\ufeff/, ""),
  );
  const header = rows[0]?.map((cell) => cell.trim().toLowerCase()) ?? [];
  const named = (names: readonly string[]) => header.findIndex((cell) => names.includes(cell));
  const [fileColumn, labelColumn] = [named(fileHeaders), named(labelHeaders)];
  const hasHeader = fileColumn >= 0 && labelColumn >= 0;
  const pathOf = finder(files);
  const labels = new Map<string, string>();
  for (const row of hasHeader ? rows.slice(1) : rows) {
    const path = pathOf(row[hasHeader ? fileColumn : 0] ?? "");
    const label = row[hasHeader ? labelColumn : 1]?.trim();
    if (path !== undefined && label) labels.set(path, label);
  }
  if (labels.size === 0)
    throw new UserError(
      `${table} names none of the pictures: give lines of file,class with the files' paths in the source, such as ${files[0] ?? "a.png"},cat`,
    );
  const given = [...new Set(labels.values())];
  const areNumbers = given.every((label) => /^\d{1,6}$/.test(label) && Number(label) < MAX_CLASSES);
  const names = areNumbers
    ? Array.from({ length: Math.max(...given.map(Number)) + 1 }, (_, index) => String(index))
    : given.sort();
  const indices = new Map(names.map((name, index) => [name, index]));
  const indexOf = (label: string) => (areNumbers ? Number(label) : indices.get(label));
  return {
    names,
    labelOf(file) {
      const label = labels.get(file);
      return label === undefined ? undefined : indexOf(label);
    },
  };
}

/** Finds the file that a table means. */
function finder(files: readonly string[]): (name: string) => string | undefined {
  const paths = new Set(files);
  const byName = new Map<string, string | undefined>();
  for (const file of files) byName.set(basename(file), byName.has(basename(file)) ? undefined : file);
  return (name) => {
    const path = name.trim().replaceAll("\\", "/").replace(/^\.\//, "");
    return paths.has(path) ? path : byName.get(path);
  };
}

/** Rows of cells (RFC 4180), with commas, semicolons or tabs between them, whichever comes first. */
export function parseCsv(text: string): string[][] {
  const separator = /[,;\t\r\n]/.exec(text)?.[0] ?? ",";
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let isQuoted = false;
  const endCell = () => {
    row.push(cell);
    cell = "";
  };
  const endRow = () => {
    endCell();
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  };
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') cell += text[at++];
      else isQuoted = false;
    } else if (character === '"' && cell === "") isQuoted = true;
    else if (character === separator) endCell();
    else if (character === "\n") endRow();
    else if (character !== "\r") cell += character;
  }
  endRow();
  return rows;
}
