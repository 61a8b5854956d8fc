// Files of other programs through the commands, as their users meet them.

import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LatentSpread } from "../../src/synthesis/spread.js";
import { fixturePath } from "../helpers.js";
import { expectSuccess, expectUserError, Workspace } from "./helpers.js";

const pickle = fixturePath("nvidia-stylegan2.pkl");

let work: Workspace;
beforeAll(async () => {
  work = new Workspace();
  expectSuccess(await work.run("import", pickle, "--out", "network.safetensors"));
});
afterAll(() => work.dispose());

async function levels(file: string): Promise<Buffer> {
  return sharp(file).raw().toBuffer();
}

describe("NVIDIA's pickle", () => {
  it.each([
    ["imported", () => "network.safetensors"],
    ["directly", () => pickle],
  ])("%s, generates NVIDIA's pictures of seeds 0 to 3 within one level", async (how, network) => {
    expectSuccess(await work.run("generate", "--network", network(), "--seeds", "0-3", "--outdir", how));
    for (const seed of [0, 1, 2, 3]) {
      const made = await levels(work.path(how, `seed000${seed}.png`));
      const wanted = await levels(fixturePath(`nvidia-stylegan2.seed000${seed}.png`));
      expect(made.length).toBe(wanted.length);
      expect(
        Math.max(...made.map((value, i) => Math.abs(value - (wanted[i] as number)))),
      ).toBeLessThanOrEqual(1);
    }
  });

  it("is told about by info, the same from the pickle and from the snapshot", async () => {
    const facts = async (file: string) => {
      const result = await work.run("info", file, "--json");
      expectSuccess(result);
      const { file: _, ...rest } = JSON.parse(result.stdout) as Record<string, unknown>;
      return rest;
    };
    const direct = await facts(pickle);
    expect(direct).toEqual(await facts("network.safetensors"));
    expect(direct).toMatchObject({
      architecture: "stylegan2",
      config: { resolution: 32, mappingLayers: 4 },
      origin: { file: "nvidia-stylegan2.pkl" },
      curNimg: null,
      networks: { G: { parameters: 91491 }, D: { parameters: 72561 } },
    });
    const { stdout } = await work.run("info", "network.safetensors");
    expect(stdout).toMatch(/^resolution +32 px$/m);
    expect(stdout).toMatch(/^ {2}synthesis\.b32\.conv0 +4625 +1040 {2}16x32x3x3$/m);
    expect(stdout).toMatch(/^ {2}total +72561 +224$/m);
  });

  it("info --spread measures how far apart latents are, in each of its generators", async () => {
    const json = await work.run("info", pickle, "--spread", "--json");
    expectSuccess(json);
    const { spread } = JSON.parse(json.stdout) as { spread: Record<string, LatentSpread> };
    expect(Object.keys(spread).sort()).toEqual(["G", "G_ema"]);
    for (const { w, styles, pixels, noise } of Object.values(spread)) {
      expect(styles).toHaveLength(8);
      for (const value of [w, ...styles, pixels, noise]) expect(value).toBeGreaterThan(0.01);
    }
    const { stdout } = await work.run("info", pickle, "--spread");
    const printed = new RegExp(
      `^  w +${spread.G_ema?.w.toPrecision(3)} +${spread.G?.w.toPrecision(3)}$`,
      "m",
    );
    expect(stdout).toMatch(/^deviation over 64 latents +G_ema +G$/m);
    expect(stdout).toMatch(printed);
    expect((await work.run("info", pickle)).stdout).not.toMatch("deviation over");
  });
});

it("says once what the file lacks, wherever a command opens it", async () => {
  const minimal = fixturePath("labml-minimal.weights.safetensors");
  const result = await work.run("generate", "--network", minimal, "--seeds", "0-1", "--outdir", "minimal");
  expectSuccess(result);
  expect(result.stderr.match(/^Note: .*mean of w.*$/gm)).toHaveLength(1);
  expect(result.stdout).not.toMatch(/^Note/m);
});

describe("is refused in one line", () => {
  it.each<[string, string[], RegExp]>([
    [
      "an address",
      ["generate", "--network", "https://example.org/n.pkl", "--seeds", "0", "--outdir", "o"],
      /download it/,
    ],
    ["no file", ["import", "none.pkl", "--out", "x"], /none\.pkl: no such file/],
    ["a folder", ["import", "folder", "--out", "x"], /not a file/],
    [
      "a picture",
      ["import", fixturePath("nvidia-stylegan2.seed0000.png"), "--out", "x"],
      /is not a snapshot .*pickle/,
    ],
    [
      "weights of another kind",
      ["info", fixturePath("stylegan1.weights.safetensors")],
      /not a network snapshot/,
    ],
    ["a program in a pickle", ["import", "evil.pkl", "--out", "x"], /posix\.system.*refused/],
    ["its own snapshot", ["import", "network.safetensors", "--out", "x"], /already/],
    ["an output in no folder", ["import", pickle, "--out", "none/x"], /none.x cannot be written/],
  ])("%s", async (_, args, pattern) => {
    mkdirSync(work.path("folder"), { recursive: true });
    writeFileSync(work.path("evil.pkl"), "\x80\x02cposix\nsystem\nX\x0b\0\0\0touch owned\x85R.", "latin1");
    expectUserError(await work.run(...args), pattern);
    expect(readdirSync(work.root)).not.toContain("x");
    expect(readdirSync(work.root)).not.toContain("owned");
  });
});
