// Who may import whom (docs/ARCHITECTURE.md): imports point to lower rows alone.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "..");

/** The folders of src/, the lowest first; those of one row do not see each other. */
const rows = [
  ["system", "protocol"],
  ["numpy"],
  ["torch"],
  ["layers"],
  ["networks"],
  ["losses", "data", "metrics", "augment"],
  ["synthesis"],
  ["training", "interop"],
  ["server"],
  ["cli"],
];
/** What sees less than all lower rows. */
const only: Record<string, string[]> = {
  losses: ["system", "torch"],
  data: ["system", "torch"],
  metrics: ["system", "torch"],
  cli: rows.flat().filter((folder) => folder !== "layers"),
  web: ["protocol", "numpy"],
};
/** Only src/torch names operators or loads the addon. */
const ofTorchAlone = ["src/torch/dispatch", "src/torch/engine"];

const filesUnder = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => join(folder, file));

/** What is wrong with the imports of a file. */
function wrongImports(file: string): string[] {
  const [top, second = ""] = file.split("/");
  const folder = top === "web" ? "web" : second.endsWith(".ts") ? "the root of src" : second;
  const row = rows.findIndex((folders) => folders.includes(folder));
  const seen = only[folder] ?? rows.slice(0, row < 0 ? rows.length : row).flat();
  const imports = readFileSync(join(root, file), "utf8").matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g);
  return [...imports].flatMap(([, specifier]) => {
    const target = normalize(join(dirname(file), specifier!));
    const [, other = ""] = target.split("/");
    if (!target.startsWith("src/") || other === second) return [];
    const forbidden = folder !== "torch" && ofTorchAlone.some((name) => target.startsWith(name));
    return forbidden || !seen.includes(other) ? [`${file} imports ${specifier}`] : [];
  });
}

it("imports run one way, and nothing loose lies at the root of src", () => {
  const files = [...filesUnder("src"), ...filesUnder("web")];
  expect(files.length).toBeGreaterThan(100);
  expect(files.flatMap(wrongImports)).toEqual([]);
  const folders = readdirSync(join(root, "src"));
  expect(folders.sort()).toEqual([...rows.flat(), "index.ts"].sort());
});
