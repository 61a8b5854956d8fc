// Requests and answers, with their bounds.

import type { FileHandle } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { openFile } from "./files.js";

/** An answer that says what is wrong with the request. */
export class HttpError extends Error {
  override name = "HttpError";
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** Bytes of a request's body at most. */
export const maxBodyBytes = 16 * 1024;

/**
 * The body as JSON.
 * @throws HttpError 415 when it is not declared as JSON, 413 when it is too long, 400 when it is none
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const type = request.headers["content-type"]?.split(";")[0]?.trim();
  if (type !== "application/json") throw new HttpError(415, "the body must be application/json");
  const tooLong = () =>
    new HttpError(413, `the body is longer than ${maxBodyBytes} bytes`, { connection: "close" });
  if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) throw tooLong();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyBytes) throw tooLong();
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch {
    throw new HttpError(400, "the body is no JSON");
  }
}

export function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  const body = Buffer.from(JSON.stringify(value));
  response
    .writeHead(status, {
      "content-type": "application/json",
      "content-length": body.length,
      "cache-control": "no-store",
    })
    .end(body);
}

export function sendError(response: ServerResponse, error: unknown): void {
  const known = error instanceof HttpError ? error : new HttpError(500, "the server has failed at this");
  if (response.headersSent) {
    // Half of an answer is out: breaking it off is all that can be said.
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(known.headers)) response.setHeader(name, value);
  sendJson(response, { error: known.message }, known.status);
}

/** A part of an address without its escapes. @throws HttpError 400 */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new HttpError(400, "the address is not well formed");
  }
}

/** A whole file. @throws HttpError 404 when it is not there */
export async function sendFileAs(
  response: ServerResponse,
  file: string,
  { type, caching }: { type: string; caching: string },
): Promise<void> {
  const handle = await openFile(file);
  if (!handle) throw new HttpError(404, "there is no such file");
  try {
    const { size } = await handle.stat();
    response.writeHead(200, { "content-type": type, "content-length": size, "cache-control": caching });
    await pipeline(wholeFile(handle, size), response);
  } finally {
    await handle.close();
  }
}

/** The bytes that an open file had when it was looked at: more may come. */
export function wholeFile(handle: FileHandle, size: number): Readable {
  return size === 0
    ? Readable.from([])
    : handle.createReadStream({ autoClose: false, start: 0, end: size - 1 });
}

/** Waits until the reader has taken what was written; rejects when it has gone. */
export function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = () => {
      response.off("close", onClose);
      resolve();
    };
    const onClose = () => {
      response.off("drain", onDrain);
      reject(new HttpError(499, "the reader has gone"));
    };
    if (response.destroyed) onClose();
    else response.once("drain", onDrain).once("close", onClose);
  });
}
