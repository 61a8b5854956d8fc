// What changes in the runs' folders, found by looking: a folder that is written by another program, perhaps over a
// network, tells nobody reliably.

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { RunDetail, RunSummary } from "../protocol/api.js";
import { metricFilePattern, runFiles, type StatsRow } from "../protocol/runFiles.js";
import { type FileState, fileState, readPart } from "./files.js";
import { type Cursor, parseRow } from "./history.js";
import { type Lines, readLines } from "./lines.js";
import type { Run, Runs } from "./runs.js";

/** A reader further behind than this asks for the history, which is shorter to send. */
const mostBehindBytes = 256 * 1024;
const mostLogBytes = 64 * 1024;

/** Where one reader is in one run. */
export interface Position {
  readonly run: string;
  /** null: it waits for the history. */
  stats: Cursor | null;
  log: number;
}

/** What one reader has not seen of one run. */
export type News =
  | { event: "rows"; run: string; rows: StatsRow[] }
  | { event: "history"; run: string; cursor: string | null }
  | { event: "log"; run: string; text: string };

/** One look at the runs; readers at the same position share what is read. */
export class Look {
  readonly #runs: Runs;
  readonly #found = new Map<
    string,
    Promise<{ run: Run; stats: FileState | null; log: FileState | null } | null>
  >();
  readonly #parts = new Map<string, Promise<Lines>>();

  constructor(runs: Runs) {
    this.#runs = runs;
  }

  /** News after `position`, which is moved on. */
  async news(position: Position): Promise<News[]> {
    const found = await this.#find(position.run);
    if (!found) return [];
    const { run, stats, log } = found;
    return [...(await this.#statsNews(position, run, stats)), ...(await this.#logNews(position, run, log))];
  }

  async #statsNews(position: Position, { path }: Run, state: FileState | null): Promise<News[]> {
    const { run, stats: cursor } = position;
    if (!cursor || !state) return [];
    const { inode, offset } = cursor;
    if (inode === 0 || inode === state.inode) {
      if (state.size === offset) return [];
      if (state.size > offset && state.size - offset <= mostBehindBytes) {
        const { lines, next } = await this.#part(join(path, runFiles.stats), offset);
        position.stats = { inode: state.inode, offset: next };
        const rows = lines.flatMap((line) => {
          const row = parseRow(line);
          return row ? ["tick" in row ? (row.tick as StatsRow) : row.event] : [];
        });
        return rows.length === 0 ? [] : [{ event: "rows", run, rows }];
      }
    }
    // Rewritten, as by a resume, or too much at once.
    position.stats = null;
    const goesOn = inode === state.inode && state.size > offset;
    return [{ event: "history", run, cursor: goesOn ? `${inode}.${offset}` : null }];
  }

  async #logNews(position: Position, { path }: Run, state: FileState | null): Promise<News[]> {
    const size = state?.size ?? 0;
    if (size <= position.log) {
      position.log = size;
      return [];
    }
    const start = Math.max(position.log, size - mostLogBytes);
    const { lines, next } = await this.#part(join(path, runFiles.log), start);
    position.log = Math.max(next, start);
    return lines.length === 0 ? [] : [{ event: "log", run: position.run, text: `${lines.join("\n")}\n` }];
  }

  #find(name: string) {
    let found = this.#found.get(name);
    if (!found) {
      found = this.#runs.find(name).then(async (run) => {
        if (!run) return null;
        const [stats, log] = await Promise.all([
          fileState(join(run.path, runFiles.stats)),
          fileState(join(run.path, runFiles.log)),
        ]);
        return { run, stats: stats ?? null, log: log ?? null };
      });
      this.#found.set(name, found);
    }
    return found;
  }

  #part(path: string, offset: number): Promise<Lines> {
    const key = `${offset} ${path}`;
    let part = this.#parts.get(key);
    if (!part) {
      part = readLines(path, offset);
      this.#parts.set(key, part);
    }
    return part;
  }
}

/** The differences between lists of runs. */
export class ListWatch {
  #known = new Map<string, string>();

  /** The runs that are new or changed since the last call, and the names of those that are gone. */
  changes(list: readonly RunSummary[]): { changed: RunSummary[]; gone: string[] } {
    const now = new Map(list.map((summary) => [summary.name, JSON.stringify(summary)]));
    const changed = list.filter(({ name }) => now.get(name) !== this.#known.get(name));
    const gone = [...this.#known.keys()].filter((name) => !now.has(name));
    this.#known = now;
    return { changed, gone };
  }
}

/** Tells when something other than statistics and log has changed in the folders of runs. */
export class DetailWatch {
  readonly #seen = new Map<string, string>();

  /** The detail of a run if it has changed since the last call. */
  async changed(runs: Runs, name: string): Promise<RunDetail | null> {
    const run = await runs.find(name);
    if (!run) {
      this.#seen.delete(name);
      return null;
    }
    // Whole files are renamed into the folder, which changes its time; metrics are appended to.
    const files = (await readdir(run.path).catch(() => [])).filter((file) => metricFilePattern.test(file));
    const metrics = files.map((file) => fileState(join(run.path, file)));
    const sizes = (await Promise.all(metrics)).map((state) => state?.size);
    const folder = await stat(run.path).catch(() => null);
    const mark = JSON.stringify([folder?.mtimeMs, (await runs.summary(run)).status, sizes]);
    if (this.#seen.get(name) === mark) return null;
    this.#seen.set(name, mark);
    return runs.detail(run);
  }

  /** Forgets runs that nobody watches. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
  }
}

/** The end of a run's log as text, and where it ends. */
export async function logTail(run: Run): Promise<{ text: string; next: number }> {
  const path = join(run.path, runFiles.log);
  const size = (await fileState(path))?.size ?? 0;
  const start = Math.max(size - mostLogBytes, 0);
  const text = (await readPart(path, start, size - start))?.toString("utf8") ?? "";
  const whole = start === 0 ? text : text.slice(text.indexOf("\n") + 1);
  return {
    text: whole.slice(0, whole.lastIndexOf("\n") + 1),
    next: start + Buffer.byteLength(text.slice(0, text.lastIndexOf("\n") + 1)),
  };
}
