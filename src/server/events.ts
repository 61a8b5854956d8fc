// Server-sent events: what happens in the runs, to every page that is open. The server remembers nothing of the past:
// where a page is in the files is the id of its last event, and it goes on from there after a lost connection.

import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import type { ServerEvents, Session } from "../protocol/api.js";
import { runFiles } from "../protocol/runFiles.js";
import { fileState } from "./files.js";
import { formatCursor, parseCursor } from "./history.js";
import { HttpError } from "./http.js";
import type { Runs } from "./runs.js";
import { DetailWatch, ListWatch, Look, type Position } from "./watch.js";

const lookEveryMs = 500;
const heartbeatEvery = 30; // looks
// Pages without the token; its holder has places beside them.
const mostStrangers = 200;
const mostHolders = 50;
const mostRunsOfClient = 8;
// A reader that lets this much pile up is cut off, and catches up from the files when it comes back.
const mostPendingBytes = 2 * 1024 * 1024;
// Of all together; beyond it the one that reads least is cut off.
const mostPendingOfAll = 48 * 1024 * 1024;

interface Client {
  response: ServerResponse;
  isHolder: boolean;
  positions: Position[];
}

export class EventHub {
  readonly #runs: Runs;
  readonly #clients = new Set<Client>();
  readonly #list = new ListWatch();
  readonly #details = new DetailWatch();
  #session: Session;
  #timer: NodeJS.Timeout | undefined;
  #looks = 0;
  #closed = false;

  constructor(runs: Runs, session: Session) {
    this.#runs = runs;
    this.#session = session;
  }

  get session(): Session {
    return this.#session;
  }

  set session(session: Session) {
    this.#session = session;
    for (const client of this.#clients) this.#send(client, "session", session);
  }

  /** @throws HttpError when there are too many readers or the address asks for too much */
  async connect(
    request: IncomingMessage,
    response: ServerResponse,
    { query, isHolder }: { query: URLSearchParams; isHolder: boolean },
  ): Promise<void> {
    const alike = [...this.#clients].filter((client) => client.isHolder === isHolder).length;
    if (alike >= (isHolder ? mostHolders : mostStrangers))
      throw new HttpError(503, "too many pages are open");
    const names = query.getAll("run");
    if (names.length > mostRunsOfClient) throw new HttpError(400, `at most ${mostRunsOfClient} runs at once`);
    const lastId = request.headers["last-event-id"];
    const places = (typeof lastId === "string" ? lastId : (query.get("at") ?? "")).split(",");
    const positions = await Promise.all(names.map((name, i) => this.#position(name, places[i] ?? "")));
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write("retry: 1000\n\n");
    const client: Client = { response, isHolder, positions };
    // Before anything is awaited: what happens meanwhile must not be lost.
    this.#clients.add(client);
    response.on("close", () => this.#clients.delete(client));
    this.#send(client, "session", this.#session);
    this.#send(client, "runs", await this.#runs.list());
    for (const { run } of positions) {
      const found = await this.#runs.find(run);
      if (found) this.#send(client, "detail", { run, detail: await this.#runs.detail(found) });
      else this.#send(client, "gone", { run });
    }
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { response } of this.#clients) response.end();
  }

  #cutSlowest(): void {
    let [sum, slowest]: [number, Client | undefined] = [0, undefined];
    for (const client of this.#clients) {
      const { writableLength, destroyed } = client.response;
      if (destroyed) continue;
      sum += writableLength;
      if (writableLength > (slowest?.response.writableLength ?? 0)) slowest = client;
    }
    if (sum > mostPendingOfAll) slowest?.response.destroy();
  }

  /** A place is `inode.offset.log`; without one a reader starts at what is there now. */
  async #position(name: string, place: string): Promise<Position> {
    const run = await this.#runs.find(name);
    const match = /^(\d+\.\d+)\.(\d+)$/.exec(place);
    const log = match
      ? Number(match[2])
      : run
        ? ((await fileState(join(run.path, runFiles.log)))?.size ?? 0)
        : 0;
    return { run: name, stats: parseCursor(match?.[1] ?? null) ?? { inode: 0, offset: 0 }, log };
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closed || this.#clients.size === 0) return;
    this.#timer = setTimeout(async () => {
      try {
        await this.#look();
      } finally {
        this.#timer = undefined;
        this.#schedule();
      }
    }, lookEveryMs);
  }

  async #look(): Promise<void> {
    this.#looks += 1;
    const { changed, gone } = this.#list.changes(await this.#runs.list());
    for (const client of this.#clients) {
      for (const summary of changed) this.#send(client, "run", summary);
      for (const run of gone) this.#send(client, "gone", { run });
      if (this.#looks % heartbeatEvery === 0) client.response.write(": still here\n\n");
    }
    const look = new Look(this.#runs);
    for (const client of this.#clients) {
      for (const position of client.positions) {
        for (const { event, ...news } of await look.news(position)) this.#send(client, event, news as never);
      }
    }
    await this.#lookAtDetails();
  }

  async #lookAtDetails(): Promise<void> {
    const watched = new Set([...this.#clients].flatMap(({ positions }) => positions.map(({ run }) => run)));
    this.#details.keepOnly(watched);
    for (const run of watched) {
      const detail = await this.#details.changed(this.#runs, run);
      if (!detail) continue;
      for (const client of this.#clients)
        if (client.positions.some((position) => position.run === run))
          this.#send(client, "detail", { run, detail });
    }
  }

  #send<E extends keyof ServerEvents>(client: Client, event: E, data: ServerEvents[E]): void {
    const { response, positions } = client;
    if (response.destroyed) return;
    const id = positions
      .map(({ stats, log }) => `${formatCursor(stats ?? { inode: 0, offset: 0 })}.${log}`)
      .join(",");
    response.write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
    if (response.writableLength > mostPendingBytes) response.destroy();
    else if (response.writableLength > response.writableHighWaterMark) this.#cutSlowest();
  }
}
