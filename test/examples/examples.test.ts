// Every program in examples/ runs as its first lines say, from the built package.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let network: string;

function example(name: string, ...args: string[]): string {
  const program = join(root, "dist", "examples", `${name}.js`);
  const env = { ...process.env, OMP_NUM_THREADS: "1", STYLEGAN_CACHE: join(folder, "cache") };
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: folder,
    encoding: "utf8",
    env,
  });
  expect(status, `${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

const sizeOf = async (name: string) => {
  const { width, height, pages = 1 } = await sharp(join(folder, name)).metadata();
  return [width, height, pages];
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "stylegan-examples-"));
  const printed = example("train", "runs", "0.04");
  expect(printed).toMatch(/40 images shown; pictures and networks are in runs/);
  const [run = ""] = readdirSync(join(folder, "runs"));
  network = join("runs", run);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }));

describe("examples", () => {
  it("each has a test", () => {
    const names = readdirSync(join(root, "examples")).map((name) => name.replace(/\.ts$/, ""));
    const tested = ["generate", "interpolate", "losses", "metrics", "project", "styleMix", "train"];
    expect(names.sort()).toEqual(tested.sort());
  });

  it("the package has types", () => {
    expect(existsSync(join(root, "dist", "src", "index.d.ts"))).toBe(true);
  });

  it("generate, then project a picture of it", async () => {
    expect(example("generate", network, "out")).toMatch(/8 pictures in out/);
    expect(await sizeOf("out/grid.png")).toEqual([64, 32, 1]);
    const printed = example("project", network, "out/seed3.png", "out", "40");
    const [, before, after] = /distance (\S+) to (\S+)/.exec(printed) ?? [];
    expect(Number(after)).toBeLessThan(Number(before));
    expect(existsSync(join(folder, "out", "projected_w.npz"))).toBe(true);
    expect(await sizeOf("out/proj.png")).toEqual([16, 16, 1]);
  });

  it("styleMix", async () => {
    expect(example("styleMix", network, "out")).toMatch(/6 mixes/);
    expect(await sizeOf("out/mixes.png")).toEqual([48, 32, 1]);
  });

  it("interpolate", async () => {
    expect(example("interpolate", network, "out")).toMatch(/24 frames/);
    const [width, , pages] = await sizeOf("out/film.webp");
    expect(width).toBe(16);
    expect(pages).toBeGreaterThan(1);
  });

  it("metrics", () => {
    expect(example("metrics", network, "emoji:smileys")).toMatch(/16 px: [\d.]+\nswd: [\d.]+\n$/);
  });

  it("losses: the fakes become as bright as the reals", () => {
    const [, brightness] = /mean of the fakes (\S+),/.exec(example("losses", "100")) ?? [];
    expect(Math.abs(Number(brightness) - 0.5)).toBeLessThan(0.25);
  });
});
