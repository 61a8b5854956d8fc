import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Dataset, openDataset } from "../../src/data/dataset.js";
import type { CommandRequest } from "../../src/protocol/control.js";
import type { EventRow, StatsRow } from "../../src/protocol/runFiles.js";
import { UserError } from "../../src/system/errors.js";
import { setThreads } from "../../src/torch/runtime.js";
import { readSettingChanges } from "../../src/training/checkpoint.js";
import type { TrainingConfig } from "../../src/training/configSchema.js";
import { train } from "../../src/training/loop.js";
import { RunDirectory } from "../../src/training/runDirectory.js";
import { withChanges } from "../../src/training/settings.js";
import { writePictures } from "../cli/helpers.js";
import { tinyConfig } from "./tiny.js";

const root = mkdtempSync(join(tmpdir(), "stylegan-steering-"));
let dataset: Dataset;
beforeAll(async () => {
  setThreads(1);
  process.env.STYLEGAN_CACHE = join(root, "cache");
  await writePictures(join(root, "data"), 40);
  const source = { source: join(root, "data"), background: "white", conditional: false };
  dataset = await openDataset({ ...source, resolution: 8 });
});
afterAll(() => {
  dataset.close();
  rmSync(root, { recursive: true, force: true });
});

const config = tinyConfig({ kimg: 0.08, tickKimg: 0.02, snapshotTicks: 2, gamma: 0.5, lr: 0.002 });

interface Part {
  run: RunDirectory;
  config?: TrainingConfig;
  resume?: "run";
  /** Called after the step that reaches so many images, before the control file is looked at. */
  at?: Readonly<Record<number, () => void>>;
  stopAt?: number;
}

/** Trains; messages and the images at which they came. */
async function part({ run, at = {}, stopAt, ...options }: Part): Promise<string[]> {
  const messages: string[] = [];
  let seen = 0;
  await train({
    config,
    ...options,
    dataset,
    run,
    device: "cpu",
    shouldStop: () => stopAt !== undefined && seen >= stopAt,
    reporter: {
      step: (curNimg) => {
        seen = curNimg;
        at[curNimg]?.();
      },
      tick: () => {},
      message: (text) => messages.push(text),
    },
  });
  expect(existsSync(run.runningFile)).toBe(false);
  return messages;
}

function newRun(name: string): RunDirectory {
  const run = RunDirectory.create(join(root, "runs"), name);
  run.writeOptions(config);
  return run;
}

function ask(run: RunDirectory, request: CommandRequest, id = "test"): void {
  appendFileSync(run.controlFile, `${JSON.stringify({ id, ...request })}\n`);
}

const rowsOf = (run: RunDirectory) =>
  readFileSync(run.statsFile, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as StatsRow);
const eventsOf = (run: RunDirectory) => rowsOf(run).filter((row): row is EventRow => "event" in row);
const timeless = (run: RunDirectory) =>
  rowsOf(run).map((row) => ({ ...row, timestamp: 0, secPerKimg: 0, totalSeconds: 0, memoryMb: 0 }));
const snapshot = (run: RunDirectory) => readFileSync(run.snapshotFile({ curNimg: 80, batch: 4 }));

/** The configuration that `train --resume` goes on with. */
const resumed = (run: RunDirectory) => withChanges(run.readOptions(), readSettingChanges(run.stateFile));

const change: CommandRequest = { command: "set", settings: { gamma: 4, lr: 0.001 } };

describe("steering a run", () => {
  it("changes settings between two steps, and says so in stats.jsonl and in the options", async () => {
    const [plain, steered] = [newRun("plain"), newRun("steered")];
    await part({ run: plain });
    await part({ run: steered, at: { 24: () => ask(steered, change) } });
    expect(eventsOf(steered)).toMatchObject([
      { event: "changed", number: 1, nimg: 24, setting: "gamma", from: 0.5, to: 4, id: "test" },
      { event: "changed", number: 2, nimg: 24, setting: "lr", from: 0.002, to: 0.001, id: "test" },
    ]);
    expect(steered.readOptions()).toMatchObject({
      penalty: { r1Gamma: 4 },
      optimizer: { gLr: 0.001, dLr: 0.001 },
    });
    expect(plain.readOptions()).toMatchObject({ penalty: { r1Gamma: 0.5 } });
    expect(snapshot(steered).equals(snapshot(plain))).toBe(false);
    // Up to the change they are one run.
    expect(timeless(steered)[0]).toEqual(timeless(plain)[0]);
  });

  it("a run that is stopped after a change and resumed ends as one that was not stopped", async () => {
    const [whole, stopped] = [newRun("whole"), newRun("stopped")];
    await part({ run: whole, at: { 24: () => ask(whole, change) } });
    await part({ run: stopped, at: { 24: () => ask(stopped, change) }, stopAt: 52 });
    await part({ run: stopped, config: resumed(stopped), resume: "run" });
    expect(snapshot(stopped).equals(snapshot(whole))).toBe(true);
    expect(timeless(stopped)).toEqual(timeless(whole));
  });

  it("a crash takes back a change that no saved state has", async () => {
    const [plain, crashed] = [newRun("plain"), newRun("crashed")];
    await part({ run: plain });
    // Changed after as many images as the saved state, but after it.
    const copy = join(root, "copy");
    const at = {
      44: () => {
        ask(crashed, { command: "snapshot" });
        ask(crashed, change);
      },
      56: () => cpSync(crashed.path, copy, { recursive: true }),
    };
    await part({ run: crashed, at });
    const run = RunDirectory.open(copy);
    expect(eventsOf(run)).toHaveLength(3);
    await part({ run, config: resumed(run), resume: "run" });
    expect(snapshot(run).equals(snapshot(plain))).toBe(true);
    expect(timeless(run).filter((row) => !("event" in row))).toEqual(timeless(plain));
  });

  it("--snap of a resume wins over a change, and is recorded as one", async () => {
    const run = newRun("snap");
    const at = { 24: () => ask(run, { command: "set", settings: { snapshotTicks: 9 } }) };
    await part({ run, at, stopAt: 40 });
    expect(resumed(run).snapshotTicks).toBe(9);
    await part({ run, config: { ...resumed(run), snapshotTicks: 1 }, resume: "run" });
    expect(eventsOf(run)).toMatchObject([
      { setting: "snapshotTicks", from: 2, to: 9, number: 1 },
      { setting: "snapshotTicks", from: 9, to: 1, number: 2, nimg: 40 },
    ]);
    expect(resumed(run).snapshotTicks).toBe(1);
  });

  it("pauses without counting the time, says that it is paused, and goes on", async () => {
    const [plain, paused] = [newRun("plain"), newRun("paused")];
    await part({ run: plain });
    const states: string[] = [];
    const state = () => (JSON.parse(readFileSync(paused.runningFile, "utf8")) as { state: string }).state;
    let resumeAsked: Promise<void> | undefined;
    const resumeLater = async () => {
      while (eventsOf(paused).length === 0) await setTimeout(10);
      states.push(state());
      await setTimeout(1500);
      states.push(state());
      ask(paused, { command: "resume" }, "later");
    };
    const at = {
      24: () => {
        states.push(state());
        ask(paused, { command: "pause" });
        resumeAsked = resumeLater();
      },
      28: () => states.push(state()),
    };
    await part({ run: paused, at });
    await resumeAsked;
    expect(states).toEqual(["training", "paused", "paused", "training"]);
    expect(eventsOf(paused)).toMatchObject([
      { event: "paused", nimg: 24 },
      { event: "resumed", nimg: 24, id: "later" },
    ]);
    const ticks = rowsOf(paused).filter((row) => "tick" in row);
    expect(ticks.at(-1)).toMatchObject({ tick: 4 });
    expect(Math.max(...ticks.map((row) => row.totalSeconds as number))).toBeLessThan(1.5);
    expect(snapshot(paused).equals(snapshot(plain))).toBe(true);
  });

  it("a pause ends when the run is asked to stop, by the signal or by a command", async () => {
    const bySignal = newRun("signal");
    await part({ run: bySignal, at: { 24: () => ask(bySignal, { command: "pause" }) }, stopAt: 24 });
    expect(readSettingChanges(bySignal.stateFile)).toEqual([]);
    const byCommand = newRun("command");
    const at = {
      24: () => {
        ask(byCommand, { command: "pause" });
        ask(byCommand, { command: "stop" });
      },
    };
    await part({ run: byCommand, at });
    expect(eventsOf(byCommand)).toMatchObject([{ event: "paused" }, { event: "stopping", nimg: 24 }]);
    expect(existsSync(byCommand.snapshotFile({ curNimg: 24, batch: 4 }))).toBe(true);
  });

  it("takes a snapshot when asked, once", async () => {
    const run = newRun("snapshot");
    const messages = await part({ run, at: { 24: () => ask(run, { command: "snapshot" }) } });
    expect(messages.filter((text) => text.startsWith("snapshot "))).toHaveLength(3);
    expect(eventsOf(run)).toMatchObject([{ event: "snapshot", nimg: 24 }]);
  });

  it("refuses what is no command or cannot be, and trains on", async () => {
    const [plain, run] = [newRun("plain"), newRun("garbage")];
    await part({ run: plain });
    const at = {
      8: () => appendFileSync(run.controlFile, '{"id":"1","command":"explode"}\nno json\n{"half": '),
      12: () => appendFileSync(run.controlFile, "1}\n"),
      16: () => ask(run, { command: "set", settings: { gamma: -1 } }),
      20: () => appendFileSync(run.controlFile, Buffer.alloc(70_000, 0xff)),
    };
    await part({ run, at });
    expect(eventsOf(run).map(({ event, nimg }) => [event, nimg])).toEqual([
      ["refused", 8],
      ["refused", 8],
      ["refused", 12],
      ["refused", 16],
      ["refused", 20],
    ]);
    expect(snapshot(run).equals(snapshot(plain))).toBe(true);
  });

  it("400 snapshots asked for at once are one, and a signal among them ends the run", async () => {
    const run = newRun("many");
    let asked = 0;
    const messages = await part({
      run,
      at: {
        24: () => {
          for (let i = 0; i < 400; i++) ask(run, { command: "snapshot" }, String(i));
          ask(run, { command: "pause" });
          ask(run, { command: "snapshot" }, "paused");
          ask(run, { command: "resume" });
        },
        28: () => {
          for (let i = 0; i < 400; i++)
            ask(run, { command: "set", settings: { gamma: 1 + i } }, `gamma ${i}`);
          ask(run, { command: "snapshot" }, "before the signal");
          ask(run, { command: "stop" });
          ask(run, { command: "snapshot" }, "after");
        },
        32: () => {
          asked += 1;
        },
      },
    });
    expect(asked).toBe(0);
    const answers = eventsOf(run);
    expect(answers.filter(({ event, nimg }) => event === "snapshot" && nimg === 24)).toHaveLength(401);
    // One of each state, and the one of the end is that of the last command.
    expect(messages.filter((text) => text.startsWith("snapshot "))).toHaveLength(2);
    // What is overruled before there is a step is not done.
    expect(readSettingChanges(run.stateFile)).toMatchObject([
      { setting: "gamma", from: 0.5, to: 400, nimg: 28 },
    ]);
    expect(answers.filter(({ event }) => event === "refused")).toHaveLength(400);
    expect(answers.at(-1)).toMatchObject({ event: "refused", id: "after", reason: "the run is ending" });
  });

  it("asks after every command whether to stop", async () => {
    const run = newRun("interrupted");
    const changes = { 24: () => Array.from({ length: 100 }, (_, i) => ask(run, change, String(i))) };
    let answered = 0;
    const seen = () => {
      answered = eventsOf(run).length;
      return answered;
    };
    await train({
      ...{ config, dataset, run, device: "cpu" },
      shouldStop: () => existsSync(run.statsFile) && seen() >= 10,
      reporter: {
        step: (nimg) => void (nimg === 24 && changes[24]()),
        tick: () => {},
        message: () => {},
      },
    });
    expect(answered).toBeGreaterThanOrEqual(10);
    expect(
      eventsOf(run).filter((row) => row.event === "refused" && row.reason === "the run is ending").length,
    ).toBeGreaterThan(80);
    expect(readSettingChanges(run.stateFile)).toEqual([]);
  });

  it.each([
    ["a link", (file: string) => symlinkSync(join(root, "commands"), file)],
    ["a pipe", (file: string) => execFileSync("mkfifo", [file])],
    ["a folder", (file: string) => mkdirSync(file)],
  ])("%s in place of control.jsonl is no command, is said once and not waited for", async (_, make) => {
    const run = newRun("link");
    writeFileSync(join(root, "commands"), `${JSON.stringify({ id: "x", command: "stop" })}\n`);
    await part({ run, at: { 24: () => make(run.controlFile) } });
    expect(eventsOf(run)).toMatchObject([
      { event: "refused", nimg: 24, reason: "control.jsonl is not a file; remove it" },
    ]);
    expect(rowsOf(run)).toHaveLength(5);
  });

  it.each([
    ["a link", (file: string) => symlinkSync(join(root, "elsewhere"), file), /is a link/],
    ["a folder", (file: string) => mkdirSync(file), /is not a file/],
  ])(
    "%s in place of stats.jsonl ends the run with one line, and nothing is written elsewhere",
    async (_, make, pattern) => {
      const run = newRun("stats");
      make(run.statsFile);
      const ended = part({ run }).catch((error: unknown) => error);
      expect(await ended).toBeInstanceOf(UserError);
      expect(((await ended) as UserError).message).toMatch(pattern);
      expect(existsSync(join(root, "elsewhere"))).toBe(false);
    },
  );

  it("has no gamma to change where R1 is off", async () => {
    const run = newRun("wgan");
    const other = tinyConfig({ ...{ kimg: 0.02, tickKimg: 0.02 }, penalty: ["wgan-gp"] });
    await part({ run, config: other, at: { 8: () => ask(run, change) } });
    expect(eventsOf(run)).toMatchObject([
      { event: "refused", id: "test", reason: expect.stringContaining("R1") as string },
      { event: "changed", setting: "lr" },
    ]);
  });

  it("does not obey what was asked of an earlier part", async () => {
    const run = newRun("stale");
    ask(run, { command: "stop" });
    await part({ run });
    expect(eventsOf(run)).toEqual([]);
    expect(rowsOf(run)).toHaveLength(4);
  });
});
