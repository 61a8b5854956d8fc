// Requests to the server.

import type { ApiError, HistoryBlock, HistoryEnd } from "../../src/protocol/api.js";
import type { CommandRequest } from "../../src/protocol/control.js";

const tokenKey = "stylegan-token";

/** Takes the token out of the address, where a glance or a bookmark would find it, for as long as the tab lives. */
export function takeToken(): void {
  const match = /^#token=([\w-]+)$/.exec(location.hash);
  if (!match) return;
  sessionStorage.setItem(tokenKey, match[1] as string);
  history.replaceState(null, "", `${location.pathname}${location.search}#/`);
}

/** Whether this page may change something. */
export const hasToken = () => sessionStorage.getItem(tokenKey) !== null;

/** Makes pictures and events, which cannot show the token themselves, come with it: by a cookie that no script reads. */
export async function logIn(): Promise<void> {
  const token = sessionStorage.getItem(tokenKey);
  if (token === null) return;
  // What then goes wrong is said by what is asked for next.
  await fetch("api/login", { method: "POST", headers: { authorization: `Bearer ${token}` } }).catch(() => {});
}

export class RequestError extends Error {
  override name = "RequestError";
}

const runAddress = (run: string) => `api/runs/${encodeURIComponent(run)}`;

export function fileAddress(run: string, name: string, version?: string): string {
  const mark = version === undefined ? "" : `?${encodeURIComponent(version)}`;
  return `${runAddress(run)}/files/${encodeURIComponent(name)}${mark}`;
}

async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  const { error } = (await response.json().catch(() => ({ error: response.statusText }))) as ApiError;
  throw new RequestError(error);
}

async function reached(request: Promise<Response>): Promise<Response> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new RequestError("the server cannot be reached");
  }
}

export async function postJson(address: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const response = await reached(
    fetch(address, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${sessionStorage.getItem(tokenKey) ?? ""}`,
      },
      body: JSON.stringify(body),
      ...(signal ? { signal } : {}),
    }),
  );
  return checked(response);
}

export async function getJson<T>(address: string): Promise<T> {
  return (await (await checked(await reached(fetch(address)))).json()) as T;
}

/** Asks something of a run that trains; returns the id that its answer in the events will have. */
export async function control(run: string, request: CommandRequest): Promise<string> {
  const response = await postJson(`${runAddress(run)}/control`, request);
  return ((await response.json()) as { id: string }).id;
}

/** The address of a snapshot's generator. */
export function snapshotAddress(run: string, snapshot: string): string {
  return `${runAddress(run)}/snapshots/${encodeURIComponent(snapshot)}`;
}

export function fetchLog(run: string): Promise<{ text: string; next: number }> {
  return getJson(`${runAddress(run)}/log`);
}

/** A run's statistics after `from`, block by block; returns where they end. */
export async function fetchHistory(
  run: string,
  from: string | null,
  onBlock: (block: HistoryBlock) => void,
): Promise<string> {
  const query = from === null ? "" : `?from=${from}`;
  const response = await checked(await reached(fetch(`${runAddress(run)}/history${query}`)));
  let cursor = "0.0";
  let rest = "";
  const decoder = new TextDecoder();
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() as string;
    for (const line of lines) {
      const item = JSON.parse(line) as HistoryBlock | HistoryEnd;
      if ("cursor" in item) cursor = item.cursor;
      else onBlock(item);
    }
    if (done) return cursor;
  }
}
