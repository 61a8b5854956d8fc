// Who may ask for what. Reading is open to whoever reaches the server, which listens on this machine alone unless told
// otherwise; what changes something needs the token. A page of another site reaches neither.

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

/** @throws HttpError 401 unless the request shows the token */
export function checkToken({ headers }: IncomingMessage, token: string): void {
  const shown = /^Bearer (\S+)$/.exec(headers.authorization ?? "")?.[1];
  const digest = (text: string) => createHash("sha256").update(text).digest();
  if (shown === undefined || !timingSafeEqual(digest(shown), digest(token)))
    throw new HttpError(401, "this needs the token: open the address that the server has printed", {
      "www-authenticate": "Bearer",
    });
}

/** The name in a Host header, without port and without the brackets of an IPv6 address. */
function hostName(host: string): string {
  const match = /^\[([^\]]*)\](?::\d+)?$|^([^:]*)(?::\d+)?$/.exec(host);
  return (match?.[1] ?? match?.[2] ?? "").toLowerCase();
}
