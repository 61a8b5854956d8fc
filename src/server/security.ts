// Who may ask for what. Reading is open to whoever reaches the server, which listens on this machine alone unless told
// otherwise, and unless it is private; what changes something needs the token. A page of another site reaches neither.

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { HttpError } from "./http.js";

export function newToken(): string {
  return randomBytes(24).toString("base64url");
}

const policy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export function setSecurityHeaders(response: ServerResponse): void {
  response.setHeader("content-security-policy", policy);
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("referrer-policy", "no-referrer");
  response.setHeader("cross-origin-resource-policy", "same-origin");
  // Cross-origin isolation: what threads of WebAssembly ask for.
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("cross-origin-embedder-policy", "require-corp");
}

/**
 * Refuses requests of other sites: by their Origin, and by a Host that is some site's name, since a name can be made to
 * mean this machine (DNS rebinding) where an address cannot.
 * @param names host names that the server goes by beside this machine's own
 */
export function checkSite({ headers }: IncomingMessage, names: readonly string[] = []): void {
  const { host = "", origin } = headers;
  const own = ["localhost", hostname().toLowerCase(), ...names.map((name) => name.toLowerCase())];
  const name = hostName(host);
  if (isIP(name) === 0 && !own.includes(name))
    throw new HttpError(403, `this server is not ${name || "without a name"}; open it by its address`);
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`)
    throw new HttpError(403, `requests of ${origin} are refused`);
  const site = headers["sec-fetch-site"];
  // A link from elsewhere may open the page, and nothing else.
  const opensPage = headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
  if (site !== undefined && !["same-origin", "none"].includes(String(site)) && !opensPage)
    throw new HttpError(403, "requests of other sites are refused");
}

/** @throws HttpError 401 unless the request shows the token itself: a cookie comes with requests that nobody meant */
export function checkToken(request: IncomingMessage, token: string): void {
  if (!isToken(bearerOf(request), token)) throw needsToken();
}

/** @throws HttpError 401 unless the request is the token's holder's */
export function checkHolder(request: IncomingMessage, token: string): void {
  if (!isHolder(request, token)) throw needsToken();
}

/** Whether the request shows the token, or the cookie that stands for it where a page cannot: pictures, events. */
export function isHolder(request: IncomingMessage, token: string): boolean {
  return isToken(bearerOf(request), token) || isToken(cookieOf(request), token);
}

/** What makes the requests of a page the holder's; no script can read it. */
export function holderCookie(request: IncomingMessage, token: string): string {
  return `${cookieName(request)}=${token}; HttpOnly; SameSite=Strict; Path=/`;
}

function needsToken(): HttpError {
  return new HttpError(401, "this needs the token: open the address that the server has printed", {
    "www-authenticate": "Bearer",
  });
}

function isToken(shown: string | undefined, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return shown !== undefined && timingSafeEqual(digest(shown), digest(token));
}

function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer (\S+)$/.exec(headers.authorization ?? "")?.[1];
}

/** Cookies are shared by all ports of a host. */
function cookieName({ socket }: IncomingMessage): string {
  return `stylegan-${socket.localPort}`;
}

function cookieOf(request: IncomingMessage): string | undefined {
  const name = cookieName(request);
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const [key, value] = part.trim().split("=", 2);
    if (key === name) return value;
  }
  return undefined;
}

/** The name in a Host header, without port and without the brackets of an IPv6 address. */
function hostName(host: string): string {
  const match = /^\[([^\]]*)\](?::\d+)?$|^([^:]*)(?::\d+)?$/.exec(host);
  return (match?.[1] ?? match?.[2] ?? "").toLowerCase();
}
