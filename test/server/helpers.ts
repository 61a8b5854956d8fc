// A server on a folder of made-up runs, and plain requests to it.

import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { RunSummary, ServerEvents } from "../../src/protocol/api.js";
import { type RunningServer, serve } from "../../src/server/server.js";
import { processStart } from "../../src/system/processes.js";

export interface Answer {
  status: number;
  headers: Record<string, unknown>;
  text: string;
  json(): unknown;
}

interface Asked {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

export class TestServer {
  readonly folder: string;
  server!: RunningServer;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Ends with the test. `folder` is one in it that the server shows. */
  static async start(folder = "runs"): Promise<TestServer> {
    const root = mkdtempSync(join(tmpdir(), "stylegan-server-"));
    const made = new TestServer(join(root, folder));
    mkdirSync(made.folder, { recursive: true });
    made.server = await serve({ folder: made.folder, port: 0 });
    onTestFinished(async () => {
      await made.server.close();
      rmSync(root, { recursive: true, force: true });
    });
    return made;
  }

  get port(): number {
    return Number(new URL(this.server.url).port);
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** The path goes out as it is; `fetch` would resolve its dots. */
  ask(path: string, { method = "GET", headers = {}, body }: Asked = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asking = request({ port: this.port, host: "127.0.0.1", path, method, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          const { statusCode: status = 0, headers: received } = response;
          resolve({ status, headers: received, text, json: () => JSON.parse(text) as unknown });
        });
      });
      asking.on("error", reject);
      asking.end(body);
    });
  }

  control(run: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask(`/api/runs/${run}/control`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${this.server.token}`,
        ...headers,
      },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  }

  async runs(): Promise<RunSummary[]> {
    return (await this.ask("/api/runs")).json() as RunSummary[];
  }

  /** Ends with the test. */
  events(query = "", headers: Record<string, string> = {}): EventReader {
    return new EventReader({ port: this.port, path: `/api/events${query}`, headers });
  }
}

/** A picture as a page asks for it. */
export const view = {
  seed: 0,
  plane: { seedX: 1, seedY: 2, x: 0, y: 0 },
  classIndex: 0,
  truncationPsi: 1,
  noiseMode: "const",
  mix: { seed: 3, layers: [] },
  directions: [],
};

/** A run's folder with `ticks` lines of statistics. */
export function makeRun(path: string, { ticks = 3, kimg = 1 } = {}): void {
  mkdirSync(path, { recursive: true });
  const options = {
    cfg: "stylegan2-small",
    data: { source: "emoji" },
    network: { config: { resolution: 32 } },
    kimg,
    grid: { columns: 7, rows: 4 },
  };
  writeFileSync(join(path, "training_options.json"), JSON.stringify(options));
  writeFileSync(join(path, "log.txt"), "started\n");
  addTicks(path, ticks);
}

export function tickRow(tick: number) {
  return {
    nimg: tick * 100,
    tick,
    secPerKimg: 10,
    totalSeconds: tick,
    memoryMb: 300,
    timestamp: 1.8e9 + tick,
    "Loss/G/loss": tick + 0.123456789,
    "Histogram/scores/real": { width: 0.5, first: -1, counts: [tick, 2] },
  };
}

export function addTicks(path: string, count: number, from = 1): void {
  const rows = Array.from({ length: count }, (_, i) => `${JSON.stringify(tickRow(from + i))}\n`);
  appendFileSync(join(path, "stats.jsonl"), rows.join(""));
}

/** Makes the run one that this process trains. */
export function setRunning(path: string, state = "training"): void {
  const settings = [{ name: "gamma", text: "weight of R1", value: 1, range: { min: 0, aboveMin: true } }];
  const running = {
    ...{ pid: process.pid, processStart: processStart(process.pid), hostname: hostname(), state, settings },
  };
  writeFileSync(join(path, "running.json"), JSON.stringify(running));
}

type Received = {
  [E in keyof ServerEvents]: { event: E; data: ServerEvents[E]; id: string };
}[keyof ServerEvents];

export class EventReader {
  readonly received: Received[] = [];
  readonly #request;
  readonly #watchers = new Set<() => void>();

  constructor({ port, path, headers }: { port: number; path: string; headers: Record<string, string> }) {
    let rest = "";
    this.#request = request({ port, host: "127.0.0.1", path, headers }, (response) => {
      response.setEncoding("utf8").on("data", (text: string) => {
        const parts = (rest + text).split("\n\n");
        rest = parts.pop() as string;
        for (const part of parts) this.#add(part);
      });
    });
    this.#request.on("error", () => {});
    this.#request.end();
    onTestFinished(() => this.close());
  }

  close(): void {
    this.#request.destroy();
  }

  of<E extends keyof ServerEvents>(event: E): ServerEvents[E][] {
    return this.received.filter((one) => one.event === event).map(({ data }) => data as ServerEvents[E]);
  }

  /** The first event for which `test` holds, past or to come. */
  async until(test: (received: Received) => boolean): Promise<Received> {
    for (;;) {
      const found = this.received.find(test);
      if (found) return found;
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error("no such event within 10 s")), 10_000);
        const watcher = () => {
          clearTimeout(timer);
          this.#watchers.delete(watcher);
          resolve();
        };
        this.#watchers.add(watcher);
      });
    }
  }

  #add(part: string): void {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(part)?.[1];
    const data = field("data");
    if (data === undefined) return;
    this.received.push({ event: field("event"), data: JSON.parse(data), id: field("id") } as Received);
    for (const watcher of this.#watchers) watcher();
  }
}
