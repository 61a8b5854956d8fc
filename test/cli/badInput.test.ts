import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectSuccess, expectUserError, runName, tinyRun, Workspace, writePictures } from "./helpers.js";

let work: Workspace;
let run: string;
const snapshotName = "network-snapshot-000000_040.safetensors";
const stateName = "training-state.safetensors";

beforeAll(async () => {
  work = new Workspace();
  await writePictures(work.path("data"), 40);
  await writePictures(work.path("three"), 3);
  mkdirSync(work.path("empty"));
  mkdirSync(work.path("texts"));
  writeFileSync(work.path("texts", "a.png"), "no image");
  writeFileSync(work.path("file.txt"), "no image");
  expectSuccess(await work.train("runs", "--kimg", "0.04").done);
  run = work.path("runs", runName);
  // The pictures are prepared now, so that what follows has nothing to say about that.
  const prepare = (...args: string[]) => work.run("train", ...args, "--kimg", "0.001", "--dry-run");
  expectSuccess(await prepare("--data", "three", ...tinyRun, "--batch", "3"));
  expectSuccess(await prepare("--data", "data", ...tinyRun, "--resolution", "16"));
  const half = (name: string, target: string) => {
    const whole = readFileSync(join(run, name));
    writeFileSync(target, whole.subarray(0, Math.floor(whole.length / 2)));
  };
  half(snapshotName, work.path("half.safetensors"));
  cpSync(run, work.path("cut", runName), { recursive: true });
  half(stateName, work.path("cut", runName, stateName));
  // Networks of 8 GB, if they were made.
  cpSync(run, work.path("large", runName), { recursive: true });
  const options = work.path("large", runName, "training_options.json");
  writeFileSync(
    options,
    readFileSync(options, "utf8")
      .replace(/"channelMax": \d+/, '"channelMax": 4096')
      .replace(/"channelBase": \d+/, '"channelBase": 65536'),
  );
});
afterAll(() => work.dispose());

const someData = ["--data", "data", ...tinyRun];

let count = 0;
/** A folder that is not there yet; a new one for each use, so that no test sees what another left behind. */
const freshFolder = () => `fresh${count++}`;

describe("train: one line, exit code 2, and no run is begun", () => {
  it.each<[string, RegExp, string[]]>([
    ["no --data", /--data is missing/, []],
    ["an empty folder", /empty/, ["--data", "empty", ...tinyRun]],
    ["no such folder", /nowhere/, ["--data", "nowhere", ...tinyRun]],
    ["a file that is no image", /file\.txt/, ["--data", "file.txt", ...tinyRun]],
    [
      "a resolution that is no power of two",
      /--resolution .*12.* is not a power of two/,
      ["--data", "data", ...tinyRun, "--resolution", "12"],
    ],
    [
      "a resolution too small for a network",
      /--resolution 4/,
      ["--data", "data", ...tinyRun, "--resolution", "4"],
    ],
    ["a batch that its parts do not fill", /--batch-gpu 3.*of 4/, [...someData, "--batch-gpu", "3"]],
    ["one value for each size without growth", /--batch: .*one number/, [...someData, "--batch", "4,8:2"]],
    [
      "a size to start with without growth",
      /--start-resolution.*grow/,
      [...someData, "--start-resolution", "4"],
    ],
    [
      "a start of the schedule without a network",
      /--resume-kimg.*--resume/,
      [...someData, "--resume-kimg", "1"],
    ],
    ["an option that the networks do not read", /--z-norm.*no use/, [...someData, "--z-norm", "rms"]],
    ["what is neither yes nor no", /--histograms .*maybe.* is not yes or no/, ["--histograms", "maybe"]],
    ["an unknown option", /--bogus/, ["--data", "data", "--bogus"]],
    ["an unknown configuration", /stylegan9.*stylegan2-small/, ["--data", "data", "--cfg", "stylegan9"]],
    ["a batch of 0", /--batch/, ["--data", "data", ...tinyRun, "--batch", "0"]],
    ["kimg of 0", /--kimg/, ["--data", "data", ...tinyRun, "--kimg", "0"]],
    ["a gamma that is no number", /--gamma/, ["--data", "data", ...tinyRun, "--gamma", "x"]],
    ["a probability above 1", /--style-mixing/, ["--data", "data", ...tinyRun, "--style-mixing", "3"]],
    [
      "a seed that the generator of latents does not take",
      /seed/,
      ["--data", "data", ...tinyRun, "--seed", "5000000000"],
    ],
    ["an unknown device", /--device/, ["--data", "data", ...tinyRun, "--device", "toaster"]],
    ["an unknown emoji group", /emoji/, ["--data", "emoji:nothing", ...tinyRun]],
    [
      "a colour that is none",
      /background|colour/,
      ["--data", "data", ...tinyRun, "--background", "nocolour"],
    ],
  ])("%s", async (_, pattern, args) => {
    const outdir = freshFolder();
    expectUserError(await work.run("train", ...args, "--outdir", outdir), pattern);
    expect(existsSync(work.path(outdir))).toBe(false);
  });

  it("a folder in which nothing is an image: named, then one line", async () => {
    const outdir = freshFolder();
    const result = await work.run("train", "--data", "texts", ...tinyRun, "--outdir", outdir);
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(/texts/);
    expect(result.stderr).not.toMatch(/\n\s+at /);
    expect(existsSync(work.path(outdir))).toBe(false);
  });

  it("--outdir that is a file", async () => {
    const result = await work.train("file.txt").done;
    expectUserError(result, /--outdir file\.txt/);
    expect(readFileSync(work.path("file.txt"), "utf8")).toBe("no image");
  });
});

const refusedResumes: [string, RegExp, () => string[]][] = [
  ["a snapshot cut in half", /cut short/, () => ["--resume", "half.safetensors"]],
  ["a file that is no snapshot", /file\.txt/, () => ["--resume", "file.txt"]],
  ["the state file itself", /state file/, () => ["--resume", join(run, stateName)]],
  [
    "a snapshot of another configuration",
    /channelMax 16.*8/,
    () => ["--channel-max", "8", "--resume", join(run, snapshotName)],
  ],
  [
    "a snapshot of another resolution",
    /8 px, this run 16 px/,
    () => ["--resolution", "16", "--resume", join(run, snapshotName)],
  ],
];

describe("--resume FILE: one line and exit code 2", () => {
  it.each(refusedResumes)("%s", async (_, pattern, args) => {
    const before = readFileSync(join(run, snapshotName));
    const result = await work.train(freshFolder(), ...args()).done;
    expectUserError(result, pattern);
    expect(readFileSync(join(run, snapshotName)).equals(before)).toBe(true);
  });

  it("leaves no empty run behind", async () => {
    const outdir = freshFolder();
    const result = await work.train(outdir, "--resume", "half.safetensors").done;
    expect(result.code).toBe(2);
    expect(existsSync(work.path(outdir))).toBe(false);
  });
});

describe("--resume DIR: one line, exit code 2, and the run stays as it was", () => {
  it.each<[string, RegExp, () => string[]]>([
    ["no such path", /nowhere/, () => ["nowhere"]],
    ["a folder that is no run", /not the folder of a run/, () => ["data"]],
    ["a state cut in half", /cut short/, () => [work.path("cut", runName)]],
    [
      "options of other networks",
      /does not fit the network: entry G_ema\./,
      () => [work.path("large", runName)],
    ],
    ["an option that cannot change", /--gamma/, () => [run, "--gamma", "3"]],
    ["a length that it is past", /--kimg 0\.02: .* has shown 0\.04 kimg/, () => [run, "--kimg", "0.02"]],
  ])("%s", async (_, pattern, args) => {
    const files = () =>
      [run, work.path("cut", runName)].flatMap((folder) =>
        readdirSync(folder).map((file) => [file, readFileSync(join(folder, file)).toString("base64")].join()),
      );
    const before = files();
    expectUserError(await work.run("train", "--resume", ...args()), pattern);
    const after = files();
    expect(after).toHaveLength(before.length);
    expect(after.filter((file, i) => file !== before[i] && !file.startsWith("log.txt"))).toEqual([]);
  });
});

describe("generate: one line, exit code 2, and no folder", () => {
  it.each(["", "x", "5-3", "-4", "0-4294967295"])("--seeds %j", async (seeds) => {
    const outdir = freshFolder();
    const result = await work.run("generate", "--network", run, `--seeds=${seeds}`, "--outdir", outdir);
    expectUserError(result, /seed/);
    expect(existsSync(work.path(outdir))).toBe(false);
  });

  it.each<[string, RegExp, () => string[]]>([
    ["no --network", /--network/, () => ["--seeds", "0"]],
    ["no --seeds", /--seeds/, () => ["--network", run]],
    ["no such network", /nowhere/, () => ["--network", "nowhere", "--seeds", "0"]],
    ["a folder without snapshots", /no network snapshot/, () => ["--network", "data", "--seeds", "0"]],
    ["a network cut in half", /cut short/, () => ["--network", "half.safetensors", "--seeds", "0"]],
    ["a file that is no network", /file\.txt/, () => ["--network", "file.txt", "--seeds", "0"]],
    ["a training state", /not a network snapshot/, () => ["--network", join(run, stateName), "--seeds", "0"]],
    ["a class for a network without", /no classes/, () => ["--network", run, "--seeds", "0", "--class", "1"]],
    [
      "an unknown noise mode",
      /const, random, none/,
      () => ["--network", run, "--seeds", "0", "--noise-mode", "x"],
    ],
    ["a grid that is none", /grid/, () => ["--network", run, "--seeds", "0", "--grid", "4"]],
    ["an unknown option", /--bogus/, () => ["--network", run, "--seeds", "0", "--bogus"]],
  ])("%s", async (_, pattern, args) => {
    const outdir = freshFolder();
    expectUserError(await work.run("generate", ...args(), "--outdir", outdir), pattern);
    expect(existsSync(work.path(outdir))).toBe(false);
  });

  it("--outdir that is a file", async () => {
    const result = await work.run("generate", "--network", run, "--seeds", "0", "--outdir", "file.txt");
    expectUserError(result, /file\.txt.*in the way/);
    expect(readFileSync(work.path("file.txt"), "utf8")).toBe("no image");
  });
});

it("an unknown command is one line, exit code 2", async () => {
  expectUserError(await work.run("paint"), /paint/);
});
