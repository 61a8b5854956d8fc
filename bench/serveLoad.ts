// Loads on the page's server, for bench/serve.ts and, in short, for the tests: a day of events in a minute, and many
// pages beside a training. The server and the training are processes of their own, from the built program.

import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { FromChild } from "../src/server/child.js";
import { packageRoot } from "../src/system/packageRoot.js";
import { median } from "./statistics.js";

const built = (file: string) => join(packageRoot(), "dist", "src", file);

/** Resident memory of a process, and the processor time it has used. */
export interface Usage {
  memoryMb: number;
  cpuSeconds: number;
}

function usage({ pid }: ChildProcess): Usage {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    memoryMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
  };
}

/** The server as it runs beside a training, with pages as far as it notices them: streams of events that are read. */
class Server {
  readonly child: ChildProcess;
  readonly #url: string;
  #pages: IncomingMessage[] = [];
  /** Sent to the pages. */
  bytes = 0;

  private constructor(child: ChildProcess, url: string) {
    this.child = child;
    this.#url = url;
  }

  /** @param heapMb what JavaScript's objects in it may take; V8 ends a process that needs more */
  static async start(folder: string, heapMb?: number): Promise<Server> {
    const limits = heapMb ? [`--max-old-space-size=${heapMb}`, "--max-semi-space-size=1"] : [];
    const child = fork(built("server/child.js"), { execArgv: limits });
    child.send({ type: "serve", folder, port: 0 });
    const ended = once(child, "exit").then(() => {
      throw new Error("the server ended before it was ready");
    });
    const [answer] = (await Promise.race([once(child, "message"), ended])) as [FromChild];
    ended.catch(() => {}); // from now on it is ended by us
    if (answer.type !== "ready") throw new Error(answer.message);
    return new Server(child, answer.url);
  }

  async connect(count: number, run: string): Promise<void> {
    this.#pages = await Promise.all(Array.from({ length: count }, () => this.#connectOne(run)));
  }

  async #connectOne(run: string): Promise<IncomingMessage> {
    const url = new URL(`/api/events?run=${run}`, this.#url);
    const [response] = (await once(get(url), "response")) as [IncomingMessage];
    response.on("data", (chunk: Buffer) => {
      this.bytes += chunk.length;
    });
    response.on("error", () => {});
    return response;
  }

  disconnect(): void {
    for (const page of this.#pages) page.destroy();
    this.#pages = [];
  }

  async close(): Promise<void> {
    this.disconnect();
    await killed(this.child);
  }
}

function isAlive({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

/** Ends a process; resolves when it is gone, and with it its hold on its folder. */
async function killed(child: ChildProcess): Promise<void> {
  if (!isAlive(child)) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

const replayedRun = "00000-replay";

/** What a training leaves in its folder within `hours`: a tick every 15 s, a picture every 50 ticks. */
class Replay {
  readonly #folder: string;
  readonly ticks: number;
  #tick = 0;

  constructor(runs: string, hours: number) {
    this.ticks = (hours * 3600) / 15;
    this.#folder = join(runs, replayedRun);
    mkdirSync(this.#folder, { recursive: true });
    const options = JSON.stringify({ kimg: this.ticks, cfg: "stylegan2" });
    writeFileSync(join(this.#folder, "training_options.json"), options);
  }

  /** Writes what has come up to a share of the whole. */
  advance(share: number): number {
    const rows: string[] = [];
    for (; this.#tick < this.ticks * share; this.#tick++) {
      rows.push(`${JSON.stringify(replayedRow(this.#tick))}\n`);
      const picture = join(this.#folder, `fakes${String(this.#tick).padStart(6, "0")}.png`);
      if (this.#tick % 50 === 0) writeFileSync(picture, "picture");
    }
    appendFileSync(join(this.#folder, "stats.jsonl"), rows.join(""));
    appendFileSync(join(this.#folder, "log.txt"), rows.map((_, i) => `tick ${this.#tick - i}\n`).join(""));
    return this.#tick;
  }
}

function replayedRow(tick: number) {
  const losses = Array.from({ length: 14 }, (_, i) => [`Loss/number/${i}`, Math.sin(tick + i)]);
  const histogram = { width: 0.25, first: -16, counts: Array.from({ length: 32 }, (_, i) => i * 7) };
  return {
    ...{ nimg: tick * 1000, tick, secPerKimg: 15, totalSeconds: tick * 15, memoryMb: 400, timestamp: tick },
    ...Object.fromEntries(losses),
    "Histogram/scores/real": histogram,
    "Histogram/scores/fake": histogram,
  };
}

export interface ReplayResult {
  /** Of the server: medians over the first and the second half. */
  memoryMb: { first: number; second: number };
  sentMb: number;
}

/** Replays `hours` of a training's events in `seconds`, with pages connected. `folder` is empty. */
export async function replayEvents(
  folder: string,
  options: {
    hours: number;
    seconds: number;
    pages: number;
    heapMb?: number;
    onSample?: (ticks: number, used: Usage) => void;
  },
): Promise<ReplayResult> {
  const { hours, seconds, pages, heapMb, onSample } = options;
  const replay = new Replay(folder, hours);
  const server = await Server.start(folder, heapMb);
  try {
    await server.connect(pages, replayedRun);
    const steps = seconds * 10;
    const samples: number[] = [];
    for (let step = 1; step <= steps; step++) {
      const ticks = replay.advance(step / steps);
      await setTimeout(100);
      if (!isAlive(server.child)) throw new Error("the server has ended: its memory was not enough");
      if (step % Math.max(Math.floor(steps / 12), 1) !== 0) continue;
      const used = usage(server.child);
      samples.push(used.memoryMb);
      onSample?.(ticks, used);
    }
    const half = samples.length / 2;
    return {
      memoryMb: { first: median(samples.slice(0, half)), second: median(samples.slice(half)) },
      sentMb: server.bytes / 2 ** 20,
    };
  } finally {
    await server.close();
  }
}

export interface PagesRound {
  /** Medians of the ticks. */
  secPerKimg: { without: number; within: number };
  /** Share of a processor that the server took while the pages were connected. */
  serverShare: number;
  sentMb: number;
}

/**
 * A small training with no page and with `pages` in turn, `ticks` of `tickKimg` each time: within one training, since a
 * machine's speed changes from minute to minute.
 */
export async function* trainBesidePages(
  folder: string,
  { pages, rounds, ticks, tickKimg }: { pages: number; rounds: number; ticks: number; tickKimg: number },
): AsyncIterable<PagesRound> {
  const server = await Server.start(folder);
  const training = new Training(folder, tickKimg);
  try {
    await training.next(3); // while everything gets warm
    for (let round = 0; round < rounds; round++) {
      const without = await training.next(ticks);
      await server.connect(pages, training.run);
      training.skip();
      await training.next(1); // the one in which they came, and were sent what they had missed
      const [start, { cpuSeconds }, bytes] = [performance.now(), usage(server.child), server.bytes];
      const within = await training.next(ticks);
      const seconds = (performance.now() - start) / 1000;
      const serverShare = (usage(server.child).cpuSeconds - cpuSeconds) / seconds;
      const sentMb = (server.bytes - bytes) / 2 ** 20;
      server.disconnect();
      await training.next(1);
      yield { secPerKimg: { without: median(without), within: median(within) }, serverShare, sentMb };
    }
  } finally {
    await killed(training.child);
    await server.close();
  }
}

class Training {
  readonly run = "00000-emoji-smileys-stylegan2-small-32";
  readonly child: ChildProcess;
  readonly #stats: string;
  #seen = 0;

  constructor(outdir: string, tickKimg: number) {
    this.#stats = join(outdir, this.run, "stats.jsonl");
    const data = ["--data", "emoji:smileys", "--resolution", "32", "--cfg", "stylegan2-small", "--mirror"];
    const length = ["--tick", String(tickKimg), "--kimg", "1000", "--snap", "100000"];
    this.child = spawn(
      process.execPath,
      [built("cli/main.js"), "train", ...data, ...length, "--outdir", outdir],
      {
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
  }

  /** What is there already is no next tick. */
  skip(): void {
    this.#seen = this.#rows().length;
  }

  /** sec/kimg of the next ticks, waiting for them. @throws when the training ends */
  async next(count: number): Promise<number[]> {
    for (;;) {
      const rows = this.#rows();
      if (rows.length >= this.#seen + count) {
        this.#seen = rows.length;
        return rows.slice(-count).map(({ secPerKimg }) => secPerKimg);
      }
      const { exitCode, signalCode } = this.child;
      if (!isAlive(this.child)) throw new Error(`the training ended (${exitCode ?? signalCode})`);
      await setTimeout(200);
    }
  }

  #rows(): { secPerKimg: number }[] {
    let text: string;
    try {
      text = readFileSync(this.#stats, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return []; // not begun
      throw error;
    }
    const complete = text.slice(0, text.lastIndexOf("\n") + 1).trimEnd();
    return complete === ""
      ? []
      : complete.split("\n").map((line) => JSON.parse(line) as { secPerKimg: number });
  }
}
