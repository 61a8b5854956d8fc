// The page's side of the worker: loading, and pictures one at a time, the most wanted first.

import type { ModelFile } from "../../src/protocol/model.js";
import type { Backend, Reply, Request, View } from "./messages.js";

export interface Picture {
  pixels: Uint8ClampedArray<ArrayBuffer>;
  milliseconds: number;
}

interface Job {
  view: View;
  priority: number;
  done: (picture: Picture) => void;
  failed: (error: Error) => void;
}

export interface LoadOptions {
  model: ModelFile;
  /** Absolute address of model.json. */
  modelUrl: string;
  backend?: Backend | undefined;
  onProgress: (loaded: number, total: number) => void;
}

/** Milliseconds for the first picture with WebGPU, whose programs are compiled for it. */
const webgpuPatience = 30_000;

/** Pictures that are kept for when they are asked for again. */
const cacheBytes = 64 * 2 ** 20;

export class Pictures {
  readonly backend: Backend;
  readonly #worker: Worker;
  readonly #waiting = new Map<string, Job>();
  readonly #cache = new Map<string, Picture>();
  readonly #cacheSize: number;
  #running: { id: number; slot: string; job: Job } | undefined;
  #lastId = 0;

  private constructor(worker: Worker, { model, backend }: { model: ModelFile; backend: Backend }) {
    this.backend = backend;
    this.#worker = worker;
    this.#cacheSize = Math.max(16, Math.floor(cacheBytes / (model.resolution ** 2 * 4)));
    worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => this.#receive(data));
  }

  /**
   * On the backend asked for; otherwise on WebGPU where there is a graphics card and it works, and on WebAssembly
   * elsewhere.
   * @throws Error that says why the generator does not run here
   */
  static async load({ backend, ...options }: LoadOptions): Promise<Pictures> {
    if (backend) return Pictures.#start({ ...options, backend });
    if (await hasGraphicsCard()) {
      // Whatever the reason: WebAssembly needs none of it, and names what both lack.
      const pictures = await Pictures.#start({ ...options, backend: "webgpu" }).catch(() => undefined);
      if (pictures) return pictures;
    }
    return Pictures.#start({ ...options, backend: "wasm" });
  }

  static #start({
    model,
    modelUrl,
    backend,
    onProgress,
  }: LoadOptions & { backend: Backend }): Promise<Pictures> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
      let timer: ReturnType<typeof setTimeout> | undefined;
      const fail = (message: string) => {
        clearTimeout(timer);
        worker.terminate();
        reject(new Error(message));
      };
      const receive = ({ data }: MessageEvent<Reply>) => {
        if (data.kind === "progress") onProgress(data.loaded, data.total);
        else if (data.kind === "starting" && backend === "webgpu")
          timer = setTimeout(() => fail("WebGPU does not answer."), webgpuPatience);
        else if (data.kind === "error") fail(data.message);
        else if (data.kind === "ready") {
          clearTimeout(timer);
          worker.removeEventListener("message", receive);
          resolve(new Pictures(worker, { model, backend }));
        }
      };
      worker.addEventListener("error", () => fail("The part that computes pictures could not be loaded."));
      worker.addEventListener("message", receive);
      const request: Request = { kind: "load", model, modelUrl, backend };
      worker.postMessage(request);
    });
  }

  /**
   * Asks for a picture. A slot is a place where one picture shows: a new request takes the place of one that waits.
   * @param priority the smallest number goes first
   */
  request(slot: string, { view, priority }: { view: View; priority: number }): Promise<Picture> {
    return new Promise((done, failed) => {
      this.#waiting.set(slot, { view, priority, done, failed });
      this.#next();
    });
  }

  /** The slot is no longer there. */
  cancel(slot: string): void {
    this.#waiting.delete(slot);
  }

  dispose(): void {
    this.#worker.terminate();
    this.#waiting.clear();
  }

  #next(): void {
    for (const [slot, { view, done }] of this.#waiting) {
      const known = this.#cache.get(keyOf(view));
      if (!known) continue;
      this.#waiting.delete(slot);
      done(known);
    }
    if (this.#running) return;
    const [first] = [...this.#waiting].sort(([, a], [, b]) => a.priority - b.priority);
    if (!first) return;
    const [slot, job] = first;
    this.#waiting.delete(slot);
    const id = ++this.#lastId;
    this.#running = { id, slot, job };
    const request: Request = { kind: "render", id, view: job.view };
    this.#worker.postMessage(request);
  }

  #receive(reply: Reply): void {
    const running = this.#running;
    if (!running || !("id" in reply) || reply.id !== running.id) return;
    this.#running = undefined;
    if (reply.kind === "picture") {
      const picture = { pixels: reply.pixels, milliseconds: reply.milliseconds };
      this.#remember(keyOf(running.job.view), picture);
      running.job.done(picture);
    } else if (reply.kind === "error") {
      running.job.failed(new Error(reply.message));
    }
    this.#next();
  }

  #remember(key: string, picture: Picture): void {
    this.#cache.set(key, picture);
    const [oldest] = this.#cache.keys();
    if (this.#cache.size > this.#cacheSize && oldest !== undefined) this.#cache.delete(oldest);
  }
}

/** Equal for views of equal pictures. */
export function keyOf(view: View): string {
  const { mixSeed, layers, ...rest } = view;
  return JSON.stringify(layers.length > 0 ? { ...rest, mixSeed, layers } : rest);
}

async function hasGraphicsCard(): Promise<boolean> {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  // Software that imitates a graphics card is slower than WebAssembly.
  return adapter !== null && adapter !== undefined && !adapter.info.isFallbackAdapter;
}
