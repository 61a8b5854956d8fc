// Pictures by libtorch: jobs for a process of its own. Short ones (pictures, what a page asks first) are done between the
// frames of long ones (films, exports), one of each at a time. The token's holder comes first; strangers take turns.

import { type ChildProcess, fork } from "node:child_process";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { Budgets, type Client } from "./clients.js";
import {
  type FrameJob,
  type FromFrameWorker,
  type Lane,
  laneOf,
  type ToFrameWorker,
} from "./frameMessages.js";
import { HttpError } from "./http.js";

/** Jobs that may wait: of the holder, of all strangers, of one of them. */
const mostWaiting: Record<Lane, { holder: number; strangers: number; each: number }> = {
  short: { holder: 16, strangers: 16, each: 8 },
  long: { holder: 4, strangers: 3, each: 1 },
};
const mostMs = { facts: 60_000, picture: 60_000, film: 15 * 60_000, model: 5 * 60_000 };
// Generators are large: without work the process ends.
const idleMs = 5 * 60_000;

interface Waiting {
  id: number;
  job: FrameJob;
  client: Client;
  resolve: (result: unknown) => void;
  reject: (error: HttpError) => void;
}

interface Current extends Waiting {
  startedAt: number;
  timer: NodeJS.Timeout;
}

class LaneState {
  waiting: Waiting[] = [];
  current: Current | undefined;
  /** When strangers had their last turn, as a count. */
  readonly turns = new Map<string, number>();
}

export class Frames {
  readonly #lanes: Record<Lane, LaneState> = { short: new LaneState(), long: new LaneState() };
  readonly #budgets: Budgets;
  #child: ChildProcess | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #ids = 0;

  constructor(budgets = new Budgets()) {
    this.#budgets = budgets;
  }

  /**
   * @param signal nobody waits for the result any more: the job is dropped, or ended if it is a film
   * @throws HttpError 429 or 503 when too much is asked for, 422 when the snapshot cannot be used, 500 when it fails
   */
  async run(job: FrameJob, client: Client, signal: AbortSignal): Promise<unknown> {
    this.#budgets.check(client);
    const name = laneOf[job.kind];
    const lane = this.#lanes[name];
    checkPlace(lane, client, mostWaiting[name]);
    this.#ids += 1;
    const id = this.#ids;
    return new Promise((resolve, reject) => {
      lane.waiting.push({ id, job, client, resolve, reject });
      signal.addEventListener("abort", () => this.#drop(lane, id), { once: true });
      this.#next(lane);
    });
  }

  close(): void {
    clearTimeout(this.#idleTimer);
    for (const { current } of Object.values(this.#lanes)) clearTimeout(current?.timer);
    this.#child?.kill("SIGKILL");
  }

  #drop(lane: LaneState, id: number): void {
    const dropped = lane.waiting.find((waiting) => waiting.id === id);
    lane.waiting = lane.waiting.filter((waiting) => waiting !== dropped);
    dropped?.reject(new HttpError(499, "the reader has gone"));
    if (lane.current?.id === id) this.#tell({ cancel: id });
  }

  #next(lane: LaneState): void {
    if (lane.current) return;
    const next = takeNext(lane);
    clearTimeout(this.#idleTimer);
    if (!next) {
      this.#restWhenIdle();
      return;
    }
    const timer = setTimeout(() => this.#child?.kill("SIGKILL"), mostMs[next.job.kind]);
    lane.current = { ...next, startedAt: performance.now(), timer };
    this.#child ??= this.#start();
    this.#tell({ id: next.id, ...next.job });
  }

  #restWhenIdle(): void {
    if (Object.values(this.#lanes).some(({ current }) => current)) return;
    this.#idleTimer = setTimeout(() => {
      this.#child?.disconnect();
      this.#child = undefined;
    }, idleMs);
    this.#idleTimer.unref();
  }

  #tell(message: ToFrameWorker): void {
    // A process that has just died tells so by its exit.
    if (this.#child?.connected) this.#child.send(message, () => {});
  }

  #finish(lane: LaneState, settle: (current: Current) => void): void {
    const { current } = lane;
    if (!current) return;
    lane.current = undefined;
    clearTimeout(current.timer);
    this.#budgets.spend(current.client, performance.now() - current.startedAt);
    settle(current);
  }

  #start(): ChildProcess {
    const child = fork(fileURLToPath(new URL("./frameWorker.js", import.meta.url)), {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const lanes = Object.values(this.#lanes);
    child.on("message", (answer: FromFrameWorker) => {
      const lane = lanes.find(({ current }) => current?.id === answer.id);
      if (!lane) return;
      this.#finish(lane, ({ job, resolve, reject }) => {
        if (answer.ok) resolve(answer.result);
        else reject(new HttpError(answer.mendable ? 422 : 500, withoutFolder(answer.message, job.file)));
      });
      this.#next(lane);
    });
    child.on("error", () => {});
    child.on("exit", () => {
      if (this.#child !== child) return;
      this.#child = undefined;
      for (const lane of lanes)
        this.#finish(lane, ({ reject }) =>
          reject(new HttpError(500, "computing the picture took too long or failed")),
        );
      for (const lane of lanes) this.#next(lane);
    });
    return child;
  }
}

/** @throws HttpError 503 when as much waits as may */
function checkPlace(
  { waiting }: LaneState,
  { isHolder, name }: Client,
  most: { holder: number; strangers: number; each: number },
): void {
  const of = (test: (client: Client) => boolean) => waiting.filter(({ client }) => test(client)).length;
  const isFull = isHolder
    ? of((client) => client.isHolder) >= most.holder
    : of((client) => !client.isHolder) >= most.strangers || of((client) => client.name === name) >= most.each;
  if (isFull)
    throw new HttpError(503, "the server computes other pictures; try again in a moment", {
      "retry-after": "2",
    });
}

/** The holder's first, then that of the stranger whose last turn is the longest ago. */
function takeNext({ waiting, turns }: LaneState): Waiting | undefined {
  const turnOf = ({ client }: Waiting) => (client.isHolder ? -1 : (turns.get(client.name) ?? 0));
  let next: Waiting | undefined;
  for (const candidate of waiting) if (!next || turnOf(candidate) < turnOf(next)) next = candidate;
  if (!next) {
    turns.clear();
    return undefined;
  }
  waiting.splice(waiting.indexOf(next), 1);
  if (!next.client.isHolder) turns.set(next.client.name, Math.max(0, ...turns.values()) + 1);
  return next;
}

/** The server's folders are nobody's business. */
function withoutFolder(message: string, file: string): string {
  return message.replaceAll(file, basename(file));
}
