// A training step needs no files and no Node: a program, or a browser's tab, can drive `Trainer` with pictures of its own.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const source = fileURLToPath(new URL("../../src/", import.meta.url));

/** What a file imports at run time; imports of types vanish. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  const statements = [...text.matchAll(/^(?:import|export)\s[^;]*?from\s+"([^"]+)";/gms)];
  return statements
    .filter(([statement]) => {
      if (/^(import|export) type\b/.test(statement)) return false;
      const names = /\{([^}]*)\}/
        .exec(statement)?.[1]
        ?.split(",")
        .filter((name) => name.trim() !== "");
      return !names || names.some((name) => !/^\s*type\s/.test(name));
    })
    .map(([, from]) => from as string);
}

function closureOf(entry: string): Map<string, string[]> {
  const seen = new Map<string, string[]>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    const imports = importsOf(file);
    seen.set(file, imports);
    for (const from of imports) {
      if (!from.startsWith(".")) continue;
      const next = fileURLToPath(new URL(from.replace(/\.js$/, ".ts"), `file://${file}`));
      expect(existsSync(next), `${file}: ${from}`).toBe(true);
      visit(next);
    }
  };
  visit(`${source}${entry}`);
  return seen;
}

it("the trainer's imports, the engine's loader aside, are its own arithmetic and zod", () => {
  const closure = closureOf("training/trainer.ts");
  const files = [...closure.keys()].map((file) => file.slice(source.length));
  for (const file of [
    "training/objective.ts",
    "networks/stylegan2.ts",
    "losses/penalties.ts",
    "torch/adam.ts",
  ])
    expect(files).toContain(file);
  const packages = [...closure]
    .filter(([file]) => !file.endsWith("torch/libtorch.ts"))
    .flatMap(([file, imports]) =>
      imports.filter((from) => !from.startsWith(".") && from !== "zod").map((from) => `${file}: ${from}`),
    );
  expect(packages).toEqual([]);
});

it("the search sees what it should: the loop does import Node", () => {
  const all = [...closureOf("training/loop.ts").values()].flat();
  expect(all).toEqual(expect.arrayContaining(["node:fs"]));
});
