// Pages in a real browser without a screen, cut off from every host but this machine.

import { createReadStream, statSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { findBrowser } from "../../scripts/setup/browser.mjs";

/** A page and what it did so far. */
export interface OpenPage {
  page: Page;
  /** Addresses asked for on other hosts than `origin`; the browser cannot reach them. */
  foreignRequests: string[];
  /** Uncaught errors, and what it wrote to the console as errors. */
  errors: string[];
}

/**
 * One headless browser for the tests of a file. Call it at the top level of the file.
 * @param flags further command-line flags of Chromium
 * @returns opens an address in a fresh profile, which is closed after the test
 */
export function useBrowser(
  ...flags: string[]
): (url: string, options?: BrowserContextOptions) => Promise<OpenPage> {
  let browser: Browser;
  beforeAll(async () => {
    const executablePath = findBrowser();
    if (executablePath === null) throw new Error("no Chromium is installed; npm test installs it");
    // Names of other hosts do not resolve, whatever the machine's network could reach.
    const offline = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1";
    browser = await chromium.launch({ executablePath, args: [offline, ...flags] });
  });
  afterAll(async () => browser?.close());

  return async (url, options) => {
    const context = await browser.newContext(options);
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const { origin } = new URL(url);
    const foreignRequests: string[] = [];
    const errors: string[] = [];
    const isLocal = (address: string) => /^(data|blob):/.test(address) || new URL(address).origin === origin;
    context.on("request", (request) => {
      if (!isLocal(request.url())) foreignRequests.push(request.url());
    });
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    await page.goto(url);
    return { page, foreignRequests, errors };
  };
}

/** Serves until the test is over; returns the address, without a slash at its end. */
export async function listen(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".png": "image/png",
  ".svg": "image/svg+xml",
};

/**
 * A plain file server for `folder`: no header but type and length, as any static host has it.
 * @param broken what comes instead of a file, for paths that it has an answer for
 */
export function serveFolder(
  folder: string,
  broken: (path: string) => { status: number; body: string } | undefined = () => undefined,
): Promise<string> {
  return listen((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    const instead = broken(path);
    if (instead) {
      response.writeHead(instead.status).end(instead.body);
      return;
    }
    const file = join(folder, path.endsWith("/") ? `${path}index.html` : path);
    const stats = statSync(file, { throwIfNoEntry: false });
    if (!stats?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      "content-type": types[extname(file)] ?? "application/octet-stream",
      "content-length": stats.size,
    });
    createReadStream(file).pipe(response);
  });
}
