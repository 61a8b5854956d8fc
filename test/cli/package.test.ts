// What npm publishes, in a project of its own: its size, what works with nothing compiled, and what asks for more.

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addonFile } from "../../scripts/buildNative.mjs";
import { buildFolder } from "../../scripts/setup/buildFolder.mjs";
import { findOnPath } from "../../scripts/setup/run.mjs";
import { fileIdentity } from "../../scripts/setup/stamp.mjs";
import { createGenerator, networkDescriptionSchema } from "../../src/networks/registry.js";
import { writeSnapshot } from "../../src/networks/snapshot.js";

const checkout = join(import.meta.dirname, "..", "..");
const root = mkdtempSync(join(tmpdir(), "stylegan-package-"));
const cache = join(root, "cache");
const installed = join(root, "node_modules", "stylegan");
const program = join(installed, "dist", "src", "cli", "main.js");
/** What npm would install with it. */
const dependencies = ["commander", "fflate", "node-api-headers", "protobufjs", "sharp", "yauzl", "zod"];
const snapshot = join(root, "network-snapshot-000001.safetensors");
const config = {
  ...{ resolution: 8, zDim: 4, wDim: 4, cDim: 0, channelBase: 32, channelMax: 4, mappingLayers: 1 },
  ...{ mappingLrMultiplier: 0.01, wAvgBeta: 0.995, convClamp: 256, mbstdGroupSize: 2 },
};
let tarball: string;

function node(args: string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, XDG_CACHE_HOME: cache, STYLEGAN_CACHE: join(cache, "pictures"), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { code: status, stdout, stderr };
}
const stylegan = (args: string[], env?: NodeJS.ProcessEnv) => node([program, ...args], env);

/** A machine of Debian's kind where nothing computes: no compiler on the PATH, and an apt-get that tells on its caller. */
function bareMachine(): { PATH: string; called: string } {
  const bin = join(root, "bin");
  const called = join(root, "apt-was-called");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "apt-get"), `#!/bin/sh\necho "$@" >> ${called}\nexit 1\n`);
  chmodSync(join(bin, "apt-get"), 0o755);
  return { PATH: bin, called };
}

beforeAll(() => {
  const npm = spawnSync("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", root], {
    cwd: checkout,
    encoding: "utf8",
  });
  expect(npm.status, npm.stderr).toBe(0);
  tarball = join(root, npm.stdout.trim());
  mkdirSync(installed, { recursive: true });
  spawnSync("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"]);
  for (const name of dependencies)
    symlinkSync(join(checkout, "node_modules", name), join(root, "node_modules", name));
  writeFileSync(join(root, "package.json"), '{ "type": "module" }');

  const description = networkDescriptionSchema.parse({ architecture: "stylegan2", config });
  const G = createGenerator(description);
  writeSnapshot(snapshot, { G_ema: G }, { description, curNimg: 1000, classNames: [] });
  G.dispose();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("with nothing compiled", () => {
  it("the tarball is below 5 MB and has no tests, sources or fixtures", () => {
    expect(statSync(tarball).size).toBeLessThan(5e6);
    expect(readdirSync(installed).sort()).toEqual(
      ["LICENSE", "NOTICE.md", "README.md", "assets", "dist", "native", "package.json", "scripts"].sort(),
    );
  });

  it("help, version and info of a snapshot work, and leave nothing behind", () => {
    expect(stylegan(["--version"])).toEqual({ code: 0, stdout: "0.1.0\n", stderr: "" });
    expect(stylegan(["--help"]).stdout).toContain("train [options]");
    const { code, stdout, stderr } = stylegan(["info", snapshot]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^resolution +8 px$/m);
    expect(stdout).toMatch(/^G_ema +\d+ numbers in \d+ tensors$/m);
    expect(existsSync(cache)).toBe(false);
  });

  it.each(["stylegan", "stylegan/torch", "stylegan/onnx", "stylegan/server"])(
    "%s can be imported",
    (name) => {
      const text = `console.log(Object.keys(await import("${name}")).length > 0)`;
      expect(node(["--input-type=module", "-e", text])).toEqual({ code: 0, stdout: "true\n", stderr: "" });
      expect(existsSync(cache)).toBe(false);
    },
  );

  it("its types compile strictly, without those of Node", () => {
    writeFileSync(
      join(root, "program.ts"),
      `import { latentsOfSeeds, loadNetwork, renderLatents, setThreads, trainNewRun, writePng } from "stylegan";
      import { exportOnnx } from "stylegan/onnx";
      import { serve } from "stylegan/server";
      import { Tensor } from "stylegan/torch";
      setThreads();
      const { G } = loadNetwork("runs/00000-…");
      const z: Tensor = latentsOfSeeds([0], G.zDim);
      for (const picture of renderLatents(G, { z, noiseMode: "const", batch: 1 })) await writePng("a.png", picture);
      // @ts-expect-error: no such mode
      renderLatents(G, { z, noiseMode: "foo", batch: 1 });
      export { exportOnnx, serve, trainNewRun };`,
    );
    const compilerOptions = { strict: true, types: [], module: "NodeNext", target: "ES2023", noEmit: true };
    writeFileSync(join(root, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
    const { stdout } = node([join(checkout, "node_modules", "typescript", "bin", "tsc"), "-p", root]);
    expect(stdout).toBe("");
  });

  it("the emoji are asked for", () => {
    const { stderr } = stylegan(["train", "--data", "emoji:faces", "--dry-run"], ready());
    expect(stderr).toBe(
      "stylegan: the emoji are packages of their own (74 MB). Run: npm install @lobehub/fluent-emoji-3d emojibase-data, or give --data a folder of pictures\n",
    );
  });
});

/** As scripts/setup/engine.mjs leaves the cache, with the checkout's addon. */
function ready(): NodeJS.ProcessEnv {
  const addon = addonFile(checkout);
  const folder = buildFolder(installed, { XDG_CACHE_HOME: cache });
  mkdirSync(folder, { recursive: true });
  const about = {
    addon,
    libtorch: process.env.LIBTORCH || null,
    python: findOnPath("python3"),
    watched: [[addon, fileIdentity(addon)]],
  };
  writeFileSync(join(folder, "engine.json"), JSON.stringify(about));
  return {};
}

function damageEngineFile(text: string): void {
  ready();
  writeFileSync(join(buildFolder(installed, { XDG_CACHE_HOME: cache }), "engine.json"), text);
}

describe("the engine", () => {
  const generate = ["generate", "--network", snapshot, "--seeds", "0", "--outdir", "out"];

  it("in the cache folder is used at once", () => {
    const { code, stderr } = stylegan(generate, ready());
    expect([code, stderr]).toEqual([0, ""]);
    expect(existsSync(join(root, "out", "seed0000.png"))).toBe(true);
  });

  it.each([
    ["that is missing", () => rmSync(cache, { recursive: true, force: true })],
    ["whose engine.json is damaged", () => damageEngineFile("{")],
    ["whose engine.json is another's", () => damageEngineFile('{"addon":7}')],
  ])("%s is said in words, and nothing is installed without consent", (_, make) => {
    make();
    const { PATH, called } = bareMachine();
    const { code, stdout, stderr } = stylegan(generate, { PATH, CXX: "", LIBTORCH: "" });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/g\+\+|xcode-select/);
    expect(stderr).toMatch(/\nstylegan: libtorch is not set up; the reason is above\.\n$/);
    expect(stderr).not.toMatch(/^ +at /m);
    expect(existsSync(called)).toBe(false);
  });

  it("of a program that uses the library is not asked for on its standard output", () => {
    const text = `import { randn } from "stylegan"; try { randn([2]); } catch (error) { console.log(error.message); }`;
    const { code, stdout } = node(["--input-type=module", "-e", text], {
      ...{ PATH: bareMachine().PATH, CXX: "", LIBTORCH: "" },
    });
    expect([code, stdout]).toEqual([0, "libtorch is not set up; the reason is above.\n"]);
  });
});
