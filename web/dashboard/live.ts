// What the server tells, kept up to date: the list of runs, and everything of the runs that a page looks at. One
// connection for all of it, since a browser has few for each host.

import type { RunDetail, RunSummary, ServerEvents, Session } from "../../src/protocol/api.js";
import { fetchHistory, fetchLog, getJson, RequestError } from "./api.js";
import { Series } from "./series.js";

// A connection that comes back sooner is not worth a word.
const patienceMs = 2500;
const retryMs = 2000;
// A page that nobody sees lets its connection go after this long.
const hiddenMs = 20_000;
const mostLogCharacters = 256 * 1024;

/** A run as far as it is known. */
export interface LiveRun {
  name: string;
  series: Series;
  detail: RunDetail | null;
  log: string;
  /** Its folder is gone, or never was there. */
  gone: boolean;
  /** The statistics are there up to now. */
  loaded: boolean;
  /** From where on statistics are missing, when too many have come for single events. */
  behind: string | null;
}

export type Connection = "connecting" | "live" | "lost";

export class Live {
  session: Session | null = null;
  /** The newest first; null until the server has said. */
  runs: RunSummary[] | null = null;
  connection: Connection = "connecting";
  /** Why the server shows nothing, when it says so. */
  refusal: string | null = null;
  readonly #watched = new Map<string, LiveRun>();
  readonly #listeners = new Set<() => void>();
  #source: EventSource | null = null;
  #generation = 0;
  #places = new Map<string, string>();
  #lossTimer: ReturnType<typeof setTimeout> | undefined;
  #hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  #scheduled = false;

  start(): void {
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.#hiddenTimer);
      if (document.hidden) this.#hiddenTimer = setTimeout(() => this.#disconnect(), hiddenMs);
      else if (!this.#source) this.#connect();
    });
    this.#connect();
  }

  /** Calls `listener` when something has changed, once per frame at most. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks at these runs and no others. */
  watch(names: readonly string[]): LiveRun[] {
    const same = names.length === this.#watched.size && names.every((name) => this.#watched.has(name));
    if (!same) {
      for (const name of this.#watched.keys()) if (!names.includes(name)) this.#forget(name);
      for (const name of names) if (!this.#watched.has(name)) this.#watched.set(name, emptyRun(name));
      // Not while a page is being drawn.
      queueMicrotask(() => this.#connect());
    }
    return names.map((name) => this.#watched.get(name) as LiveRun);
  }

  #forget(name: string): void {
    this.#watched.delete(name);
    this.#places.delete(name);
  }

  #disconnect(): void {
    this.#generation += 1;
    this.#source?.close();
    this.#source = null;
  }

  #connect(): void {
    this.#disconnect();
    const generation = this.#generation;
    const current = () => generation === this.#generation;
    this.#catchUpAll(current).then(
      () => current() && this.#receive(current),
      () => current() && this.#retry(),
    );
  }

  /** What there is already, before the events go on from there. */
  async #catchUpAll(current: () => boolean): Promise<void> {
    for (const run of this.#watched.values()) await this.#catchUp(run, current);
  }

  #receive(current: () => boolean): void {
    const names = [...this.#watched.keys()];
    const query = new URLSearchParams(names.map((name) => ["run", name]));
    if (names.length > 0) query.set("at", names.map((name) => this.#places.get(name)).join());
    const source = new EventSource(`api/events?${query}`);
    this.#source = source;
    source.onopen = () => this.#setConnection("live");
    source.onerror = () => {
      this.#noticeLoss();
      // The browser itself tries again unless the server has answered with an error.
      if (source.readyState === EventSource.CLOSED && current()) this.#retry();
    };
    this.#listen(source, names);
  }

  /** Asks for the statistics after the last known place; all of them when there is none. */
  async #catchUp(run: LiveRun, current: () => boolean): Promise<void> {
    const { name } = run;
    const place = this.#places.get(name);
    if (place !== undefined && run.behind !== null) {
      const { behind } = run;
      run.behind = null;
      // If this does not come to its end, the next attempt starts anew.
      this.#places.delete(name);
      const cursor = await fetchHistory(name, behind, (block) => run.series.append(block));
      if (current()) this.#places.set(name, `${cursor}.${place.split(".")[2] ?? "0"}`);
    } else if (place === undefined) {
      const series = new Series();
      const log = await fetchLog(name).catch(noSuchRun);
      if (!log) {
        run.gone = true;
        this.#places.set(name, "0.0.0");
        return;
      }
      // Shown while it loads, unless there is something to show already.
      if (run.series.length === 0) run.series = series;
      const cursor = await fetchHistory(name, null, (block) => {
        series.append(block);
        this.#changed();
      });
      if (!current()) return;
      Object.assign(run, { series, log: log.text, gone: false, loaded: true });
      this.#places.set(name, `${cursor}.${log.next}`);
    }
    this.#changed();
  }

  #listen(source: EventSource, names: readonly string[]): void {
    const on = <E extends keyof ServerEvents>(event: E, handle: (data: ServerEvents[E]) => void) =>
      source.addEventListener(event, (message: MessageEvent<string>) => {
        for (const [i, place] of message.lastEventId.split(",").entries())
          if (names[i] !== undefined) this.#places.set(names[i], place);
        handle(JSON.parse(message.data) as ServerEvents[E]);
        this.#changed();
      });
    on("session", (session) => {
      this.session = session;
    });
    on("runs", (runs) => {
      this.runs = runs;
    });
    on("run", (summary) => this.#updateSummary(summary));
    on("gone", ({ run }) => {
      this.runs = this.runs?.filter(({ name }) => name !== run) ?? null;
      const watched = this.#watched.get(run);
      if (watched) watched.gone = true;
    });
    on("detail", ({ run, detail }) => {
      const watched = this.#watched.get(run);
      if (watched) Object.assign(watched, { detail, gone: false });
    });
    on("rows", ({ run, rows }) => this.#watched.get(run)?.series.appendRows(rows));
    on("log", ({ run, text }) => {
      const watched = this.#watched.get(run);
      if (watched) watched.log = (watched.log + text).slice(-mostLogCharacters);
    });
    on("history", ({ run, cursor }) => {
      const watched = this.#watched.get(run);
      if (!watched) return;
      if (cursor === null) this.#places.delete(run);
      else watched.behind = cursor;
      this.#connect();
    });
  }

  #updateSummary(summary: RunSummary): void {
    const others = this.runs?.filter(({ name }) => name !== summary.name) ?? [];
    this.runs = [...others, summary].sort((a, b) => (a.name < b.name ? 1 : -1));
    const watched = this.#watched.get(summary.name);
    if (!watched) return;
    if (watched.gone) {
      // It has come into being: look again.
      watched.gone = false;
      this.#places.delete(summary.name);
      queueMicrotask(() => this.#connect());
    }
    if (watched.detail) watched.detail = { ...watched.detail, summary };
  }

  #retry(): void {
    this.#noticeLoss();
    // An EventSource does not tell what the answer was.
    getJson("api/session").then(
      () => this.#setRefusal(null),
      (error: unknown) =>
        this.#setRefusal(error instanceof RequestError && /token/.test(error.message) ? error.message : null),
    );
    const generation = this.#generation;
    setTimeout(() => {
      if (generation === this.#generation) this.#connect();
    }, retryMs);
  }

  #setRefusal(refusal: string | null): void {
    if (this.refusal === refusal) return;
    this.refusal = refusal;
    this.#changed();
  }

  #noticeLoss(): void {
    if (this.#lossTimer !== undefined || this.connection === "lost") return;
    this.#lossTimer = setTimeout(() => this.#setConnection("lost"), patienceMs);
  }

  #setConnection(connection: Connection): void {
    clearTimeout(this.#lossTimer);
    this.#lossTimer = undefined;
    this.connection = connection;
    this.#changed();
  }

  #changed(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      for (const listener of this.#listeners) listener();
    });
  }
}

function emptyRun(name: string): LiveRun {
  return { name, series: new Series(), detail: null, log: "", gone: false, loaded: false, behind: null };
}

function noSuchRun(error: unknown): null {
  if (error instanceof RequestError && /no such run/.test(error.message)) return null;
  throw error;
}
