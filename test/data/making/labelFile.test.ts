import { writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parseCsv, readLabelFile } from "../../../src/data/making/labelFile.js";
import { useWorkspace } from "../helpers.js";

const workspace = useWorkspace();
const files = ["a/one.png", "a/two.png", "b/one.png", "three.png"];

function labels(text: string): { names: readonly string[]; labels: (number | undefined)[] } {
  const table = workspace.path("labels.csv");
  writeFileSync(table, text);
  const { names, labelOf } = readLabelFile(table, files);
  return { names, labels: files.map(labelOf) };
}

it("rows are cells between commas, semicolons or tabs, and quotes may hold any", () => {
  expect(parseCsv('a,"b, ""c""\nd"\r\n\r\ne,')).toEqual([
    ["a", 'b, "c"\nd'],
    ["e", ""],
  ]);
  expect(parseCsv("a;b,c\n")).toEqual([["a", "b,c"]]);
  expect(parseCsv("a\tb")).toEqual([["a", "b"]]);
});

it("files are named by their path, or by their name alone where there is one; classes get numbers by name", () => {
  expect(labels("a/one.png,dog\ntwo.png,cat\none.png,eel\nthree.png,dog\n")).toEqual({
    names: ["cat", "dog"],
    labels: [1, 0, undefined, 1],
  });
});

it("a first line may say which columns are meant, and numbers stay what they are", () => {
  expect(labels("id,Label,Filename\n7,4,.\\three.png\n8,0,a\\two.png\n")).toEqual({
    names: ["0", "1", "2", "3", "4"],
    labels: [undefined, 0, undefined, 4],
  });
});

it("a table of other files is an error that shows what is wanted", () => {
  expect(() => labels("x.png,cat")).toThrow(/names none of the pictures: .* a\/one\.png,cat/);
});
