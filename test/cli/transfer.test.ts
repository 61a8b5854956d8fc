// Training that starts from another program's networks.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { latestSnapshot } from "../../src/interop/loadNetwork.js";
import { openSnapshot } from "../../src/interop/openSnapshot.js";
import { disposeAll, readSnapshotTensors } from "../../src/networks/snapshot.js";
import { fixturePath, nvidiaFixtureConfig } from "../helpers.js";
import {
  expectNoTornFile,
  expectSuccess,
  expectUserError,
  snapshotOf,
  Workspace,
  writePictures,
} from "./helpers.js";

const pickle = fixturePath("nvidia-stylegan2.pkl");
const runName = "00000-data-stylegan2-32";
const frozenLayers = 5; // fromrgb, conv0, conv1 and skip of the first block, conv0 of the second

let work: Workspace;
/** A run of two ticks that was never stopped. */
let whole: string;
beforeAll(async () => {
  work = new Workspace();
  await writePictures(work.path("data"), 12);
  expectSuccess(await transfer("whole", "--kimg", "0.08"));
  whole = work.path("whole", runName);
});
afterAll(() => work.dispose());

const transfer = (outdir: string, ...args: string[]) =>
  work.run(
    ...[
      "train",
      "--data",
      "data",
      "--resume",
      pickle,
      "--freeze-d",
      String(frozenLayers),
      "--outdir",
      outdir,
    ],
    ...["--batch", "4", "--tick", "0.04", "--snap", "1", "--threads", "1", ...args],
  );

describe("train --resume with NVIDIA's pickle", () => {
  it("takes its networks and leaves the ramp-up of the moving average out", async () => {
    await expectNoTornFile(whole);
    const options = JSON.parse(readFileSync(join(whole, "training_options.json"), "utf8"));
    expect(options.network).toEqual({ architecture: "stylegan2", config: nvidiaFixtureConfig });
    expect(options.ema.rampup).toBeNull();
    expect(options.transfer).toEqual({ from: pickle, freezeD: frozenLayers, kimg: 0 });
  });

  it("keeps the first layers of the discriminator bit for bit and trains all others", () => {
    const source = openSnapshot(pickle);
    const before = source.read(["D"]);
    source.close();
    const after = readSnapshotTensors(latestSnapshot(whole), ["D"]);
    const changed = [...before]
      .filter(
        ([name, tensor]) => !Buffer.from(tensor.toBytes()).equals(after.get(name)?.toBytes() as Uint8Array),
      )
      .map(([name]) => name);
    const trained = [...before.keys()].filter(
      (name) => !/^D\.(b32\.|b16\.conv0\.)/.test(name) && !name.endsWith("resample_filter"),
    );
    expect(trained.length).toBeGreaterThan(10);
    expect(changed).toEqual(trained);
    disposeAll(before);
    disposeAll(after);
  });

  it("resumes exactly", async () => {
    expectSuccess(await transfer("part", "--kimg", "0.04"));
    const run = work.path("part", runName);
    expect(snapshotOf(run).equals(snapshotOf(whole))).toBe(false);
    expectSuccess(await work.run("train", "--resume", run, "--kimg", "0.08", "--threads", "1"));
    expect(snapshotOf(run).equals(snapshotOf(whole))).toBe(true);
  });

  it("its snapshots tell where they started", async () => {
    const { stdout } = await work.run("info", whole);
    expect(stdout).toMatch(/^origin .*started from.*nvidia-stylegan2\.pkl$/m);
  });

  it.each<[string, string[], RegExp]>([
    ["another size of network", ["--channel-base", "1024"], /channelBase 512, this run 1024; leave/],
    ["another resolution", ["--resolution", "16"], /32 px, this run 16 px/],
    ["another architecture", ["--cfg", "stylegan1"], /architecture stylegan2, this run stylegan1/],
    ["classes that it has not", ["--cond"], /0 classes|class/],
    ["more frozen layers than there are", ["--freeze-d", "11"], /has 10 layers/],
  ])("%s is refused in one line", async (_, args, pattern) => {
    expectUserError(await transfer("refused", "--kimg", "0.04", ...args), pattern);
  });

  it("--freeze-d without networks to start from is refused", async () => {
    expectUserError(
      await work.run(
        "train",
        "--data",
        "data",
        "--resolution",
        "8",
        "--freeze-d",
        "1",
        "--outdir",
        "refused",
      ),
      /--freeze-d.*--resume/,
    );
  });
});
