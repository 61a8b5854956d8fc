import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeSnapshot } from "../../src/networks/snapshot.js";
import {
  type StyleGan2Config,
  StyleGan2Discriminator,
  StyleGan2Generator,
} from "../../src/networks/stylegan2.js";
import { manualSeed } from "../../src/torch/random.js";
import { scope } from "../../src/torch/scope.js";
import { expectSuccess, expectUserError, Workspace, writePictures } from "./helpers.js";

const tiny: StyleGan2Config = {
  resolution: 32,
  zDim: 16,
  wDim: 16,
  cDim: 0,
  channelBase: 128,
  channelMax: 16,
  mappingLayers: 2,
  mappingLrMultiplier: 0.01,
  wAvgBeta: 0.995,
  convClamp: 256,
  mbstdGroupSize: 2,
  mbstdNumFeatures: 1,
  discriminatorArchitecture: "resnet",
  discriminatorMappingLayers: 8,
};

let work: Workspace;

function makeSnapshot(file: string, config: StyleGan2Config, classNames: string[] = []): void {
  manualSeed(11);
  const networks = scope(() => ({
    G: new StyleGan2Generator(config),
    D: new StyleGan2Discriminator(config),
    G_ema: new StyleGan2Generator(config),
  }));
  writeSnapshot(file, networks, {
    description: { architecture: "stylegan2", config },
    curNimg: 1234,
    classNames,
  });
  for (const network of Object.values(networks)) network.dispose();
}

beforeAll(async () => {
  work = new Workspace();
  await writePictures(work.path("data"), 12);
  await writePictures(work.path("classes", "cat"), 6);
  await writePictures(work.path("classes", "dog"), 6);
  mkdirSync(work.path("run"));
  makeSnapshot(work.path("run", "network-snapshot-000001.safetensors"), tiny);
  makeSnapshot(work.path("classes.safetensors"), { ...tiny, cDim: 2 }, ["cat", "dog"]);
  makeSnapshot(work.path("birds.safetensors"), { ...tiny, cDim: 2 }, ["bird", "cat"]);
  mkdirSync(work.path("empty"));
  writeFileSync(work.path("text.txt"), "no network");
  renameSync(work.path("text.txt"), work.path("text.safetensors"));
});
afterAll(() => work.dispose());

const run = (...args: string[]) => work.run("metrics", "--threads", "1", ...args);

interface Line {
  metric: string;
  perLevel: { resolution: number; value: number }[];
  mean: number;
  images: number;
  seed: number;
  curNimg: number;
  network: string;
}

const lineOf = (stdout: string): Line => {
  expect(stdout.trimEnd().split("\n")).toHaveLength(1);
  return JSON.parse(stdout) as Line;
};

describe("metrics", () => {
  it("prints each level and their mean, the same numbers as JSON, and the same again for a seed", async () => {
    const common = ["--metrics", "swd", "--network", "run", "--data", "data"];
    const text = await run(...common);
    const json = await run(...common, "--json");
    const again = await run(...common, "--json");
    const other = await run(...common, "--json", "--seed", "1", "--images", "5");
    for (const finished of [text, json, again, other]) {
      expectSuccess(finished);
      expect(finished.stderr).toBe("");
    }
    const line = lineOf(json.stdout);
    expect(line).toMatchObject({
      metric: "swd",
      images: 12,
      seed: 0,
      curNimg: 1234,
      network: join("run", "network-snapshot-000001.safetensors"),
    });
    expect(line.perLevel.map(({ resolution }) => resolution)).toEqual([32, 16]);
    // An untrained network against plain pictures: far away, at every level.
    for (const { value } of line.perLevel) expect(value).toBeGreaterThan(50);
    expect(line.mean).toBeCloseTo((line.perLevel[0]!.value + line.perLevel[1]!.value) / 2, 9);
    expect(again.stdout).toBe(json.stdout);
    for (const [name, value] of [
      ...line.perLevel.map(({ resolution, value }) => [`${resolution} px`, value] as const),
      ["mean", line.mean] as const,
    ])
      expect(text.stdout).toMatch(new RegExp(`^ *${name} +${value.toFixed(2)}$`, "m"));
    expect(lineOf(other.stdout)).toMatchObject({ images: 5, seed: 1 });
    expect(lineOf(other.stdout).mean).not.toBe(line.mean);
  });

  it("shows a conditional network its data's classes", async () => {
    const finished = await run("--network", "classes.safetensors", "--data", "classes", "--json");
    expectSuccess(finished);
    expect(lineOf(finished.stdout)).toMatchObject({ metric: "swd", images: 12 });
  });

  it("explains itself", async () => {
    const { code, stdout } = await run("--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(/Example:\n {2}stylegan metrics --metrics swd --network/);
    expect(stdout).toMatch(/sliced Wasserstein/);
  });

  it.each<[string, RegExp, string[]]>([
    [
      "an unknown metric",
      /fid50k.* none of swd/,
      ["--metrics", "fid50k", "--network", "run", "--data", "data"],
    ],
    ["no network", /--network/, ["--data", "data"]],
    ["no data", /--data/, ["--network", "run"]],
    ["a missing network", /nowhere/, ["--network", "nowhere", "--data", "data"]],
    ["a folder without a network", /no network snapshot/, ["--network", "empty", "--data", "data"]],
    ["a file that is no network", /text\.safetensors/, ["--network", "text.safetensors", "--data", "data"]],
    ["missing data", /nowhere/, ["--network", "run", "--data", "nowhere"]],
    ["empty data", /empty/, ["--network", "run", "--data", "empty"]],
    ["no images", /--images/, ["--network", "run", "--data", "data", "--images", "0"]],
    [
      "more images than there are",
      /--images 13.* only 12 usable pictures/,
      ["--network", "run", "--data", "data", "--images", "13"],
    ],
    ["a negative seed", /--seed/, ["--network", "run", "--data", "data", "--seed", "-1"]],
    [
      "data of other classes",
      /classes \(bird, cat\) are not those of classes \(cat, dog\)/,
      ["--network", "birds.safetensors", "--data", "classes"],
    ],
  ])("%s gets one line and exit code 2", async (_, pattern, args) => {
    expectUserError(await run(...args), pattern);
  });
});
