// style-mix, interpolate, directions and what generate offers beside seeds, as their users run them.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Architecture } from "../../src/networks/registry.js";
import { createDiscriminator, createGenerator } from "../../src/networks/registry.js";
import { writeSnapshot } from "../../src/networks/snapshot.js";
import { writeLatents } from "../../src/synthesis/latentFile.js";
import { latentsOfSeeds } from "../../src/synthesis/latents.js";
import { mapLatents } from "../../src/synthesis/render.js";
import { manualSeed } from "../../src/torch/random.js";
import { scope } from "../../src/torch/scope.js";
import { describeTiny } from "../synthesis/tiny.js";
import { expectSuccess, expectUserError, Workspace } from "./helpers.js";

let work: Workspace;

function makeSnapshot(architecture: Architecture, classNames: string[] = []): void {
  const description = describeTiny(architecture, classNames.length);
  manualSeed(3);
  const G = createGenerator(description);
  const D = createDiscriminator(description);
  const file = work.path(`${classNames.length > 0 ? "classes" : architecture}.safetensors`);
  writeSnapshot(file, { G, D, G_ema: G }, { description, curNimg: 1000, classNames });
  if (architecture === "stylegan2" && classNames.length === 0)
    scope(() =>
      writeLatents(work.path("w.npz"), mapLatents(G, { z: latentsOfSeeds([5], G.zDim), classes: [0] })),
    );
  G.dispose();
  D.dispose();
}

beforeAll(() => {
  work = new Workspace();
  makeSnapshot("stylegan2");
  makeSnapshot("progan");
  makeSnapshot("stylegan2", ["cat", "dog"]);
  writeFileSync(work.path("file"), "in the way");
});
afterAll(() => work.dispose());

const network = ["--network", "stylegan2.safetensors", "--threads", "1"];
const run = (command: string, ...args: string[]) => work.run(command, ...network, ...args);

const pixelsOf = async (...parts: string[]) =>
  sharp(work.path(...parts))
    .removeAlpha()
    .raw()
    .toBuffer();
const difference = (a: Buffer, b: Buffer) => {
  expect(a.length).toBe(b.length);
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] as number))), 0);
};
/** Cell `index` of a grid of 16 px pictures without labels. */
async function cellOf(file: string, columns: number, index: number): Promise<Buffer> {
  const left = (index % columns) * 16;
  return sharp(work.path(file))
    .extract({ left, top: Math.floor(index / columns) * 16, width: 16, height: 16 })
    .removeAlpha()
    .raw()
    .toBuffer();
}

it("directions are found, shown, renamed and used by name; a projection's latents give its seed's picture", async () => {
  const found = await run(
    "directions",
    "--layers",
    "0-2,3-5",
    "--count",
    "2",
    "--seeds",
    "5",
    "--steps",
    "3",
    "--outdir",
    "dirs",
  );
  expectSuccess(found);
  expect(found.stdout).toMatch(/directions\.json: 4 directions[\s\S]*0-2:0 +[\d.]+ +█[\s\S]*3-5:1/);
  expect(readdirSync(work.path("dirs")).sort()).toEqual(["directions.json", "seed0005.png"]);
  const file = work.path("dirs", "directions.json");
  writeFileSync(file, readFileSync(file, "utf8").replace('"name":"0-2:1"', '"name":"pose"'));

  const common = ["--directions", "dirs/directions.json", "--direction"];
  expectSuccess(await run("generate", "--seeds", "5", ...common, "pose=3", "--outdir", "moved"));
  expectSuccess(
    await run("generate", "--seeds", "5", "--outdir", "plain", "--format", "webp", "--grid", "1x1"),
  );
  expect(readdirSync(work.path("plain")).sort()).toEqual(["grid.webp", "seed0005.webp"]);
  const projected = await run("generate", "--projected-w", "w.npz", "--outdir", "projected");
  expectSuccess(projected);
  expect(projected.stdout).toBe("1 picture in projected\n");
  // The strip of "pose" is the second of four; its last picture is 3 away.
  const strip = sharp(work.path("dirs", "seed0005.png"));
  const { width = 0, height = 0 } = await strip.metadata();
  const at = (row: number, column: number) =>
    strip
      .clone()
      .extract({ left: width - (3 - column) * 16, top: height - (4 - row) * 16, width: 16, height: 16 })
      .removeAlpha()
      .raw()
      .toBuffer();
  expect(difference(await at(1, 2), await pixelsOf("moved", "seed0005.png"))).toBeLessThanOrEqual(1);
  expect(difference(await at(1, 1), await pixelsOf("projected", "proj00.png"))).toBeLessThanOrEqual(1);
  expect(difference(await at(1, 0), await at(1, 2))).toBeGreaterThan(3);

  const film = [
    "--seeds",
    "5",
    "--w-frames",
    "6",
    ...common,
    "pose=0..3",
    "--no-loop",
    "--output",
    "sweep.gif",
  ];
  expectSuccess(await run("interpolate", ...film));
  expect((await sharp(work.path("sweep.gif")).metadata()).pages).toBe(7);
});

it("style-mix writes NVIDIA's names, and the grid holds the same pictures", async () => {
  const finished = await run(
    "style-mix",
    "--rows",
    "1,2",
    "--col-seeds",
    "3-4",
    "--styles",
    "1-2",
    "--outdir",
    "mix",
  );
  expectSuccess(finished);
  expect(finished.stdout).toMatch(/^8 pictures in mix, together in mix\/grid\.png\n$/);
  const names = ["1-1", "1-3", "1-4", "2-2", "2-3", "2-4", "3-3", "4-4", "grid"];
  expect(readdirSync(work.path("mix")).sort()).toEqual(names.map((name) => `${name}.png`));
  const places = [undefined, "3-3", "4-4", "1-1", "1-3", "1-4", "2-2", "2-3", "2-4"];
  for (const [i, name] of places.entries()) {
    const cell = await cellOf("mix/grid.png", 3, i);
    if (name === undefined) expect(cell.every((value) => value === 0)).toBe(true);
    else expect(difference(cell, await pixelsOf("mix", `${name}.png`))).toBe(0);
  }
  expectSuccess(await run("generate", "--seeds", "2", "--outdir", "original"));
  expect(
    difference(await pixelsOf("mix", "2-2.png"), await pixelsOf("original", "seed0002.png")),
  ).toBeLessThanOrEqual(1);
});

it("interpolate writes a film of a conditional network that begins with generate's picture", async () => {
  const conditional = ["--network", "classes.safetensors", "--threads", "1", "--class", "dog"];
  const film = [
    "--seeds",
    "0-3",
    "--grid",
    "2x1",
    "--w-frames",
    "3",
    "--fps",
    "10",
    "--output",
    "films/a.webp",
  ];
  const finished = await work.run("interpolate", ...conditional, ...film);
  expectSuccess(finished);
  expect(finished.stdout).toBe("films/a.webp: 32 x 16, 6 frames, 0.6 s\n");
  expect(readdirSync(work.path("films"))).toEqual(["a.webp"]);
  const { pages, pageHeight, delay, loop } = await sharp(work.path("films", "a.webp"), {
    animated: true,
  }).metadata();
  expect({ pages, pageHeight, delay, loop }).toEqual({
    ...{ pages: 6, pageHeight: 16, delay: Array.from({ length: 6 }, () => 100), loop: 0 },
  });
  expectSuccess(
    await work.run("generate", ...conditional, "--seeds", "0,2", "--grid", "2x1", "--outdir", "first"),
  );
  const mean = (a: Buffer, b: Buffer) =>
    a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] as number)), 0) / a.length;
  // WebP loses a little.
  expect(mean(await pixelsOf("films", "a.webp"), await pixelsOf("first", "grid.png"))).toBeLessThan(8);
});

it("Ctrl-C leaves complete pictures and ends with the shell's code", async () => {
  const running = work.start("generate", ...network, "--seeds", "0-199999", "--outdir", "stopped");
  while (!existsSync(work.path("stopped", "seed0020.png")))
    await new Promise((resolve) => setTimeout(resolve, 20));
  running.child.kill("SIGINT");
  const { code, stdout, stderr } = await running.done;
  expect(code).toBe(130);
  expect(stderr).toMatch(/^Stopping after these pictures\. Once more ends at once\.\n$/);
  const written = Number(/Stopped: (\d+) pictures of 200000/.exec(stdout)?.[1]);
  const names = readdirSync(work.path("stopped"));
  expect(names).toHaveLength(written);
  expect(names.every((name) => /^seed\d{4,}\.png$/.test(name))).toBe(true);
});

describe("one line and exit code 2, and nothing is written", () => {
  it.each<[string, RegExp, string[]]>([
    ["generate: neither seeds nor latents", /--seeds is missing/, ["generate"]],
    ["generate: both", /--seeds has no effect/, ["generate", "--seeds", "0", "--projected-w", "w.npz"]],
    [
      "generate: truncated latents",
      /--trunc has no/,
      ["generate", "--projected-w", "w.npz", "--trunc", "0.5"],
    ],
    [
      "generate: a sweep in a grid",
      /--grid: several/,
      ["generate", "--seeds", "0", "--trunc", "0.5,1", "--grid", "2x2"],
    ],
    ["generate: a truncation that is no number", /--trunc/, ["generate", "--seeds", "0", "--trunc", "0.5,x"]],
    ["generate: a huge grid", /megapixels/, ["generate", "--seeds", "0", "--grid", "2000x2000"]],
    [
      "generate: a direction without a file",
      /--directions FILE/,
      ["generate", "--seeds", "0", "--direction", "0=1"],
    ],
    ["generate: a direction that is none", /NAME=AMOUNT/, ["generate", "--seeds", "0", "--direction", "0"]],
    [
      "style-mix: styles beyond",
      /no style 9.*0 to 5/,
      ["style-mix", "--rows", "0", "--cols", "1", "--styles", "9"],
    ],
    ["style-mix: no rows", /--rows, --row-seeds/, ["style-mix", "--cols", "1"]],
    ["directions: layers beyond", /layers 0 to 5/, ["directions", "--layers", "0-9"]],
    ["directions: layers backwards", /backwards/, ["directions", "--layers", "4-1"]],
  ])("%s", async (_, pattern, [command = "", ...args]) => {
    expectUserError(await run(command, ...args, "--outdir", "refused"), pattern);
    expect(existsSync(work.path("refused"))).toBe(false);
  });

  it.each<[string, RegExp, string[]]>([
    ["an unknown ending", /\.webp, \.gif, \.mp4/, ["--seeds", "0-1", "--output", "refused.avi"]],
    ["one keyframe", /stands still/, ["--seeds", "0", "--output", "refused.gif"]],
    [
      "keyframes that do not share out",
      /multiple of 2/,
      ["--seeds", "0-2", "--grid", "2x1", "--output", "refused.gif"],
    ],
    [
      "a folder that is a file",
      /--output file: a file of that name is in the way/,
      ["--seeds", "0-1", "--output", "file/a.gif"],
    ],
  ])("interpolate: %s", async (_, pattern, args) => {
    expectUserError(await run("interpolate", ...args), pattern);
    expect(readdirSync(work.root).some((name) => name.startsWith("refused"))).toBe(false);
  });

  it("ProGAN has neither styles nor directions", async () => {
    const progan = ["--network", "progan.safetensors", "--outdir", "refused"];
    expectUserError(await work.run("directions", ...progan), /no styles/);
    expectUserError(await work.run("style-mix", "--rows", "0", "--cols", "1", ...progan), /no styles to mix/);
    expect(existsSync(work.path("refused"))).toBe(false);
  });
});

it.each(["style-mix", "interpolate", "directions", "generate"])("%s explains itself", async (command) => {
  const { code, stdout } = await work.run(command, "--help");
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`Examples?:\\n {2}stylegan ${command} --network`));
});
