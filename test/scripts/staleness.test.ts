import { rmSync } from "node:fs";
import path from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { nativeKey } from "../../scripts/buildNative.mjs";
import { typeScriptKey } from "../../scripts/buildTypeScript.mjs";
import { webKey } from "../../scripts/buildWeb.mjs";
import { updateStamp } from "../../scripts/setup/stamp.mjs";
import { inspect, leftToDo } from "../../scripts/setup/steps.mjs";
import { fakeLibtorch, temporaryFolder, write, writeProgram } from "./folders.js";

describe("what is left to do", () => {
  let root: string;
  let env: NodeJS.ProcessEnv;
  const left = async () => leftToDo(await inspect(root, { env, systemPrefixes: [] }));
  const put = (file: string, text: string) => write(path.join(root, file), text);
  const lock = (version: string, name = "node_modules/tool", extra = {}) =>
    JSON.stringify({ packages: { "": {}, [name]: { version, integrity: version, ...extra } } });

  beforeEach(async () => {
    // A checkout in which everything has been built.
    root = temporaryFolder();
    put("package-lock.json", lock("1.0.0"));
    put("node_modules/.package-lock.json", lock("1.0.0"));
    put("tsconfig.json", "{}");
    put("src/deep/a.ts", "export const a = 1;");
    put("dist/src/deep/a.js", "");
    put("src/protocol/api.ts", "");
    put("dist/src/protocol/api.js", "");
    put("web/page.html", "");
    put("dist/web/page.html", "");
    put("native/a.cc", "int a;");
    put("native/a.h", "");
    put("build/native/stylegan.node", "");
    writeProgram(path.join(root, "bin/cc"), "#!/bin/sh\n");
    env = { PATH: path.join(root, "bin"), CXX: "cc", LIBTORCH: fakeLibtorch(path.join(root, "torch")) };
    const { torch, compiler } = await inspect(root, { env });
    updateStamp(root, {
      native: nativeKey(root, torch!, compiler!),
      typescript: typeScriptKey(root),
      web: webKey(root),
    });
  });

  it("is nothing if nothing changed", async () => {
    expect(await left()).toEqual([]);
  });

  it.each([
    ["native/a.cc", "int b;", ["native addon"]],
    ["native/a.h", "int b;", ["native addon"]],
    ["native/new.cc", "int b;", ["native addon"]],
    ["torch/lib/libtorch_cpu.so", "another release", ["native addon"]],
    ["src/deep/a.ts", "export const a = 2;", ["TypeScript"]],
    ["src/new.ts", "", ["TypeScript"]],
    ["bench/new.ts", "", ["TypeScript"]],
    ["tsconfig.build.json", "{}", ["TypeScript"]],
    ["src/protocol/api.ts", "export const a = 2;", ["TypeScript", "web pages"]],
    ["web/deep/a.css", "", ["web pages"]],
    ["docs/page.md", "", []],
  ])("after writing %s", async (file, text, expected) => {
    put(file, text);
    expect(await left()).toEqual(expected);
  });

  it.each([
    ["native/a.h", ["native addon"]],
    ["build/native/stylegan.node", ["native addon"]],
    ["src/deep/a.ts", ["TypeScript"]],
    ["dist/src/deep/a.js", ["TypeScript"]],
    ["dist/web/page.html", ["web pages"]],
    ["node_modules", ["npm packages"]],
    ["node_modules/.package-lock.json", ["npm packages"]], // an installation that was interrupted
    ["build/setup.json", ["native addon", "TypeScript", "web pages"]],
  ])("after removing %s", async (file, expected) => {
    rmSync(path.join(root, file), { recursive: true });
    expect(await left()).toEqual(expected);
  });

  it("is a rebuild with another compiler", async () => {
    writeProgram(path.join(root, "bin/other"), "#!/bin/sh\n");
    env.CXX = "other";
    expect(await left()).toEqual(["native addon"]);
  });

  it("names what neither the PATH nor the system has", async () => {
    env = { PATH: path.join(root, "bin") };
    expect(await left()).toEqual(["libtorch-dev", "libopenblas0-openmp", "g++", "native addon"]);
  });

  it("is an npm ci if the lock asks for another version, or for a package that is not there", async () => {
    put("package-lock.json", lock("1.0.1"));
    expect(await left()).toContain("npm packages");
    put("package-lock.json", lock("1.0.0", "node_modules/another"));
    expect(await left()).toContain("npm packages");
    put("package-lock.json", lock("1.0.0", "node_modules/for-another-platform", { optional: true }));
    expect(await left()).not.toContain("npm packages");
  });
});
