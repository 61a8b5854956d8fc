// The server's API: what a page can ask for, and of a run that trains.

import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { z } from "zod";
import { type Command, commandRequestSchema, type Setting, type Settings } from "../protocol/control.js";
import { type FilmRequest, filmRequestSchema, pictureViewSchema } from "../protocol/explore.js";
import { runFiles } from "../protocol/runFiles.js";
import { isInRange, rangeText } from "../system/numberRange.js";
import { appendToOwn } from "../system/regularFile.js";
import { clientOf } from "./clients.js";
import type { EventHub } from "./events.js";
import { openFile } from "./files.js";
import type { FrameJob } from "./frameMessages.js";
import type { Frames } from "./frames.js";
import { history, parseCursor } from "./history.js";
import { decoded, drained, HttpError, readJson, sendJson, wholeFile } from "./http.js";
import { isPublic, type Run, type Runs } from "./runs.js";
import { checkHolder, checkToken, holderCookie, isHolder } from "./security.js";
import { snapshotFile } from "./snapshotFile.js";
import { logTail } from "./watch.js";

export interface ApiOptions {
  runs: Runs;
  hub: EventHub;
  frames: Frames;
  token: string;
  /** Whether films need the token: others than this machine's users reach the server. */
  filmsNeedToken: boolean;
}

/** Frames of a film that is made for somebody without the token. */
const mostFramesOfStrangers = 480;

interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
}

type RunHandler = (call: Call, run: Run, name: string) => Promise<void>;

interface Route {
  method: "GET" | "POST";
  /** The part of the path after the run's name; its group is `name`. */
  pattern: RegExp;
  /** It changes nothing, although its question needs a body. */
  isOpen?: true;
  handle: RunHandler;
}

export class Api {
  readonly #options: ApiOptions;
  readonly #routes: readonly Route[];

  constructor(options: ApiOptions) {
    this.#options = options;
    const { runs } = options;
    this.#routes = [
      {
        method: "GET",
        pattern: /^$/,
        handle: async ({ response }, run) => sendJson(response, await runs.detail(run)),
      },
      { method: "GET", pattern: /^\/history$/, handle: sendHistory },
      {
        method: "GET",
        pattern: /^\/log$/,
        handle: async ({ response }, run) => sendJson(response, await logTail(run)),
      },
      { method: "GET", pattern: /^\/files\/([^/]+)$/, handle: sendFile },
      {
        method: "GET",
        pattern: /^\/snapshots\/([^/]+)$/,
        handle: async (call, run, name) =>
          sendJson(
            call.response,
            await this.#compute(call, { kind: "facts", file: await snapshotFile(run, name) }),
          ),
      },
      {
        method: "POST",
        pattern: /^\/snapshots\/([^/]+)\/picture$/,
        isOpen: true,
        handle: async (call, run, name) => {
          const view = parsed(pictureViewSchema, await readJson(call.request));
          const file = await snapshotFile(run, name);
          sendBytes(call.response, await this.#compute(call, { kind: "picture", file, view }), "image/png");
        },
      },
      {
        method: "POST",
        pattern: /^\/snapshots\/([^/]+)\/film$/,
        isOpen: true,
        handle: async (call, run, name) => {
          if (options.filmsNeedToken) checkHolder(call.request, options.token);
          const film = parsed(filmRequestSchema, await readJson(call.request));
          if (!isHolder(call.request, options.token)) checkLength(film);
          const file = await snapshotFile(run, name);
          const type = film.format === "mp4" ? "video/mp4" : `image/${film.format}`;
          sendBytes(call.response, await this.#compute(call, { kind: "film", file, film }), type);
        },
      },
      { method: "POST", pattern: /^\/control$/, handle: (call, run) => this.#control(call, run) },
    ];
  }

  /** @throws HttpError that says what is wrong with the request */
  async handle(call: Call, path: string): Promise<void> {
    const { request, response, query } = call;
    const { runs, hub } = this.#options;
    if (path === "/api/events")
      return only("GET", request, () =>
        hub.connect(request, response, { query, isHolder: isHolder(request, this.#options.token) }),
      );
    if (path === "/api/login") return only("POST", request, async () => this.#logIn(call));
    if (path === "/api/session") return only("GET", request, async () => sendJson(response, hub.session));
    if (path === "/api/runs") return only("GET", request, async () => sendJson(response, await runs.list()));

    const match = /^\/api\/runs\/([^/]+)(.*)$/.exec(path);
    const rest = match?.[2] ?? "";
    const routes = match ? this.#routes.filter(({ pattern }) => pattern.test(rest)) : [];
    const [first] = routes;
    if (!match || !first) throw new HttpError(404, "there is no such address");
    const route = routes.find(({ method }) => method === request.method);
    if (!route) throw new HttpError(405, `only ${first.method} here`, { allow: first.method });
    if (route.method === "POST" && !route.isOpen) checkToken(request, this.#options.token);
    const run = await runs.find(decoded(match[1] as string));
    if (!run) throw new HttpError(404, "there is no such run");
    await route.handle(call, run, decoded(route.pattern.exec(rest)?.[1] ?? ""));
  }

  /** From now on the requests of the page are the holder's, those too that cannot show the token themselves. */
  #logIn({ request, response }: Call): void {
    checkToken(request, this.#options.token);
    response.writeHead(204, { "set-cookie": holderCookie(request, this.#options.token) }).end();
  }

  /** Work whose result nobody waits for any more is not begun, and a film not gone on with. */
  #compute({ request, response }: Call, job: FrameJob): Promise<unknown> {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    return this.#options.frames.run(job, clientOf(request, this.#options.token), gone.signal);
  }

  /** Writes a command for the trainer, which answers in stats.jsonl. */
  async #control({ request, response }: Call, run: Run): Promise<void> {
    const asked = parsed(commandRequestSchema, await readJson(request));
    const { status } = await this.#options.runs.summary(run);
    if (status !== "training" && status !== "paused")
      throw new HttpError(409, "nothing trains this run now; train --resume goes on with it");
    if (asked.command === "set") checkSettings(asked.settings, await this.#options.runs.settings(run));
    const command: Command = { id: randomUUID(), ...asked };
    try {
      appendToOwn(join(run.path, runFiles.control), `${JSON.stringify(command)}\n`);
    } catch {
      throw new HttpError(409, `the run's ${runFiles.control} cannot be written`);
    }
    sendJson(response, { id: command.id }, 202);
  }
}

/** @throws HttpError 400 for a value that the trainer would refuse */
function checkSettings(values: Settings, settings: readonly Setting[]): void {
  for (const [name, value] of Object.entries(values)) {
    const range = settings.find((setting) => setting.name === name)?.range;
    if (!range) throw new HttpError(400, `${name} cannot be changed in this run`);
    if (!isInRange(range, value)) throw new HttpError(400, `${name}: ${value} is not ${rangeText(range)}`);
  }
}

function checkLength({ keyframes, framesBetween, loop }: FilmRequest): void {
  const frames = (keyframes.length - (loop ? 0 : 1)) * framesBetween;
  if (frames > mostFramesOfStrangers)
    throw new HttpError(
      403,
      `films of more than ${mostFramesOfStrangers} frames need the token: open the address that the server has printed`,
    );
}

async function only(method: string, request: IncomingMessage, handle: () => Promise<void>): Promise<void> {
  if (request.method !== method) throw new HttpError(405, `only ${method} here`, { allow: method });
  await handle();
}

/** @throws HttpError 400 that names the first thing wrong */
export function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue && issue.path.length > 0 ? `${issue.path.join(".")}: ` : "";
  throw new HttpError(400, `${where}${issue?.message ?? "not understood"}`);
}

async function sendHistory({ response, query }: Call, run: Run): Promise<void> {
  response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  for await (const block of history(run, parseCursor(query.get("from")))) {
    if (!response.write(`${JSON.stringify(block)}\n`)) await drained(response);
  }
  response.end();
}

function sendBytes(response: ServerResponse, bytes: unknown, type: string): void {
  const body = Buffer.from(bytes as Uint8Array);
  response
    .writeHead(200, { "content-type": type, "content-length": body.length, "cache-control": "no-store" })
    .end(body);
}

async function sendFile({ request, response }: Call, run: Run, name: string): Promise<void> {
  const handle = isPublic(name) ? await openFile(join(run.path, name)) : null;
  if (!handle) throw new HttpError(404, "there is no such file");
  try {
    const { size, mtimeMs } = await handle.stat();
    const etag = `"${Math.round(mtimeMs)}-${size}"`;
    const isPicture = extname(name) === ".png";
    response.setHeader("etag", etag);
    // A file is replaced under its name when a run is resumed.
    response.setHeader("cache-control", "no-cache");
    if (request.headers["if-none-match"] === etag) {
      response.writeHead(304).end();
      return;
    }
    response.writeHead(200, {
      "content-type": isPicture ? "image/png" : "application/octet-stream",
      "content-length": size,
      ...(isPicture ? {} : { "content-disposition": `attachment; filename="${name}"` }),
    });
    await pipeline(wholeFile(handle, size), response);
  } finally {
    await handle.close();
  }
}
