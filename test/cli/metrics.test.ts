import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
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
import { fixturePath } from "../helpers.js";
import { tinyOnnxDetector } from "../metrics/tinyOnnxDetector.js";
import { expectSuccess, expectUserError, runName, Workspace, writePictures } from "./helpers.js";

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
  makeSnapshot(work.path("small.safetensors"), { ...tiny, resolution: 16 });
  mkdirSync(work.path("detectors"));
  copyFileSync(fixturePath("metrics.inception.pt"), work.path("detectors", "inception-2015-12-05.pt"));
  copyFileSync(fixturePath("metrics.vgg.pt"), work.path("detectors", "vgg16.pt"));
  writeFileSync(work.path("cut.pt"), readFileSync(fixturePath("metrics.inception.pt")).subarray(0, 30_000));
  writeFileSync(work.path("text.pt"), "no network");
  await writePictures(work.path("single"), 1);
  writeFileSync(work.path("features.onnx"), tinyOnnxDetector());
  writeFileSync(work.path("unflat.onnx"), tinyOnnxDetector({ unflat: true }));
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

  it("measures by a detector, with a note that it is not the published one; values compare to nothing else", async () => {
    const args = ["--network", "run", "--data", "data", "--detector", "detectors", "--images", "20"];
    const text = await run("--metrics", "fid50k_full,pr50k3_full", ...args);
    expectSuccess(text);
    expect(text.stderr).toMatch(/inception-2015-12-05\.pt is not the published file/);
    expect(text.stdout).toMatch(
      /^fid50k_full, 20 pictures of the generator\n {2}fid50k_full +[\d.]+ {3}FID, lower is better\n/,
    );
    expect(text.stdout).toMatch(
      /pr50k3_full_precision +[\d.]+ {3}precision, higher is better\n {2}pr50k3_full_recall/,
    );
    const json = await run("--metrics", "fid1k_full", "--json", ...args);
    expectSuccess(json);
    const line = lineOf(json.stdout) as unknown as { metric: string; results: Record<string, number> };
    expect(line.metric).toBe("fid1k_full");
    expect(text.stdout).toContain((line.results.fid1k_full as number).toPrecision(4));
  });

  it("measures by a detector of one's own in ONNX", async () => {
    const finished = await run(
      ...[
        "--metrics",
        "fd1k_full,kd1k_full",
        "--network",
        "run",
        "--data",
        "data",
        "--images",
        "20",
        "--json",
      ],
      ...["--detector", "features.onnx"],
    );
    expectSuccess(finished);
    const lines = finished.stdout.trimEnd().split("\n");
    const results = lines.map((text) => (JSON.parse(text) as { results: Record<string, number> }).results);
    // An untrained network against plain pictures: far away.
    expect(results[0]?.fd1k_full).toBeGreaterThan(1);
    expect(results[1]?.kd1k_full).toBeGreaterThan(0);
  });

  it("measures by the features that come with the program", async () => {
    const finished = await run(
      ...[
        "--metrics",
        "fd1k_mobilenet,pr5k3_mobilenet",
        "--network",
        "run",
        "--data",
        "data",
        "--images",
        "12",
      ],
    );
    expectSuccess(finished);
    expect(finished.stderr).not.toContain("not the published file");
    expect(finished.stdout).toMatch(
      /^ {2}fd1k_mobilenet +\d\S* {3}FD in MobileNet's features, lower is better$/m,
    );
    // Nothing that an untrained network draws is among plain pictures.
    expect(finished.stdout).toMatch(
      /^ {2}pr5k3_mobilenet_precision +0\.000 {3}precision in MobileNet's features/m,
    );
  });

  it("lists networks best first, with the spread over repetitions, and draws them", async () => {
    mkdirSync(work.path("run2"));
    makeSnapshot(work.path("run2", "network-snapshot-000001.safetensors"), { ...tiny, mappingLayers: 1 });
    const finished = await run(
      ...["--metrics", "swd", "--network", "run", "run2", "--data", "data", "--images", "8"],
      ...["--repeats", "2", "--plot", "plot.svg", "--floor"],
    );
    expectSuccess(finished);
    const [head, ...rows] = finished.stdout.trimEnd().split("\n");
    expect(head).toMatch(/^network +swd$/);
    const means = rows.map((row) => Number(/ ([\d.]+) ± [\d.]+$/.exec(row)?.[1]));
    expect(means).toHaveLength(3);
    // Plain pictures are nearer to others of their kind than what untrained networks draw.
    expect(rows[0]).toMatch(/^reals: 6 against 6 others /);
    expect(means[0]).toBeLessThan((means[1] as number) / 2);
    expect(means[1]).toBeLessThanOrEqual(means[2] as number);
    const plot = readFileSync(work.path("plot.svg"), "utf8");
    expect(plot.match(/<circle/g)).toHaveLength(2);
    expect(plot).toContain("swd, lower is better");
  });

  it("measures each class by itself", async () => {
    const finished = await run(
      ...["--network", "classes.safetensors", "--data", "classes", "--per-class", "--json"],
    );
    expectSuccess(finished);
    const lines = finished.stdout
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text) as Line & { class: string });
    expect(lines.map((line) => [line.class, line.images])).toEqual([
      ["cat", 6],
      ["dog", 6],
    ]);
    expect(lines[0]!.mean).not.toBe(lines[1]!.mean);
  });

  it("writes what a run is measured by as NVIDIA does, and a resume drops what comes after its state", async () => {
    process.env.STYLEGAN_DETECTORS = work.path("detectors");
    try {
      expectSuccess(await work.train("runs", "--kimg", "0.08", "--metrics", "swd,fid1k_full").done);
      const folder = work.path("runs", runName);
      const rows = (name: string) =>
        readFileSync(join(folder, `metric-${name}.jsonl`), "utf8")
          .trimEnd()
          .split("\n")
          .map((text) => JSON.parse(text) as Record<string, unknown>);
      const measured = rows("fid1k_full");
      expect(measured.map(({ nimg }) => nimg)).toEqual([40, 80]);
      expect(measured[1]).toMatchObject({
        ...{ results: { fid1k_full: expect.any(Number) }, metric: "fid1k_full", num_gpus: 0, images: 1000 },
        ...{
          snapshot_pkl: "network-snapshot-000000_080.safetensors",
          total_time_str: expect.stringMatching(/s$/),
        },
        ...{ total_time: expect.any(Number), timestamp: expect.any(Number) },
      });
      expect(rows("swd")[0]).toMatchObject({ results: { swd: expect.any(Number) }, nimg: 40, images: 12 });
      // As if it had been measured after the state that the run goes on from.
      appendFileSync(join(folder, "metric-fid1k_full.jsonl"), '{"nimg":100,"results":{"fid1k_full":1}}\n');
      const resume = await work.run("train", "--resume", folder, "--kimg", "0.12", "--threads", "1");
      expectSuccess(resume);
      const best = rows("swd")
        .map(({ results, nimg }) => ({ value: (results as { swd: number }).swd, nimg: nimg as number }))
        .reduce((found, row) => (row.value < found.value ? row : found));
      expect(resume.stdout).toContain(
        `Best: ${join(folder, "network-best.safetensors")}, swd ${best.value.toPrecision(4)} at ${best.nimg / 1000} kimg\n`,
      );
      expect(rows("fid1k_full").map(({ nimg }) => nimg)).toEqual([40, 80, 120]);
      expect(rows("fid1k_full").slice(0, 2)).toEqual(measured);
    } finally {
      delete process.env.STYLEGAN_DETECTORS;
    }
  });

  it("refuses to train without the detector, before a folder is made", async () => {
    expectUserError(
      await work.train("none", "--metrics", "fid50k_full").done,
      /inception-2015-12-05 is missing/,
    );
    expect(existsSync(work.path("none"))).toBe(false);
  });

  it("explains itself", async () => {
    const { code, stdout } = await run("--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(/Examples:\n {2}stylegan metrics --metrics swd --network/);
    expect(stdout).toMatch(/fid50k_full +FID: Fréchet distance/);
    expect(stdout).toMatch(/sliced Wasserstein/);
  });

  it.each<[string, RegExp, string[]]>([
    [
      "an unknown metric",
      /fid50k_half.* none of swd, fid50k_full/,
      ["--metrics", "fid50k_half", "--network", "run", "--data", "data"],
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
    [
      "no detector",
      /inception-2015-12-05 is missing: get https:.* --detector FILE/,
      ["--metrics", "fid50k_full", "--network", "run", "--data", "data"],
    ],
    [
      "a detector that is cut off",
      /cut\.pt is no TorchScript network, or is damaged/,
      ["--metrics", "fid50k_full", "--network", "run", "--data", "data", "--detector", "cut.pt"],
    ],
    [
      "a detector that is no TorchScript",
      /text\.pt is no TorchScript network/,
      ["--metrics", "fid50k_full", "--network", "run", "--data", "data", "--detector", "text.pt"],
    ],
    [
      "a detector that gives another shape",
      /unflat\.onnx gave .* as features of \d+ pictures, where \[\d+, features\] is wanted/,
      ["--metrics", "fd50k_full", "--network", "run", "--data", "data", "--detector", "unflat.onnx"],
    ],
    [
      "a set of one picture",
      /fid50k_full needs at least 2 pictures of the data and of the generator; there are 1/,
      ["--metrics", "fid50k_full", "--network", "run", "--data", "single", "--detector", "detectors"],
    ],
    [
      "fewer pictures than neighbours",
      /at least 4 pictures/,
      [
        ...["--metrics", "pr50k3_full", "--network", "run", "--data", "data", "--detector", "detectors"],
        ...["--images", "3"],
      ],
    ],
    [
      "classes of a network without them",
      /no classes/,
      ["--network", "run", "--data", "data", "--per-class"],
    ],
    ["a plot of another format", /\.png or \.svg/, ["--network", "run", "--data", "data", "--plot", "a.gif"]],
    [
      "networks of two sizes",
      /32 px.* 16 px|16 px.* 32 px/,
      ["--network", "run", "small.safetensors", "--data", "data", "--images", "4"],
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
