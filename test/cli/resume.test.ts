import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { latestSnapshot } from "../../src/interop/loadNetwork.js";
import { readSafetensors, writeSafetensors } from "../../src/torch/safetensors.js";
import { scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { numbers } from "../torch/numeric.js";
import {
  expectNoTornFile,
  expectSuccess,
  expectUserError,
  lastFakes,
  runName,
  snapshotOf,
  statsOf,
  Workspace,
  writePictures,
} from "./helpers.js";

let work: Workspace;
/** A run that was never stopped. */
let whole: string;
beforeAll(async () => {
  work = new Workspace();
  await writePictures(work.path("data"), 40);
  expectSuccess(await work.train("whole").done);
  whole = work.path("whole", runName);
});
afterAll(() => work.dispose());

const resume = (run: string, ...args: string[]) =>
  work.run("train", "--resume", run, "--threads", "1", ...args);

/** The same networks bit for bit, the same training state, the same statistics but for the times. */
async function expectSameAsWhole(run: string): Promise<void> {
  await expectNoTornFile(run);
  expect(snapshotOf(run).equals(snapshotOf(whole))).toBe(true);
  const state = (folder: string) =>
    scope(() => {
      const { tensors } = readSafetensors(join(folder, "training-state.safetensors"));
      return [...tensors].map(([name, value]) =>
        [name, Buffer.from(value.toBytes()).toString("base64")].join(),
      );
    });
  expect(state(run)).toEqual(state(whole));
  const timeless = (folder: string) =>
    statsOf(folder).map(({ secPerKimg, totalSeconds, memoryMb, timestamp, ...rest }) => {
      expect(Math.min(secPerKimg as number, totalSeconds as number, memoryMb as number)).toBeGreaterThan(0);
      expect(timestamp).toBeGreaterThan(1.7e9);
      return rest;
    });
  expect(timeless(run)).toEqual(timeless(whole));
  expect(readFileSync(lastFakes(run))).toEqual(readFileSync(lastFakes(whole)));
}

describe("a run that is stopped and resumed ends as one that was not", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s", async (signal, exitCode) => {
    const running = work.train(signal);
    await running.seen(/tick 2[\s\S]*snapshot/);
    await setTimeout(20); // into the tick
    running.child.kill(signal);
    const { code, stdout, stderr } = await running.done;
    const run = work.path(signal, runName);
    expect(code).toBe(exitCode);
    expect(stdout).toContain("train --resume");
    expect(stderr.replace(/preparing pictures.*\n/, "")).toBe("");
    await expectNoTornFile(run);
    expect(snapshotOf(run).equals(snapshotOf(whole)), "it ended before the signal").toBe(false);
    expectSuccess(await resume(run));
    await expectSameAsWhole(run);
  });

  it("with --kimg as the total, earlier parts included", async () => {
    expectSuccess(await work.train("short", "--kimg", "0.12").done);
    const run = work.path("short", runName);
    expect(statsOf(run).at(-1)?.nimg).toBe(120);
    expectSuccess(await resume(run, "--kimg", "0.2"));
    await expectSameAsWhole(run);
  });

  it("resuming a complete run changes nothing but the log", async () => {
    const run = work.path("complete", runName);
    cpSync(whole, run, { recursive: true });
    expectSuccess(await resume(run));
    await expectSameAsWhole(run);
  });

  it("--dry-run tells what is left, and writes nothing", async () => {
    expectSuccess(await work.train("dry", "--kimg", "0.12").done);
    const run = work.path("dry", runName);
    const contents = () => readdirSync(run).map((name) => [name, readFileSync(join(run, name), "base64")]);
    const before = contents();
    const { stdout, ...result } = await resume(run, "--kimg", "0.2", "--dry-run");
    expectSuccess({ stdout, ...result });
    expect(stdout).toMatch(/--pl-weight +2 +the run$/m);
    expect(stdout).toMatch(/--kimg +0\.2 +your choice$/m);
    expect(stdout).toMatch(/0\.12 of 0\.2 kimg are shown, the others take about/);
    expect(contents()).toEqual(before);
  });

  it("with its pictures in another place goes on; with another one, a new run goes on from its networks", async () => {
    await writePictures(work.path("mine"), 12);
    const args = ["--data", "mine", "--kimg", "0.08", "--metrics", "none"];
    expectSuccess(await work.train("moved", ...args).done);
    const run = work.path("moved", "00000-mine-stylegan2-small-8");
    renameSync(work.path("mine"), work.path("theirs"));
    expectUserError(await resume(run, "--kimg", "0.12"), /there is no mine/);
    const moved = await resume(run, "--data", "theirs", "--kimg", "0.12");
    expectSuccess(moved);
    expect(statsOf(run).at(-1)?.nimg).toBe(120);
    // From now on it knows where they are.
    expectSuccess(await resume(run, "--kimg", "0.16"));

    await writePictures(work.path("theirs", "more"), 1);
    expectUserError(await resume(run, "--kimg", "0.2"), /--data says where/);
    const added = await resume(run, "--data", "theirs", "--kimg", "0.04");
    expectSuccess(added);
    expect(added.stdout).toMatch(
      /^The options are those that \S+network-snapshot-000000_160\.safetensors was trained with, but --kimg 0\.04 \(was 0\.16\), --ema-rampup none \(was 0\.05\)$/m,
    );
    const other = work.path("moved", "00001-theirs-stylegan2-small-8");
    const { batch, pathLength, styleMixing, data } = JSON.parse(
      readFileSync(join(other, "training_options.json"), "utf8"),
    );
    expect({ batch, styleMixing, mirror: data.mirror }).toEqual({ batch: 4, styleMixing: 0.9, mirror: true });
    expect(pathLength.weight).toBe(2);
  });

  it("a crash between the state and its snapshot is made good", async () => {
    const run = work.path("between", runName);
    cpSync(whole, run, { recursive: true });
    for (const file of [latestSnapshot(run), lastFakes(run)]) rmSync(file);
    expectSuccess(await resume(run));
    await expectSameAsWhole(run);
  });
});

describe("kill -9", () => {
  const next = numbers(2026);

  it.each(["after 1", "after 2", "after 3", "while writing 1", "while writing 2", "while writing 3"])(
    "%s: no torn file, and the run goes on to the same end",
    async (moment) => {
      const outdir = `kill ${moment}`;
      const running = work.train(outdir);
      const run = work.path(outdir, runName);
      await running.seen(/snapshot /);
      if (moment.startsWith("after")) {
        await setTimeout(next() * 500);
      } else {
        // At the first, second or third temporary file from now on: a state, a snapshot or a picture.
        let left = Number(moment.at(-1));
        const watcher = watch(run);
        const found = new Promise<void>((resolve) => {
          watcher.on("change", (_, name) => {
            if (!String(name).endsWith(".tmp")) return;
            left -= 0.5; // each is seen at its start and at its first bytes
            if (left <= 0) resolve();
          });
        });
        await Promise.race([found, running.done]);
        watcher.close();
      }
      running.child.kill("SIGKILL");
      await running.done;
      await expectNoTornFile(run, { interrupted: true });
      expectSuccess(await resume(run));
      expect(statsOf(run).map(({ nimg }) => nimg)).toEqual([40, 80, 120, 160, 200]);
      await expectSameAsWhole(run);
    },
  );

  it("before the first snapshot: resume says so in one line", async () => {
    const running = work.train("early", "--snap", "5");
    await running.seen(/tick 1/);
    running.child.kill("SIGKILL");
    await running.done;
    expectUserError(await resume(work.path("early", runName)), /before its first snapshot/);
  });

  it("in the middle of a line of stats.jsonl: the line is dropped", async () => {
    expectSuccess(await work.train("torn", "--kimg", "0.12").done);
    const run = work.path("torn", runName);
    const stats = readFileSync(join(run, "stats.jsonl"), "utf8");
    writeFileSync(join(run, "stats.jsonl"), `${stats}{"nimg":160,"tick":4}\n{"nimg":200,"ti`);
    expectSuccess(await resume(run, "--kimg", "0.2"));
    await expectSameAsWhole(run);
  });
});

describe("two trainings on one run", () => {
  it("the second says who trains, and the first goes on undisturbed", async () => {
    const first = work.train("twice");
    await first.seen(/tick 1/);
    const run = work.path("twice", runName);
    const pid = first.child.pid;
    first.child.kill("SIGSTOP");
    onTestFinished(() => void first.child.kill("SIGKILL")); // a stopped one would stay for ever
    expectUserError(await resume(run), new RegExp(`is being trained by process ${pid}`));
    first.child.kill("SIGCONT");
    expectSuccess(await first.done);
    await expectSameAsWhole(run);
    expect(readdirSync(run).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });

  it("of another machine stands in the way until its lock is removed, an ended one's does not", async () => {
    const run = work.path("locks", runName);
    cpSync(whole, run, { recursive: true });
    writeFileSync(join(run, ".training-1-1-elsewhere.lock"), "");
    const refused = await resume(run);
    expectUserError(refused, /process 1 of the machine elsewhere/);
    rmSync(/remove (\S+)/.exec(refused.stderr)?.[1] as string);
    writeFileSync(join(run, `.training-${process.pid}-1-${encodeURIComponent(hostname())}.lock`), "");
    expectSuccess(await resume(run));
    await expectSameAsWhole(run);
  });
});

/** A disk of its own in the workspace, until `dispose`; null where nobody may mount one. */
function mountDisk(name: string, size: string) {
  const path = work.path(name);
  mkdirSync(path);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path], { stdio: "pipe" });
  } catch {
    return null;
  }
  return {
    path,
    remount: (options: string) =>
      execFileSync("mount", ["-o", `remount,${options}`, path], { stdio: "pipe" }),
    dispose: () => execFileSync("umount", [path]),
  };
}
const noMount = "a tmpfs cannot be mounted here: needs root";

describe("a disk that becomes read-only", () => {
  it("ends the run with one line that says so, and the run goes on when it can be written", async (context) => {
    const disk = mountDisk("readOnly", "64m");
    if (!disk) return context.skip(noMount);
    try {
      const training = work.train("readOnly", "--kimg", "2");
      await training.seen(/tick 1/);
      for (;;) {
        try {
          disk.remount("ro");
          break;
        } catch {} // something is being written just now
      }
      expectUserError(await training.done, /cannot be written: the disk is read-only/);
      const run = join(disk.path, runName);
      expectUserError(await resume(run), /lock cannot be written: the disk is read-only/);
      expectUserError(await work.train("readOnly/more").done, /--outdir .*the disk is read-only/);
      disk.remount("rw");
      await expectNoTornFile(run, { interrupted: true });
      const last = statsOf(run).at(-1)?.nimg as number;
      expectSuccess(await resume(run, "--kimg", String((last + 40) / 1000)));
      await expectNoTornFile(run);
    } finally {
      disk.dispose();
    }
  });
});

describe("a full disk", () => {
  it("ends the run with one line, keeps what was there, and the run goes on when there is space", async (context) => {
    const disk = mountDisk("full", "1700k");
    if (!disk) return context.skip(noMount);
    const mount = disk.path;
    try {
      // One state (0.7 MB) and one snapshot (0.5 MB) fit, a second state beside them does not.
      const result = await work.train("full").done;
      expectUserError(result, /disk is full/);
      const run = join(mount, runName);
      await expectNoTornFile(run);
      expect(existsSync(latestSnapshot(run))).toBe(true);
      expectSuccess(await work.run("generate", "--network", run, "--seeds", "0", "--outdir", "fromFull"));
      disk.remount("size=16m");
      expectSuccess(await resume(run));
      await expectSameAsWhole(run);
    } finally {
      disk.dispose();
    }
  });
});

describe("a divergence", () => {
  it("stops the run with the phase's name and leaves the last good snapshot", async () => {
    expectSuccess(await work.train("good", "--kimg", "0.08").done);
    const run = work.path("good", runName);
    const kept = [basename(latestSnapshot(run)), "training-state.safetensors"];
    const before = kept.map((name) => readFileSync(join(run, name)));
    const options = join(run, "training_options.json");
    writeFileSync(options, readFileSync(options, "utf8").replaceAll(/("[gd]Lr"): [\d.]+/g, "$1: 1e30"));
    const { code, stdout, stderr } = await resume(run, "--kimg", "0.2");
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/(NaN|Infinity) in phase [GD](main|reg)/);
    expect(stdout + stderr).not.toMatch(/\n\s+at /);
    expect(kept.map((name, i) => readFileSync(join(run, name)).equals(before[i] as Buffer))).toEqual([
      true,
      true,
    ]);
    expectSuccess(await work.run("generate", "--network", run, "--seeds", "0", "--outdir", "fromGood"));
    expect(readdirSync(work.path("fromGood"))).toEqual(["seed0000.png"]);
  });

  it("of a state that was poisoned is never saved, and the advice of both messages works", async () => {
    expectSuccess(await work.train("poisoned", "--kimg", "0.08").done);
    const run = work.path("poisoned", runName);
    const state = join(run, "training-state.safetensors");
    const network = readFileSync(latestSnapshot(run));
    expect(existsSync(join(run, "training-state-before.safetensors"))).toBe(true);

    // One sign, as a flipped bit in memory has it: the root of the second moment is no number after the next step.
    scope(() => {
      const { tensors, metadata } = readSafetensors(state);
      const name = [...tensors.keys()].find((key) => /^adam\.D\.second.*conv0\.weight$/.test(key)) as string;
      tensors.set(name, (tensors.get(name) as Tensor).neg());
      writeSafetensors(state, tensors, metadata);
    });
    const refused = await resume(run, "--kimg", "0.2");
    expectUserError(refused, /adam\.D: second\..* has negative elements/);
    expect(readFileSync(latestSnapshot(run)).equals(network)).toBe(true);
    const [, from, to] = /mv (\S+) (\S+), and resume/.exec(refused.stderr) as RegExpExecArray;
    renameSync(from as string, to as string);
    expectSuccess(await resume(run, "--kimg", "0.2"));
    await expectSameAsWhole(run);

    // And where a run itself diverges, what the message says can be done as it stands.
    const options = join(run, "training_options.json");
    writeFileSync(options, readFileSync(options, "utf8").replaceAll(/("[gd]Lr"): [\d.]+/g, "$1: 1e30"));
    const diverged = await resume(run, "--kimg", "0.4");
    expect(diverged.code).toBe(1);
    const command = /as in: stylegan (train .*)$/m.exec(diverged.stderr)?.[1]?.split(" ") as string[];
    command.splice(command.indexOf("--lr") + 1, 1, "0.001"); // a quarter of 1e30 is no lower rate that helps
    expectSuccess(await work.run(...command, "--kimg", "0.02", "--outdir", "advised", "--threads", "1"));
  });

  it("in the first step of a new run names the phase, on standard error", async () => {
    const { code, stderr } = await work.train("bad", "--lr", "1e30").done;
    expect(code).toBe(1);
    expect(stderr).toMatch(/phase [GD](main|reg)/);
  });
});
