import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { HistoryBlock, HistoryEnd, RunDetail } from "../../src/protocol/api.js";
import { addTicks, type EventReader, makeRun, setRunning, TestServer } from "./helpers.js";

async function history(server: TestServer, run: string, from?: string) {
  const { text } = await server.ask(`/api/runs/${run}/history${from === undefined ? "" : `?from=${from}`}`);
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as HistoryBlock | HistoryEnd);
  const { cursor } = lines.pop() as HistoryEnd;
  return { blocks: lines as HistoryBlock[], cursor };
}

const column = (blocks: readonly HistoryBlock[], name: string) =>
  blocks.flatMap(({ columns }) => columns[name] ?? []);

describe("the list of runs", () => {
  it("tells how far each is, and in what state", async () => {
    const server = await TestServer.start();
    makeRun(server.path("0-done"), { ticks: 10, kimg: 1 });
    makeRun(server.path("1-stopped"), { ticks: 3, kimg: 1 });
    makeRun(server.path("2-training"));
    setRunning(server.path("2-training"));
    makeRun(server.path("3-paused"));
    setRunning(server.path("3-paused"), "paused");
    makeRun(server.path("4-lost"));
    const gone = {
      pid: 2 ** 22 + 1,
      processStart: "1",
      hostname: (await import("node:os")).hostname(),
      state: "training",
    };
    writeFileSync(server.path("4-lost", "running.json"), JSON.stringify(gone));
    // The pid is another process's now.
    makeRun(server.path("5-lost"));
    writeFileSync(server.path("5-lost", "running.json"), JSON.stringify({ ...gone, pid: process.pid }));
    expect((await server.runs()).map(({ name, status, nimg }) => [name, status, nimg])).toEqual([
      ["5-lost", "lost", 300],
      ["4-lost", "lost", 300],
      ["3-paused", "paused", 300],
      ["2-training", "training", 300],
      ["1-stopped", "stopped", 300],
      ["0-done", "complete", 1000],
    ]);
    expect((await server.runs())[0]).toMatchObject({ cfg: "stylegan2-small", data: "emoji", resolution: 32 });
  });

  it("survives garbage of every kind", async () => {
    const server = await TestServer.start();
    const garbage = (name: string, files: Record<string, string | Buffer>) => {
      mkdirSync(server.path(name));
      for (const [file, content] of Object.entries(files)) writeFileSync(server.path(name, file), content);
    };
    garbage("empty", {});
    garbage("noJson", { "training_options.json": "{", "stats.jsonl": "\0\0\n{\n[1]\n7\nnull\n" });
    garbage("wrong", {
      "training_options.json": '{"cfg":7,"data":null,"network":[],"kimg":"many"}',
      "stats.jsonl":
        '{"nimg":"a","tick":1}\n{"event":"changed"}\n{"nimg":1,"tick":1,"x":{"y":1},"__proto__":5,"n":null}\n',
      "metric-swd.jsonl": 'x\n{"nimg":1}\n{"nimg":5,"mean":3}\n{"nim',
      "running.json": "[]",
    });
    garbage("binary", { "stats.jsonl": Buffer.alloc(600_000, 0x41), "log.txt": Buffer.alloc(100_000, 0xff) });
    mkdirSync(server.path("folders", "training_options.json"), { recursive: true });
    mkdirSync(server.path("folders", "stats.jsonl"));
    writeFileSync(server.path("a file"), "");
    garbage("pipe", { "training_options.json": "{}" });
    execFileSync("mkfifo", [server.path("pipe", "stats.jsonl"), server.path("pipe", "log.txt")]);
    expect((await server.runs()).map(({ name }) => name)).toEqual(["wrong", "pipe", "noJson", "binary"]);
    for (const { name } of await server.runs()) {
      const detail = (await server.ask(`/api/runs/${name}`)).json() as RunDetail;
      expect(detail.summary.name).toBe(name);
      expect((await server.ask(`/api/runs/${name}/log`)).status).toBe(200);
      const { blocks } = await history(server, name);
      expect(blocks.reduce((sum, { length }) => sum + length, 0)).toBe(name === "wrong" ? 1 : 0);
      if (name === "wrong") {
        expect(detail.metrics).toEqual({ swd: [{ nimg: 5, value: 3 }] });
        expect(detail.metricFacts).toEqual({ swd: { title: "SWD", better: "lower", isSpread: false } });
        expect(Object.keys(blocks[0]?.columns ?? {})).toEqual(["nimg", "tick", "__proto__"]);
      }
    }
    expect(({} as Record<number, unknown>)[0]).toBeUndefined();
  });

  it("is empty while there is no folder, and after it is gone", async () => {
    const server = await TestServer.start();
    makeRun(server.path("a"));
    expect(await server.runs()).toHaveLength(1);
    rmSync(server.folder, { recursive: true });
    expect(await server.runs()).toEqual([]);
  });
});

describe("the history", () => {
  it("has every tick in columns, whatever its length, and ends with a place to go on from", async () => {
    const server = await TestServer.start();
    makeRun(server.path("a"), { ticks: 5000 });
    const { blocks, cursor } = await history(server, "a");
    expect(blocks.length).toBeGreaterThan(2);
    expect(column(blocks, "tick")).toEqual(Array.from({ length: 5000 }, (_, i) => i + 1));
    expect(column(blocks, "Loss/G/loss")[4999]).toBe(5000.12);
    const histograms = blocks.flatMap(({ histograms: points }) => points);
    expect(histograms.length).toBeGreaterThan(100);
    expect(histograms.length).toBeLessThan(300);
    expect(histograms[0]).toEqual({ nimg: 100, real: { width: 0.5, first: -1, counts: [1, 2] } });
    addTicks(server.path("a"), 2, 5001);
    const rest = await history(server, "a", cursor);
    expect(column(rest.blocks, "tick")).toEqual([5001, 5002]);
  });

  it("waits for the end of a line, passes over what is no row, and keeps events apart", async () => {
    const server = await TestServer.start();
    makeRun(server.path("a"), { ticks: 1 });
    const event = { event: "paused", nimg: 100, timestamp: 1.8e9, id: "x" };
    appendFileSync(
      server.path("a", "stats.jsonl"),
      `garbage\n${JSON.stringify(event)}\n{"nimg":200,"tick":2`,
    );
    const first = await history(server, "a");
    expect(column(first.blocks, "tick")).toEqual([1]);
    expect(first.blocks[0]?.events).toEqual([event]);
    appendFileSync(server.path("a", "stats.jsonl"), "}\n");
    expect(column((await history(server, "a", first.cursor)).blocks, "tick")).toEqual([2]);
  });
});

describe("events", () => {
  const ticksOf = (events: EventReader) =>
    events.of("rows").flatMap(({ rows }) => rows.map((row) => (row as { tick?: number }).tick));

  it("tell of ticks, log and pictures as they come", async () => {
    const server = await TestServer.start();
    makeRun(server.path("a"));
    const { cursor } = await history(server, "a");
    const events = server.events(`?run=a&at=${cursor}.8`);
    await events.until(({ event }) => event === "detail");
    expect(events.of("runs")[0]).toMatchObject([{ name: "a" }]);
    addTicks(server.path("a"), 2, 4);
    appendFileSync(server.path("a", "log.txt"), "tick 4\ntick");
    await events.until(({ event }) => event === "log");
    await events.until(({ event }) => event === "run");
    expect(ticksOf(events)).toEqual([4, 5]);
    expect(events.of("log")).toEqual([{ run: "a", text: "tick 4\n" }]);
    writeFileSync(server.path("a", "fakes000004.png"), "picture");
    await events.until(({ event, data }) => event === "detail" && data.detail.fakes.length === 1);
    makeRun(server.path("b"));
    await events.until(({ event, data }) => event === "run" && data.name === "b");
    rmSync(server.path("b"), { recursive: true });
    await events.until(({ event, data }) => event === "gone" && data.run === "b");
  });

  it("go on after a lost connection where they were", async () => {
    const server = await TestServer.start();
    makeRun(server.path("a"));
    const first = server.events("?run=a");
    await first.until(({ event }) => event === "rows");
    const { id } = first.received.at(-1) ?? { id: "" };
    first.close();
    addTicks(server.path("a"), 3, 4);
    const second = server.events("?run=a", { "last-event-id": id });
    await second.until(({ event }) => event === "rows");
    expect([ticksOf(first), ticksOf(second)]).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  it("send a reader back to the history when the file is another, or too much has come", async () => {
    const server = await TestServer.start();
    makeRun(server.path("a"));
    const events = server.events("?run=a");
    await events.until(({ event }) => event === "rows");
    // As a resume does that drops what came after its state.
    const shorter = server.path("a", ".stats.tmp");
    writeFileSync(shorter, "");
    renameSync(shorter, server.path("a", "stats.jsonl"));
    await events.until(({ event }) => event === "history");
    expect(events.of("history")).toEqual([{ run: "a", cursor: null }]);

    makeRun(server.path("b"), { ticks: 1 });
    const { cursor } = await history(server, "b");
    addTicks(server.path("b"), 3000, 2);
    const behind = server.events(`?run=b&at=${cursor}.0`);
    await behind.until(({ event }) => event === "history");
    expect(behind.of("history")).toEqual([{ run: "b", cursor }]);
    expect(column((await history(server, "b", cursor)).blocks, "tick")).toHaveLength(3000);
  });

  it("tell of the training that the server was started by", async () => {
    const server = await TestServer.start();
    const events = server.events();
    await events.until(({ event, data }) => event === "session" && data.training === null);
    server.server.setTraining({ state: "preparing", source: "emoji", done: 3, total: 9 });
    await events.until(({ event, data }) => event === "session" && data.training?.state === "preparing");
    server.server.setTraining({ state: "run", run: "a" });
    await events.until(({ event, data }) => event === "session" && data.training?.state === "run");
  });

  it("refuse too many runs at once", async () => {
    const server = await TestServer.start();
    const query = Array.from({ length: 9 }, () => "run=a").join("&");
    expect((await server.ask(`/api/events?${query}`)).status).toBe(400);
  });

  it("of an unknown run say that it is gone, and find it when it comes", async () => {
    const server = await TestServer.start();
    const events = server.events("?run=later");
    await events.until(({ event, data }) => event === "gone" && data.run === "later");
    makeRun(server.path("later"));
    utimesSync(server.path("later"), new Date(), new Date());
    await events.until(({ event, data }) => event === "run" && data.name === "later");
    await events.until(({ event }) => event === "rows");
  });
});
