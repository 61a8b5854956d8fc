// The runs in a folder, from their files alone. Whatever is missing or garbage in them is left out.

import { readdir, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { valueNamed } from "../metrics/metrics.js";
import type { MetricPoint, RunDetail, RunFile, RunStatus, RunSummary } from "../protocol/api.js";
import type { Setting } from "../protocol/control.js";
import {
  fakesPattern,
  kimgOfName,
  metricFilePattern,
  type Running,
  runFiles,
  runningSchema,
  snapshotPattern,
} from "../protocol/runFiles.js";
import { isProcessAlive } from "../system/processes.js";
import { type FileState, fileState, folderInside, parseObject, readJsonObject, readPart } from "./files.js";

// A folder with more runs than this shows the latest.
const mostRuns = 500;
const mostOptionBytes = 1024 * 1024;
const mostRunningBytes = 64 * 1024;
const mostMetricBytes = 4 * 1024 * 1024;
const tailBytes = 16 * 1024;
// A process on another machine cannot be asked: it counts as alive while the run's statistics are this fresh.
const freshMs = 15 * 60 * 1000;

/** A run's folder; everything else takes it from `Runs.find`, which has checked it. */
export interface Run {
  name: string;
  path: string;
}

export class Runs {
  readonly #root: string;
  /** The one run to show, when the folder is itself a run. */
  readonly #only: string | undefined;
  readonly #summaries = new Map<string, { key: string; summary: RunSummary }>();

  private constructor(root: string, only?: string) {
    this.#root = root;
    this.#only = only;
  }

  /** The runs in `folder`, or the one that it is. It need not be there yet. */
  static async open(folder: string): Promise<Runs> {
    const path = resolve(folder);
    return (await isRun(path)) ? new Runs(dirname(path), basename(path)) : new Runs(path);
  }

  /** The run of that name; null when there is none in the folder. */
  async find(name: string): Promise<Run | null> {
    if (this.#only !== undefined && name !== this.#only) return null;
    const path = await folderInside(this.#root, name);
    return path !== null && (await isRun(path)) ? { name, path } : null;
  }

  /** All runs, the newest name first. */
  async list(): Promise<RunSummary[]> {
    const summaries: RunSummary[] = [];
    for (const name of await this.#names()) {
      const run = await this.find(name);
      if (run) summaries.push(await this.summary(run));
      if (summaries.length === mostRuns) break;
    }
    const names = new Set(summaries.map(({ name }) => name));
    for (const name of this.#summaries.keys()) if (!names.has(name)) this.#summaries.delete(name);
    return summaries;
  }

  async summary({ name, path }: Run): Promise<RunSummary> {
    const [options, stats, running] = await Promise.all(
      [runFiles.options, runFiles.stats, runFiles.running].map((file) => fileState(join(path, file))),
    );
    const status = running ? await liveStatus(path, stats?.mtimeMs ?? running.mtimeMs) : null;
    const changed = (await stat(path).catch(() => null))?.mtimeMs;
    const key = JSON.stringify([options, stats, status, changed]);
    const cached = this.#summaries.get(name);
    if (cached?.key === key) return cached.summary;

    const { cfg, data, network, kimg } =
      (await readJsonObject(join(path, runFiles.options), mostOptionBytes)) ?? {};
    const last = stats ? await lastTick(join(path, runFiles.stats), stats) : null;
    const nimg = number(last?.nimg) ?? 0;
    const totalNimg = scaled(number(kimg), 1000);
    const fakes = await picturesOf(path);
    const picture = fakes.at(-1);
    const summary: RunSummary = {
      name,
      status: status ?? (totalNimg !== null && nimg >= totalNimg ? "complete" : "stopped"),
      cfg: string(cfg),
      data: string(object(data)?.source),
      resolution: number(object(object(network)?.config)?.resolution),
      nimg,
      totalNimg,
      tick: number(last?.tick) ?? 0,
      secPerKimg: number(last?.secPerKimg),
      totalSeconds: number(last?.totalSeconds),
      memoryMb: number(last?.memoryMb),
      updated: Math.floor((stats?.mtimeMs ?? options?.mtimeMs ?? 0) / 1000),
      picture: picture ? `${picture.name}?${picture.version}` : null,
    };
    this.#summaries.set(name, { key, summary });
    return summary;
  }

  async detail(run: Run): Promise<RunDetail> {
    const { path } = run;
    const [reals] = await filesOf(path, /^reals\.png$/);
    return {
      summary: await this.summary(run),
      settings: await this.settings(run),
      options: await readJsonObject(join(path, runFiles.options), mostOptionBytes),
      reals: reals ?? null,
      fakes: await picturesOf(path),
      snapshots: await filesOf(path, snapshotPattern),
      ...(await metricsOf(path)),
    };
  }

  /** What can be changed in a run now; nothing when no process trains it. */
  async settings(run: Run): Promise<Setting[]> {
    const { status } = await this.summary(run);
    if (status !== "training" && status !== "paused") return [];
    return (await readRunning(run.path))?.settings ?? [];
  }

  async #names(): Promise<string[]> {
    if (this.#only !== undefined) return [this.#only];
    try {
      return (await readdir(this.#root)).sort().reverse();
    } catch {
      return []; // not there yet, or gone
    }
  }
}

/** Whether a file of a run's folder is given out as it is. */
export function isPublic(name: string): boolean {
  return (
    name === runFiles.reals ||
    name === runFiles.fakesInit ||
    fakesPattern.test(name) ||
    snapshotPattern.test(name)
  );
}

async function isRun(path: string): Promise<boolean> {
  return (
    (await fileState(join(path, runFiles.options))) !== null ||
    (await fileState(join(path, runFiles.stats))) !== null
  );
}

async function readRunning(path: string): Promise<Running | undefined> {
  return runningSchema.safeParse(await readJsonObject(join(path, runFiles.running), mostRunningBytes)).data;
}

async function liveStatus(path: string, lastSignMs: number): Promise<RunStatus | null> {
  const running = await readRunning(path);
  if (!running) return null;
  const alive =
    running.hostname === hostname()
      ? isProcessAlive(running.pid, running.processStart)
      : Date.now() - lastSignMs < freshMs;
  return alive ? running.state : "lost";
}

/** The last whole line that is a tick. */
async function lastTick(path: string, { size }: FileState): Promise<Record<string, unknown> | null> {
  const start = Math.max(size - tailBytes, 0);
  const text = (await readPart(path, start, size - start))?.toString("utf8") ?? "";
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  for (const line of lines.reverse()) {
    const row = parseObject(line);
    if (row && typeof row.tick === "number") return row;
  }
  return null;
}

/** The picture of the start, then those of fakes in their order. */
async function picturesOf(path: string): Promise<RunFile[]> {
  const initial = await runFile(path, runFiles.fakesInit, 0);
  return [...(initial ? [initial] : []), ...(await filesOf(path, fakesPattern))];
}

/** The files whose names fit, in the order of the kimg in them. */
async function filesOf(path: string, pattern: RegExp): Promise<RunFile[]> {
  const names = await readdir(path).catch(() => []);
  const files = await Promise.all(
    names.map((name) => {
      const kimg = kimgOfName(name, pattern);
      return kimg === null ? null : runFile(path, name, kimg);
    }),
  );
  return files.filter((file) => file !== null).sort((a, b) => a.kimg - b.kimg);
}

async function runFile(path: string, name: string, kimg: number): Promise<RunFile | null> {
  const state = await fileState(join(path, name));
  return state && { name, kimg, version: `${Math.round(state.mtimeMs)}-${state.size}`, bytes: state.size };
}

/** The values of each metric-*.jsonl over time, and what is known of them. */
async function metricsOf(path: string): Promise<Pick<RunDetail, "metrics" | "metricFacts">> {
  const metrics: Record<string, MetricPoint[]> = {};
  for (const file of await readdir(path).catch(() => [])) {
    const metric = metricFilePattern.exec(file)?.[1];
    const state = metric === undefined ? null : await fileState(join(path, file));
    if (metric === undefined || !state || state.size > mostMetricBytes) continue;
    const text = (await readPart(join(path, file), 0, state.size))?.toString("utf8") ?? "";
    for (const row of text.split("\n").map(parseObject)) {
      const nimg = row && nimgOf(row);
      if (!row || nimg === null) continue;
      for (const [name, value] of Object.entries(valuesOf(row, metric))) {
        metrics[name] ??= [];
        metrics[name].push({ nimg, value });
      }
    }
  }
  const metricFacts = Object.fromEntries(
    Object.keys(metrics).flatMap((name) => {
      const known = valueNamed(name);
      if (!known) return [];
      return [[name, { title: known.title, better: known.better, isSpread: known.isSpread === true }]];
    }),
  );
  return { metrics, metricFacts };
}

/** NVIDIA's files say it in the snapshot's name alone. */
function nimgOf(row: Record<string, unknown>): number | null {
  const kimg = /network-snapshot-(\d{1,12})\.pkl$/.exec(string(row.snapshot_pkl) ?? "")?.[1];
  return number(row.nimg) ?? (kimg === undefined ? null : Number(kimg) * 1000);
}

/** The numbers of a line, by name. Earlier lines of SWD have no `results`. */
function valuesOf(row: Record<string, unknown>, metric: string): Record<string, number> {
  const results = object(row.results) ?? { [metric]: number(row.mean) ?? row.value };
  const named = Object.entries(results).filter(([name]) => /^[\w-]{1,60}$/.test(name));
  return Object.fromEntries(named.filter((entry): entry is [string, number] => number(entry[1]) !== null));
}

const number = (value: unknown) => (typeof value === "number" && Number.isFinite(value) ? value : null);
const string = (value: unknown) => (typeof value === "string" ? value.slice(0, 200) : null);
const scaled = (value: number | null, factor: number) => (value === null ? null : value * factor);
const object = (value: unknown) =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
