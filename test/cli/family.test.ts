// The whole family from the command line: growing, stopping, resuming, generating, and what is refused.

import { cpSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { latestSnapshot } from "../../src/interop/loadNetwork.js";
import { readSnapshotInfo } from "../../src/networks/snapshot.js";
import { readSafetensors, readSafetensorsHeader } from "../../src/torch/safetensors.js";
import { scope } from "../../src/torch/scope.js";
import {
  expectNoTornFile,
  expectSuccess,
  expectUserError,
  lastFakes,
  snapshotOf,
  statsOf,
  Workspace,
  writePictures,
} from "./helpers.js";

let work: Workspace;
beforeAll(async () => {
  work = new Workspace();
  await writePictures(work.path("data"), 40);
});
afterAll(() => work.dispose());

const tinyNetwork = [
  ...["--channel-base", "64", "--channel-max", "8"],
  ...["--batch", "4", "--threads", "1"],
];

interface GrowingRun {
  cfg: "progan" | "stylegan1";
  /** Two resolution changes: 4 to 8 to 16, and 8 to 16 to 32. */
  resolution: number;
}

// Images 0-40 at full strength, 40-80 fade, 80-120 at full strength, 120-160 fade, and on to 180.
const schedule = ["--growth-kimg", "0.04", "--tick", "0.008", "--snap", "1", "--minibatch-repeats", "1"];
const totalNimg = 180;
const secondFade = { from: 120, to: 160 };

function start({ cfg, resolution }: GrowingRun, outdir: string, ...args: string[]) {
  const size = ["--resolution", String(resolution), "--kimg", String(totalNimg / 1000)];
  const mapping = cfg === "progan" ? [] : ["--mapping-layers", "2"];
  const options = ["--data", "data", "--cfg", cfg, ...size, ...schedule, ...tinyNetwork, ...mapping];
  return work.start("train", ...options, "--outdir", outdir, ...args);
}

const folderOf = ({ cfg, resolution }: GrowingRun, outdir: string) =>
  work.path(outdir, `00000-data-${cfg}-${resolution}`);

const stateFile = (run: string) => join(run, "training-state.safetensors");

function stateNumbers(run: string): { curNimg: number; batchIndex: number; gSteps: number; dSteps: number } {
  const { metadata } = readSafetensorsHeader(stateFile(run));
  const values = JSON.parse(metadata.values ?? "") as {
    trainer: { curNimg: number; batchIndex: number };
    "adam.G": { steps: number };
    "adam.D": { steps: number };
  };
  const { curNimg, batchIndex } = values.trainer;
  return { curNimg, batchIndex, gSteps: values["adam.G"].steps, dSteps: values["adam.D"].steps };
}

/** The same networks, training state and last grid, bit for bit. */
function expectSameEnd(run: string, whole: string): void {
  expect(snapshotOf(run).equals(snapshotOf(whole))).toBe(true);
  expect(readFileSync(lastFakes(run))).toEqual(readFileSync(lastFakes(whole)));
  expect(stateNumbers(run)).toEqual(stateNumbers(whole));
  const tensors = (folder: string) =>
    scope(() =>
      [...readSafetensors(stateFile(folder)).tensors].map(([name, value]) =>
        [name, Buffer.from(value.toBytes()).toString("base64")].join(),
      ),
    );
  // Compared one by one: a difference of megabytes is no message.
  const wanted = tensors(whole);
  expect(tensors(run).filter((tensor, i) => tensor !== wanted[i])).toHaveLength(0);
}

interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
}

async function pixelsOf(file: string): Promise<Pixels> {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data: new Uint8Array(data), width: info.width, height: info.height };
}

/** Whether every square of `size` x `size` pixels has one colour. */
function madeOfSquares({ data, width, height }: Pixels, size: number): boolean {
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < 3; channel++) {
        const corner = ((y - (y % size)) * width + x - (x % size)) * 3 + channel;
        if (data[(y * width + x) * 3 + channel] !== data[corner]) return false;
      }
  return true;
}

describe.each<GrowingRun>([
  { cfg: "progan", resolution: 16 },
  { cfg: "stylegan1", resolution: 32 },
])("$cfg grows twice, to $resolution px", (growing) => {
  const { resolution } = growing;
  /** A run that was never stopped. */
  let whole: string;
  beforeAll(async () => {
    const outdir = `${growing.cfg}-whole`;
    expectSuccess(await start(growing, outdir).done);
    whole = folderOf(growing, outdir);
  });

  it("through both fades, its moments fresh from the end of the last fade on", async () => {
    await expectNoTornFile(whole);
    const steps = (totalNimg - secondFade.to) / 4;
    expect(stateNumbers(whole)).toEqual({
      ...{ curNimg: totalNimg, batchIndex: totalNimg / 4 },
      ...{ gSteps: steps, dSteps: steps },
    });
    expect(readSnapshotInfo(latestSnapshot(whole))).toMatchObject({
      curNimg: totalNimg,
      growth: { level: Math.log2(resolution), alpha: 1 },
    });
    expect(statsOf(whole).map(({ nimg }) => nimg)).toEqual([
      ...Array.from({ length: 22 }, (_, i) => 8 * (i + 1)),
      totalNimg,
    ]);
  });

  it("is killed in the second fade, and resumes to the same end bit for bit", async () => {
    const outdir = `${growing.cfg}-killed`;
    const running = start(growing, outdir);
    // Tick 15 ends at image 120: the next snapshot is the first with the new block partly in.
    await running.seen(/tick 16\b[\s\S]*snapshot/);
    running.child.kill("SIGKILL");
    await running.done;
    const run = folderOf(growing, outdir);
    await expectNoTornFile(run, { interrupted: true });
    const { curNimg } = stateNumbers(run);
    expect(curNimg).toBeGreaterThan(secondFade.from);
    expect(curNimg, "the kill came too late").toBeLessThan(secondFade.to);
    cpSync(run, work.path(`${growing.cfg}-copy`), { recursive: true });
    expectSuccess(await work.run("train", "--resume", run, "--threads", "1"));
    expectSameEnd(run, whole);
    await expectNoTornFile(run);
  });

  it("goes on at its size in another run: after the last fade, or where --resume-kimg says", async () => {
    for (const [at, args] of [
      [secondFade.to, []],
      [200, ["--resume-kimg", "0.2"]],
    ] as const) {
      const outdir = `${growing.cfg}-from-${at}`;
      const kimg = String(at / 1000 + 0.008);
      expectSuccess(
        await start(growing, outdir, "--resume", latestSnapshot(whole), "--kimg", kimg, ...args).done,
      );
      const run = folderOf(growing, outdir);
      expect(readSnapshotInfo(latestSnapshot(run))).toMatchObject({
        curNimg: at + 8,
        growth: { level: Math.log2(resolution), alpha: 1 },
      });
      expect(statsOf(run).map(({ nimg }) => nimg)).toEqual([at + 8]);
    }
  });

  it("refuses options of the schedule and of the losses when it is resumed", async () => {
    const before = readFileSync(join(whole, "training_options.json"), "utf8");
    expectUserError(
      await work.run("train", "--resume", whole, "--growth-kimg", "1", "--loss", "hinge", "--penalty", "r1"),
      /--growth-kimg, --loss, --penalty cannot change/,
    );
    expectUserError(await work.run("train", "--resume", whole, "--cfg", "stylegan2"), /--cfg cannot change/);
    expect(readFileSync(join(whole, "training_options.json"), "utf8")).toBe(before);
  });

  it("has grids and pictures of the full size at any point of a fade", async () => {
    const outdir = `${growing.cfg}-short`;
    expectSuccess(await start(growing, outdir, "--kimg", "0.14", "--snap", "100").done);
    const run = folderOf(growing, outdir);
    const { growth } = readSnapshotInfo(latestSnapshot(run));
    expect(growth?.level).toBe(Math.log2(resolution));
    expect(growth?.alpha).toBeCloseTo(0.5, 9);

    const gridSize = { width: 7 * resolution, height: 4 * resolution };
    const [reals, early, now] = await Promise.all(
      [join(run, "reals.png"), join(run, "fakes_init.png"), lastFakes(run)].map(pixelsOf),
    );
    for (const grid of [reals, early, now]) expect(grid).toMatchObject(gridSize);
    // Two changes of size before the end: each pixel of the first networks is a square of four by four.
    expect(madeOfSquares(early as Pixels, 4)).toBe(true);
    expect(madeOfSquares(early as Pixels, 8)).toBe(false);
    expect(madeOfSquares(now as Pixels, 2)).toBe(false);

    const generated = work.path(`${growing.cfg}-pictures`);
    expectSuccess(await work.run("generate", "--network", run, "--seeds", "0", "--outdir", generated));
    const picture = await pixelsOf(join(generated, "seed0000.png"));
    expect(picture).toMatchObject({ width: resolution, height: resolution });
    // Seed 0 is the run's own: its first latent is that of the grid's first picture.
    let worst = 0;
    for (let y = 0; y < resolution; y++)
      for (let x = 0; x < resolution * 3; x++) {
        const inGrid = now?.data[y * gridSize.width * 3 + x] as number;
        worst = Math.max(worst, Math.abs(inGrid - (picture.data[y * resolution * 3 + x] as number)));
      }
    expect(worst).toBeLessThanOrEqual(1);
    expect(new Set(picture.data).size).toBeGreaterThan(10);
  });
});

describe("stylegan2-minimal", () => {
  it("stops at SIGINT and resumes to the same end bit for bit", async () => {
    const train = (outdir: string) =>
      work.start(
        ...["train", "--data", "data", "--cfg", "stylegan2-minimal", "--resolution", "8", ...tinyNetwork],
        ...["--kimg", "0.2", "--tick", "0.04", "--snap", "1", "--outdir", outdir],
      );
    const name = "00000-data-stylegan2-minimal-8";
    expectSuccess(await train("minimal-whole").done);
    const running = train("minimal-stopped");
    await running.seen(/tick 2\b[\s\S]*snapshot/);
    running.child.kill("SIGINT");
    expect((await running.done).code).toBe(130);
    const run = work.path("minimal-stopped", name);
    expect(stateNumbers(run).curNimg).toBeLessThan(200);
    expectSuccess(await work.run("train", "--resume", run, "--threads", "1"));
    expectSameEnd(run, work.path("minimal-whole", name));
  });
});

describe("choices that do not go together: one line, exit code 2, and no run is begun", () => {
  it.each<[string, RegExp, string[]]>([
    ["an unknown loss", /There is no loss hing\..*logistic.*hinge.*relativistic/, ["--loss", "hing"]],
    ["an unknown penalty", /--penalty.*r3.*r1, r2, wgan-gp/, ["--penalty", "r1,r3"]],
    ["path length with progan", /--pl-weight.*progan/, ["--cfg", "progan", "--pl-weight", "2"]],
    [
      "labels for a loss without",
      /hinge does not read --real-label/,
      ["--loss", "hinge", "--real-label", "0.9"],
    ],
    ["growing without growth", /--growth-kimg.*progan or stylegan1/, ["--growth-kimg", "1"]],
  ])("%s", async (_, pattern, args) => {
    const options = ["--data", "data", "--cfg", "stylegan2-small", "--resolution", "16", ...args];
    expectUserError(await work.run("train", ...options, "--outdir", "refused"), pattern);
    expect(existsSync(work.path("refused"))).toBe(false);
    expect(readdirSync(work.root)).toContain("data");
  });
});
