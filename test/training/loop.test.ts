// What a run leaves in its folder, and when.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Dataset, openDataset } from "../../src/data/dataset.js";
import { openSnapshot } from "../../src/interop/openSnapshot.js";
import type { SnapshotSource } from "../../src/networks/snapshot.js";
import { readSnapshotInfo } from "../../src/networks/snapshot.js";
import type { TickRow } from "../../src/protocol/runFiles.js";
import { setThreads } from "../../src/torch/runtime.js";
import type { TrainingConfig } from "../../src/training/configSchema.js";
import { train } from "../../src/training/loop.js";
import { RunDirectory } from "../../src/training/runDirectory.js";
import { writePictures } from "../cli/helpers.js";
import { tinyConfig, tinyFamilyConfig } from "./tiny.js";

const root = mkdtempSync(join(tmpdir(), "stylegan-loop-"));
let dataset: Dataset;
beforeAll(async () => {
  setThreads(1);
  process.env.STYLEGAN_CACHE = join(root, "cache");
  await writePictures(join(root, "data"), 12);
  dataset = await openDataset({
    source: join(root, "data"),
    background: "white",
    conditional: false,
    resolution: 8,
  });
});
afterAll(() => {
  dataset.close();
  rmSync(root, { recursive: true, force: true });
});

const base = tinyConfig({ kimg: 0.048, tickKimg: 0.008, snapshotTicks: 3, plWeight: 0 });

async function run(
  changes: Partial<TrainingConfig>,
  {
    steps,
    resume,
    folder,
  }: { steps?: number; resume?: "run" | { snapshot: SnapshotSource }; folder?: RunDirectory } = {},
): Promise<RunDirectory> {
  const config = { ...base, ...changes };
  const directory = folder ?? RunDirectory.create(root, "run");
  directory.writeOptions(config);
  let taken = 0;
  await train({
    ...{ config, dataset, run: directory, device: "cpu" },
    ...(resume ? { resume } : {}),
    shouldStop: () => steps !== undefined && taken >= steps,
    reporter: { step: () => taken++, tick: () => {}, message: () => {} },
  });
  return directory;
}

const filesOf = ({ path }: RunDirectory, pattern: RegExp) =>
  readdirSync(path)
    .filter((name) => pattern.test(name))
    .sort();
const rowsOf = ({ statsFile }: RunDirectory) =>
  readFileSync(statsFile, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as TickRow);

describe("pictures and networks have ticks of their own", () => {
  it.each([
    { imageSnapshotTicks: null, pictures: ["_024", "_048"] },
    { imageSnapshotTicks: 1, pictures: ["_008", "_016", "_024", "_032", "_040", "_048"] },
    { imageSnapshotTicks: 4, pictures: ["_032", "_048"] }, // and at the end
  ])("imageSnapshotTicks $imageSnapshotTicks", async ({ imageSnapshotTicks, pictures }) => {
    const folder = await run({ imageSnapshotTicks });
    expect(filesOf(folder, /^fakes\d/)).toEqual(pictures.map((over) => `fakes000000${over}.png`));
    expect(filesOf(folder, /^network-snapshot/)).toEqual([
      ...["_024", "_048"].map((over) => `network-snapshot-000000${over}.safetensors`),
    ]);
  });
});

describe("the networks of the end", () => {
  it("are those of the last snapshot, and there when the run is complete", async () => {
    const folder = await run({}, { steps: 5 });
    expect(existsSync(folder.finalFile)).toBe(false);
    await run({}, { resume: "run", folder });
    expect(readFileSync(folder.finalFile)).toEqual(
      readFileSync(folder.snapshotFile({ curNimg: 48, batch: 4 })),
    );
  });
});

describe("histograms", () => {
  it("of weights and activations stand in the rows of the ticks when they are asked for, and change nothing else", async () => {
    const [plain, watched] = [await run({}), await run({ histograms: true })];
    const names = (folder: RunDirectory) => Object.keys(rowsOf(folder).at(-1) as TickRow);
    const network = (name: string) => /^Histogram\/(weights|activations)\//.test(name);
    expect(names(plain).filter(network)).toEqual([]);
    expect(names(watched)).toEqual(
      expect.arrayContaining(["Histogram/weights/G.synthesis.b8.conv1.weight", "Histogram/activations/D.b8"]),
    );
    expect(names(watched).filter((name) => !network(name))).toEqual(names(plain));
    expect(readFileSync(watched.finalFile)).toEqual(readFileSync(plain.finalFile));
  });
});

describe("ticks of a run that grows", () => {
  it("are as long as its size says", async () => {
    const config = tinyFamilyConfig("progan", { growthKimg: 0.016, kimg: 0.04 });
    if (!config.growth) throw new Error("progan grows");
    const growth = { ...config.growth, tickKimg: { base: 0.004, at: { 4: 0.008 } } };
    const folder = await run({ ...config, growth, minibatchRepeats: 1, tickKimg: 1 });
    expect(rowsOf(folder).map(({ nimg }) => nimg)).toEqual([8, 16, 20, 24, 28, 32, 36, 40]);
  });
});

describe("a run that starts from a network and at so many images", () => {
  it("goes on at its size, with its names and its total", async () => {
    const config = { ...tinyFamilyConfig("progan", { growthKimg: 0.008, kimg: 0.024 }), minibatchRepeats: 1 };
    const first = await run(config);
    const snapshot = openSnapshot(first.finalFile);
    const { info } = snapshot;
    expect(info.growth).toEqual({ level: 3, alpha: 1 });
    const transfer = { from: snapshot.file, freezeD: 0, kimg: 0.024 };
    const second = await run(
      {
        ...config,
        kimg: 0.04,
        tickKimg: 0.008,
        transfer,
        growth: config.growth && { ...config.growth, tickKimg: null },
      },
      { resume: { snapshot } },
    );
    snapshot.close();
    expect(rowsOf(second).map(({ nimg }) => nimg)).toEqual([32, 40]);
    expect(readSnapshotInfo(second.finalFile)).toMatchObject({ curNimg: 40, growth: { level: 3, alpha: 1 } });
    expect(filesOf(second, /^fakes\d/).at(-1)).toBe("fakes000000_040.png");
  });
});
