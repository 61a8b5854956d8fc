// stylegan nearest as its users run it: copies are found, mirrored ones where they count, and shown.

import { copyFileSync } from "node:fs";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createGenerator } from "../../src/networks/registry.js";
import { writeSnapshot } from "../../src/networks/snapshot.js";
import { writePng } from "../../src/synthesis/encode.js";
import { latentsOfSeeds } from "../../src/synthesis/latents.js";
import { renderLatents } from "../../src/synthesis/render.js";
import { manualSeed } from "../../src/torch/random.js";
import { fixturePath } from "../helpers.js";
import { describeTiny } from "../synthesis/tiny.js";
import { expectSuccess, expectUserError, Workspace, writePictures } from "./helpers.js";

let work: Workspace;
beforeAll(async () => {
  work = new Workspace();
  const description = describeTiny("stylegan2", 0);
  manualSeed(3);
  const G = createGenerator(description);
  writeSnapshot(work.path("net.safetensors"), { G_ema: G }, { description, curNimg: 0, classNames: [] });
  // Training pictures, of which one is what the network draws for seed 1, and one that of seed 2, mirrored.
  await writePictures(work.path("data"), 9);
  const z = latentsOfSeeds([1, 2], G.zDim);
  const [one, two] = [...renderLatents(G, { z, noiseMode: "const", batch: 2 })];
  z.dispose();
  G.dispose();
  await writePng(work.path("data", "copy.png"), one!);
  const { width, height, pixels } = two!;
  await sharp(pixels, { raw: { width, height, channels: 3 } })
    .flop()
    .toFile(work.path("data", "mirror.png"));
  copyFileSync(fixturePath("metrics.inception.pt"), work.path("inception-2015-12-05.pt"));
});
afterAll(() => work.dispose());

const run = (...args: string[]) =>
  work.run("nearest", "--network", "net.safetensors", "--threads", "1", "--output", "sheet.png", ...args);

it("names the nearest training pictures and shows them", async () => {
  const args = ["--data", "data", "--seeds", "1,2", "--neighbours", "3"];
  const finished = await run(...args);
  expectSuccess(finished);
  const [one, two, medians, file] = finished.stdout.trimEnd().split("\n").slice(-4);
  expect(one).toBe("seed 1: 0.00 to copy.png");
  expect(two).toMatch(/^seed 2: [1-9][\d.]* to \S+\.png$/);
  expect(medians).toMatch(/^median 0\.00; of real pictures .*: 1 of 2 generated ones are nearer than that$/);
  expect(file).toBe("sheet.png");

  // 16 px pictures are shown four times as large under 9 px of label; the first row is seed 1 and its copy.
  const { data, info } = await sharp(work.path("sheet.png")).raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([4 * 73, 2 * 73]);
  const pixel = (x: number, y: number) => [
    ...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3),
  ];
  const copy = await sharp(work.path("data", "copy.png")).raw().toBuffer();
  for (const cell of [0, 1])
    for (const [x, y] of [
      [0, 0],
      [5, 11],
      [15, 15],
    ] as const)
      expect(pixel(cell * 73 + 4 + x * 4 + 1, 9 + y * 4 + 1)).toEqual([
        ...copy.subarray((y * 16 + x) * 3, (y * 16 + x) * 3 + 3),
      ]);

  const mirrored = await run(...args, "--mirror", "--detector", "mobilenet");
  expectSuccess(mirrored);
  expect(mirrored.stdout).toContain("seed 2: 0.00 to mirror.png (mirrored)\n");

  const byNetwork = await run(...args, "--detector", "inception-2015-12-05.pt");
  expectSuccess(byNetwork);
  expect(byNetwork.stdout).toContain("seed 1: 0.00 to copy.png\n");
});

it.each<[string, RegExp, string[]]>([
  ["no data", /--data/, []],
  ["a sheet of another format", /\.png/, ["--data", "data", "--output", "sheet.gif"]],
  [
    "a detector that is not there",
    /--detector nowhere\.pt: no such file; give one, or mobilenet/,
    ["--data", "data", "--detector", "nowhere.pt"],
  ],
])("%s gets one line and exit code 2", async (_, pattern, args) => {
  expectUserError(await run(...args), pattern);
});
