// Pictures by libtorch: jobs for a process of its own, one at a time, few waiting.

import { type ChildProcess, fork } from "node:child_process";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { FrameJob, FromFrameWorker, ToFrameWorker } from "./frameMessages.js";
import { HttpError } from "./http.js";

const mostWaiting = 16;
const mostMs = { facts: 60_000, picture: 60_000, film: 15 * 60_000, model: 5 * 60_000 };
// Generators are large: without work the process ends.
const idleMs = 5 * 60_000;

interface Waiting {
  job: ToFrameWorker;
  /** Nobody waits for the result any more. */
  signal: AbortSignal;
  resolve: (result: unknown) => void;
  reject: (error: HttpError) => void;
}

export class Frames {
  readonly #waiting: Waiting[] = [];
  #current: Waiting | undefined;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ids = 0;

  /**
   * @param signal drops the job while it waits
   * @throws HttpError 503 when too much waits, 422 when the snapshot cannot be used, 500 when it fails
   */
  async run(job: FrameJob, signal: AbortSignal): Promise<unknown> {
    if (this.#waiting.length >= mostWaiting)
      throw new HttpError(503, "the server computes other pictures; try again in a moment", {
        "retry-after": "2",
      });
    this.#ids += 1;
    const numbered: ToFrameWorker = { id: this.#ids, ...job };
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job: numbered, signal, resolve, reject });
      this.#next();
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#child?.kill("SIGKILL");
  }

  #next(): void {
    if (this.#current) return;
    let next = this.#waiting.shift();
    while (next?.signal.aborted) next = this.#waiting.shift();
    clearTimeout(this.#timer);
    if (!next) {
      this.#timer = setTimeout(() => {
        this.#child?.disconnect();
        this.#child = undefined;
      }, idleMs);
      this.#timer.unref();
      return;
    }
    this.#current = next;
    this.#child ??= this.#start();
    this.#child.send(next.job);
    this.#timer = setTimeout(() => this.#child?.kill("SIGKILL"), mostMs[next.job.kind]);
  }

  #start(): ChildProcess {
    const child = fork(fileURLToPath(new URL("./frameWorker.js", import.meta.url)), {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    child.on("message", (answer: FromFrameWorker) => {
      const current = this.#current;
      if (current?.job.id !== answer.id) return;
      this.#current = undefined;
      if (answer.ok) current.resolve(answer.result);
      else
        current.reject(
          new HttpError(answer.mendable ? 422 : 500, withoutFolder(answer.message, current.job.file)),
        );
      this.#next();
    });
    child.on("error", () => {});
    child.on("exit", () => {
      if (this.#child !== child) return;
      this.#child = undefined;
      const current = this.#current;
      this.#current = undefined;
      current?.reject(new HttpError(500, "computing the picture took too long or failed"));
      this.#next();
    });
    return child;
  }
}

/** The server's folders are nobody's business. */
function withoutFolder(message: string, file: string): string {
  return message.replaceAll(file, basename(file));
}
