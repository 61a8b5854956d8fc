// The life of a run as the library has it: started, resumed, started from a network.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSnapshot } from "../../src/interop/openSnapshot.js";
import { readSnapshotInfo } from "../../src/networks/snapshot.js";
import { setThreads } from "../../src/torch/runtime.js";
import { readSafetensorsHeader } from "../../src/torch/safetensors.js";
import type { TrainingConfig } from "../../src/training/configSchema.js";
import { type NewRunOptions, trainNewRun } from "../../src/training/newRun.js";
import { writePictures } from "../cli/helpers.js";

const root = mkdtempSync(join(tmpdir(), "stylegan-run-"));
beforeAll(async () => {
  setThreads(1);
  process.env.STYLEGAN_CACHE = join(root, "cache");
  await writePictures(join(root, "data"), 12);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const small: NewRunOptions = {
  ...{ data: join(root, "data"), cfg: "stylegan2-small", resolution: 8, batch: 4, channelBase: 64 },
  ...{ channelMax: 8, latentDim: 8, kimg: 0.024, tickKimg: 0.008, snapshotTicks: 1 },
};
const growing: NewRunOptions = {
  ...{ data: join(root, "data"), cfg: "progan", resolution: 16, batch: 4, channelBase: 64, channelMax: 8 },
  ...{ latentDim: 8, growthKimg: 0.008, tickKimg: 0.008, snapshotTicks: 1, minibatchRepeats: 1 },
};

const outdir = (name: string) => join(root, name);
const optionsOf = (path: string) =>
  JSON.parse(readFileSync(join(path, "training_options.json"), "utf8")) as TrainingConfig;
const finalOf = (path: string) => join(path, "network-final.safetensors");
const stateOf = (path: string) => readFileSync(join(path, "training-state.safetensors"));

describe("a run of a subset with a seed", () => {
  it("is stopped and resumed to the same end, with the same pictures", async () => {
    const options = { ...small, subset: 7, seed: 5 };
    const whole = await trainNewRun({ ...options, outdir: outdir("whole") });
    let seen = 0;
    const stopped = await trainNewRun({
      ...{ ...options, outdir: outdir("stopped") },
      shouldStop: () => ++seen >= 3,
    });
    expect(stopped.complete).toBe(false);
    expect(stopped.curNimg).toBeLessThan(24);
    const resumed = await trainNewRun({ resume: stopped.path });
    expect(resumed).toEqual({ path: stopped.path, curNimg: 24, complete: true, verdict: expect.any(Array) });
    expect(readFileSync(finalOf(stopped.path)).equals(readFileSync(finalOf(whole.path)))).toBe(true);
    expect(optionsOf(whole.path).data).toMatchObject({ subset: 7, subsetSeed: 5 });
  });

  it("takes new values of what may change, and refuses others by their names in the library", async () => {
    const { path } = await trainNewRun({ ...small, outdir: outdir("longer") });
    const before = stateOf(path);
    await expect(trainNewRun({ resume: path, gamma: 1, cfg: "stylegan2" })).rejects.toThrow(
      /^cfg, gamma cannot change when a run is resumed; leave it out, or start a new run with resume /,
    );
    await expect(trainNewRun({ resume: path, kimg: -1 })).rejects.toThrow(
      /^kimg: -1 is not a number above 0$/,
    );
    expect(stateOf(path).equals(before)).toBe(true);
    const longer = await trainNewRun({ resume: path, kimg: 0.032, histograms: true, imageSnapshotTicks: 2 });
    expect(longer.curNimg).toBe(32);
    expect(optionsOf(path)).toMatchObject({ kimg: 0.032, histograms: true, imageSnapshotTicks: 2 });
  });
});

it("a set smaller than the batch is shown several times in a step", async () => {
  const { curNimg } = await trainNewRun({ ...small, batch: 16, kimg: 0.016, outdir: outdir("few") });
  expect(curNimg).toBe(16);
});

it("a run that has plainly failed says so, in its records as well, until it has gone on", async () => {
  const { path, verdict } = await trainNewRun({ ...small, lr: 1e6, outdir: outdir("failed") });
  expect(verdict[0]).toMatch(/the discriminator scores .* diverged/);
  const failures = () =>
    readFileSync(join(path, "stats.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event === "failed");
  expect(failures()).toMatchObject([{ nimg: 24, reasons: verdict }]);
  const longer = await trainNewRun({ resume: path, kimg: 0.032 });
  expect(failures()).toMatchObject([{ nimg: 32, reasons: longer.verdict }]);
});

describe("a run from a network", () => {
  const start = async (options: NewRunOptions, file: string) => {
    const network = openSnapshot(file);
    try {
      return await trainNewRun({ ...options, resume: network });
    } finally {
      network.close();
    }
  };

  it("that has grown goes on at its size, or where it is told to", async () => {
    // 4 px, fade to 8 from image 8, 8 px from 16, fade to 16 from 24, 16 px from 32 on.
    const grown = await trainNewRun({ ...growing, kimg: 0.036, outdir: outdir("grown") });
    const half = await trainNewRun({ ...growing, kimg: 0.02, outdir: outdir("half") });
    expect(readSnapshotInfo(finalOf(half.path)).growth).toMatchObject({ level: 3, alpha: 1 });
    const from = async (name: string, path: string, more: NewRunOptions = {}) => {
      const run = await start({ ...growing, kimg: 0.04, outdir: outdir(name), ...more }, finalOf(path));
      return { run, begin: optionsOf(run.path).transfer?.kimg, end: readSnapshotInfo(finalOf(run.path)) };
    };
    expect(await from("on", grown.path)).toMatchObject({
      ...{ begin: 0.032, run: { curNimg: 40 }, end: { growth: { level: 4, alpha: 1 } } },
    });
    expect(await from("half on", half.path, { kimg: 0.02 })).toMatchObject({
      ...{ begin: 0.016, run: { curNimg: 20 }, end: { growth: { level: 3, alpha: 1 } } },
    });
    expect(await from("again", grown.path, { resumeKimg: 0, kimg: 0.004 })).toMatchObject({
      ...{ begin: 0, run: { curNimg: 4 }, end: { growth: { level: 2, alpha: 1 } } },
    });
    await expect(from("over", grown.path, { kimg: 0.03 })).rejects.toThrow(/^resumeKimg: 0.032: .* kimg/);
  });

  it("counts from where it is told to, in file names and state", async () => {
    const first = await trainNewRun({ ...small, outdir: outdir("first") });
    const { path, curNimg } = await start(
      { ...small, kimg: 3.016, resumeKimg: 3, outdir: outdir("second") },
      finalOf(first.path),
    );
    expect(curNimg).toBe(3016);
    const { metadata } = readSafetensorsHeader(join(path, "training-state.safetensors"));
    expect(JSON.stringify(metadata)).toContain("3016");
    expect(optionsOf(path).transfer).toMatchObject({ freezeD: 0, kimg: 3 });
  });

  it.each<[string, NewRunOptions, RegExp]>([
    ["a start of the schedule without a network", { ...small, resumeKimg: 1 }, /^resumeKimg is for a run/],
    ["no data", { ...small, data: undefined }, /^data is missing/],
    ["an unknown preset", { ...small, cfg: "stylegan9" }, /^cfg: stylegan9: there is no such/],
    ["a folder that is no run", { resume: join(root, "data") }, /^resume: .*not the folder of a run/],
  ])("%s is refused by its name in the library", async (_, options, pattern) => {
    await expect(trainNewRun({ ...options, outdir: outdir("refused") })).rejects.toThrow(pattern);
  });
});
