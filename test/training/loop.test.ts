// What a run leaves in its folder, and when.

import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Dataset, openDataset } from "../../src/data/dataset.js";
import { openSnapshot } from "../../src/interop/openSnapshot.js";
import type { SnapshotSource } from "../../src/networks/snapshot.js";
import { disposeAll, readSnapshot, readSnapshotInfo } from "../../src/networks/snapshot.js";
import type { Shown, TickRow } from "../../src/protocol/runFiles.js";
import { setThreads } from "../../src/torch/runtime.js";
import { keepBest } from "../../src/training/best.js";
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

describe("the best networks", () => {
  const [first, second] = [16, 32].map((curNimg) => ({ curNimg, batch: 4 })) as [Shown, Shown];
  const valuesOf = (folder: RunDirectory) =>
    folder.measured("swd").map(({ results }) => results.swd as number);
  /** As if these had been measured. */
  const rewrite = (folder: RunDirectory, values: readonly number[]) => {
    const rows = readFileSync(folder.metricFile("swd"), "utf8").trimEnd().split("\n");
    const changed = rows.map((row, i) => ({ ...JSON.parse(row), results: { swd: values[i] } }));
    writeFileSync(folder.metricFile("swd"), changed.map((row) => `${JSON.stringify(row)}\n`).join(""));
  };

  it("are the snapshot of the best value, found again after whatever has happened to the folder", async () => {
    const changes = { metrics: ["swd"], kimg: 0.032, snapshotTicks: 2 };
    const folder = await run(changes);
    const values = valuesOf(folder);
    const best = values.indexOf(Math.min(...values));
    expect(values).toHaveLength(2);
    expect(readFileSync(folder.bestFile)).toEqual(
      readFileSync(folder.snapshotFile([first, second][best] as Shown)),
    );
    expect(keepBest(folder, ["swd"])).toEqual({
      ...{ name: "swd", value: values[best], curNimg: [16, 32][best], file: folder.bestFile },
    });

    // A crash after a value was written and before its snapshot was kept.
    rmSync(folder.bestFile);
    rewrite(folder, [1, 2]);
    await run(changes, { resume: "run", folder });
    expect(readFileSync(folder.bestFile)).toEqual(readFileSync(folder.snapshotFile(first)));

    // The snapshot itself is no longer needed; that of a value that does not count any more gives way.
    rmSync(folder.snapshotFile(first));
    expect(keepBest(folder, ["swd"])).toMatchObject({ curNimg: 16, value: 1 });
    rewrite(folder, [3, 2]);
    expect(keepBest(folder, ["swd"])).toMatchObject({ curNimg: 32, value: 2 });
    expect(readFileSync(folder.bestFile)).toEqual(readFileSync(folder.snapshotFile(second)));

    // Going on from the state before, with a value of what is to come, which was the best.
    rewrite(folder, [2, 1]);
    renameSync(folder.olderStateFile, folder.stateFile);
    await run({ ...changes, kimg: 0.016 }, { resume: "run", folder });
    expect(folder.measured("swd").map(({ curNimg }) => curNimg)).toEqual([16]);
    expect(readFileSync(folder.bestFile)).toEqual(readFileSync(folder.snapshotFile(first)));
  });

  it("are told by the first measure, and of equal values the earliest; none without values", async () => {
    const folder = await run({ metrics: ["swd"], kimg: 0.032, snapshotTicks: 2 });
    rewrite(folder, [2, 2]);
    expect(keepBest(folder, ["swd", "fid1k_full"])).toMatchObject({ curNimg: 16 });
    const rows = readFileSync(folder.metricFile("swd"), "utf8").replaceAll("swd", "is1k_mean");
    writeFileSync(folder.metricFile("is1k"), rows.replace(/":2\}/, '":1}'));
    expect(keepBest(folder, ["is1k", "swd"])).toMatchObject({ name: "is1k_mean", curNimg: 32, value: 2 });
    expect([keepBest(folder, []), keepBest(folder, ["fid1k_full"])]).toEqual([null, null]);
    expect(readFileSync(folder.bestFile)).toEqual(readFileSync(folder.snapshotFile(second)));
  });
});

/** All tensors of a snapshot, as bytes. */
function networksOf(file: string): [string, string][] {
  const { tensors } = readSnapshot(file);
  const bytes = [...tensors].map(([name, tensor]): [string, string] => [
    name,
    Buffer.from(tensor.toBytes()).toString("base64"),
  ]);
  disposeAll(tensors);
  return bytes;
}

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
    // What the files say of their training differs in that option; the networks do not differ.
    const [bare, seen] = [plain, watched].map(({ finalFile }) => networksOf(finalFile));
    expect(bare?.length).toBeGreaterThan(20);
    expect(seen).toEqual(bare);
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
