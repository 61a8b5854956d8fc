import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { histogramSchema } from "../../src/protocol/runFiles.js";
import { readSafetensorsHeader } from "../../src/torch/safetensors.js";
import {
  expectNoTornFile,
  expectSuccess,
  expectUserError,
  type Finished,
  runName,
  snapshotOf,
  statsOf,
  tinyRun,
  Workspace,
  writePictures,
} from "./helpers.js";

let work: Workspace;
let trained: Finished;
beforeAll(async () => {
  work = new Workspace();
  await writePictures(work.path("data"), 40);
  trained = await work.train("runs").done;
});
afterAll(() => work.dispose());

const pixels = (file: string) => sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });

describe("train", () => {
  it("leaves a complete run folder and says what to do next", async () => {
    expectSuccess(trained);
    expect(trained.stdout).toContain("generate --network");
    const run = work.path("runs", runName);
    const images = ["040", "080", "120", "160", "200"];
    expect(readdirSync(run).sort()).toEqual([
      ...images.map((over) => `fakes000000_${over}.png`),
      "fakes_init.png",
      "log.txt",
      "network-final.safetensors",
      ...images.map((over) => `network-snapshot-000000_${over}.safetensors`),
      "reals.png",
      "stats.jsonl",
      "training-state-before.safetensors",
      "training-state.safetensors",
      "training_options.json",
    ]);
    await expectNoTornFile(run);
    for (const name of ["reals", "fakes_init", "fakes000000_200"]) {
      const { info } = await pixels(`${run}/${name}.png`);
      expect([info.width, info.height]).toEqual([7 * 8, 4 * 8]);
    }
    expect(readFileSync(`${run}/fakes_init.png`)).not.toEqual(readFileSync(`${run}/fakes000000_200.png`));
    const options = JSON.parse(readFileSync(`${run}/training_options.json`, "utf8")) as object;
    expect(options).toMatchObject({ cfg: "stylegan2-small", batch: 4, kimg: 0.2, seed: 0 });
    const { metadata } = readSafetensorsHeader(`${run}/network-snapshot-000000_200.safetensors`);
    expect(metadata.curNimg).toBe("200");
    expect(JSON.parse(metadata.config ?? "")).toMatchObject({ resolution: 8, channelMax: 16 });
  });

  it("writes one line of numbers per tick to stats.jsonl, and one of text to the output and log.txt", () => {
    const run = work.path("runs", runName);
    const stats = statsOf(run);
    expect(stats.map(({ nimg }) => nimg)).toEqual([40, 80, 120, 160, 200]);
    expect(stats.map(({ tick }) => tick)).toEqual([1, 2, 3, 4, 5]);
    for (const record of stats) {
      const { "Histogram/scores/real": real, "Histogram/scores/fake": fake, ...numbers } = record;
      for (const value of Object.values(numbers)) expect(Number.isFinite(value)).toBe(true);
      for (const histogram of [real, fake]) {
        const { counts } = histogramSchema.parse(histogram);
        expect(counts.reduce((sum, count) => sum + count)).toBe(40);
      }
      expect(Object.keys(record)).toEqual(
        expect.arrayContaining(["secPerKimg", "memoryMb", "timestamp", "Loss/G/loss", "Loss/D/loss"]),
      );
    }
    const log = readFileSync(`${run}/log.txt`, "utf8");
    for (const text of [log, trained.stdout]) expect(text.match(/^tick \d/gm)).toHaveLength(5);
    expect(trained.stdout).not.toContain("\u001b");
  });

  it("a second run gets the next number and, from the same seed, the same network", async () => {
    expectSuccess(await work.train("runs").done);
    const [first, second] = readdirSync(work.path("runs")).sort();
    expect(second).toBe("00001-data-stylegan2-small-8");
    const snapshot = (run: string | undefined) =>
      readFileSync(work.path("runs", run ?? "", "network-snapshot-000000_200.safetensors"));
    expect(snapshot(second).equals(snapshot(first))).toBe(true);
  });

  it("without --cfg says how long it takes, and trains what --cfg would", async () => {
    const args = [
      "--resolution",
      "8",
      "--channel-max",
      "8",
      "--batch",
      "4",
      "--kimg",
      "0.04",
      "--threads",
      "1",
    ];
    const result = await work.run("train", "--data", "data", ...args, "--outdir", "auto");
    expectSuccess(result);
    const [choice, time, headline] = result.stdout.split("\n");
    expect(choice).toMatch(/^--cfg auto: stylegan2-small at 8 px/);
    expect(time).toMatch(/^0\.04 kimg take about .* sec\/kimg\)/);
    expect(headline).toContain(runName);
    const named = ["--cfg", "stylegan2-small", "--outdir", "named"];
    expectSuccess(await work.run("train", "--data", "data", ...args, ...named));
    const [own, other] = ["auto", "named"].map((name) => snapshotOf(work.path(name, runName)));
    expect(own?.equals(other as Buffer)).toBe(true);
  });

  it("--dry-run prints configuration, parameters, time and memory, and writes nothing", async () => {
    const before = readdirSync(work.root);
    const result = await work.train("dry", "--dry-run").done;
    expectSuccess(result);
    expect(result.stdout).toMatch(/"batch": 4/);
    expect(result.stdout).toMatch(/^G\s+\d+\s+\d+$/m);
    expect(result.stdout).toMatch(/\d+\.\d sec\/kimg/);
    expect(result.stdout).toMatch(/memory: \d+ MB/);
    expect(existsSync(work.path("dry"))).toBe(false);
    expect(readdirSync(work.root)).toEqual(before);
  });

  it("--resume FILE starts a new run from a snapshot's networks", async () => {
    const file = work.path("runs", runName, "network-snapshot-000000_200.safetensors");
    const before = readFileSync(file);
    const result = await work.train("transfer", "--resume", file, "--kimg", "0.04").done;
    expectSuccess(result);
    expect(readFileSync(file).equals(before)).toBe(true);
    const run = work.path("transfer", runName);
    // The first grid is that of the snapshot, not of fresh weights.
    expect(readFileSync(`${run}/fakes_init.png`)).toEqual(
      readFileSync(work.path("runs", runName, "fakes000000_200.png")),
    );
    expect(statsOf(run).map(({ nimg }) => nimg)).toEqual([40]);
    // Without its --cfg and options, those of its training are taken.
    const bare = ["train", "--resume", file, "--data", "data", "--kimg", "0.02", "--outdir", "bare"];
    const kept = await work.run(...bare, "--threads", "1");
    expectSuccess(kept);
    expect(kept.stdout).toMatch(/^The options are those that .* but --kimg 0\.02 \(was 0\.2\)/m);
    const options = JSON.parse(readFileSync(work.path("bare", runName, "training_options.json"), "utf8"));
    expect(options).toMatchObject({ batch: 4, styleMixing: 0.9, pathLength: { weight: 2 } });
  });

  it("names, counts and leaves out a file that is no image, and goes on", async () => {
    await writePictures(work.path("mixed"), 6);
    writeFileSync(work.path("mixed", "broken.png"), "no image");
    const args = ["train", "--data", "mixed", ...tinyRun, "--kimg", "0.004", "--outdir", "mixedRuns"];
    const result = await work.run(...args);
    expectSuccess(result);
    expect(result.stderr).toMatch(/^1 /m);
    expect(result.stderr).toContain("broken.png");
  });
});

describe("generate", () => {
  it("writes a picture per seed and the grid, the same ones each time", async () => {
    const args = ["generate", "--network", `runs/${runName}`, "--seeds", "0-2,11", "--grid", "2x2"];
    expectSuccess(await work.run(...args, "--outdir", "out"));
    expectSuccess(await work.run(...args, "--outdir", "again"));
    const fewer = await work.run(...args.slice(0, -1), "1x2", "--outdir", "fewer");
    expectSuccess(fewer);
    expect(fewer.stderr).toContain("2 places for 4 pictures; the last 2 are not in it");
    const names = ["grid.png", "seed0000.png", "seed0001.png", "seed0002.png", "seed0011.png"];
    expect(readdirSync(work.path("out")).sort()).toEqual(names);
    for (const name of names)
      expect(readFileSync(work.path("again", name))).toEqual(readFileSync(work.path("out", name)));
    const { data, info } = await pixels(work.path("out", "grid.png"));
    expect([info.width, info.height]).toEqual([16, 16]);
    for (const [place, name] of names.slice(1).entries()) {
      const one = await pixels(work.path("out", name));
      expect([one.info.width, one.info.height]).toEqual([8, 8]);
      const region = { left: (place % 2) * 8, top: Math.floor(place / 2) * 8, width: 8, height: 8 };
      const raw = { width: 16, height: 16, channels: 3 as const };
      const cell = await sharp(data, { raw }).extract(region).raw().toBuffer();
      expect(cell.equals(one.data)).toBe(true);
    }
    expect(readFileSync(work.path("out", "seed0000.png"))).not.toEqual(
      readFileSync(work.path("out", "seed0001.png")),
    );
  });
});

describe("classes", () => {
  it("--cond learns subfolders; generate --class takes a number or a name", async () => {
    for (const name of ["ant", "bee", "cow"]) await writePictures(work.path("classes", name), 4);
    const args = ["train", "--data", "classes", "--cond", ...tinyRun, "--kimg", "0.04", "--outdir", "cond"];
    expectSuccess(await work.run(...args));
    const network = work.path("cond", "00000-classes-stylegan2-small-8");
    const generate = (outdir: string, ...more: string[]) =>
      work.run("generate", "--network", network, "--seeds", "5", "--outdir", outdir, ...more);
    expectSuccess(await generate("byName", "--class", "bee"));
    expectSuccess(await generate("byNumber", "--class", "1"));
    expectSuccess(await generate("other", "--class", "cow"));
    const picture = (folder: string) => readFileSync(work.path(folder, "seed0005.png"));
    expect(picture("byNumber")).toEqual(picture("byName"));
    expect(picture("other")).not.toEqual(picture("byName"));
    expectUserError(await generate("none"), /--class is missing.*0 ant, 1 bee, 2 cow/);
    expectUserError(await generate("none", "--class", "3"), /no such class.*ant/);
    expectUserError(await generate("none", "--class", "dog"), /no such class.*ant/);
    expect(existsSync(work.path("none"))).toBe(false);
  });
});

describe("help", () => {
  it.each(["train", "generate"])("%s --help has an example and every option", async (command) => {
    const result = await work.run(command, "--help");
    expectSuccess(result);
    expect(result.stdout).toMatch(new RegExp(`Examples?:\n {2}stylegan ${command} `));
    expect(result.stdout).toContain(command === "train" ? "--resume" : "--trunc-cutoff");
  });
});
