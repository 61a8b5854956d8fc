// The page's server: the built pages, the runs in a folder, and commands to those that train.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { SessionTraining } from "../protocol/api.js";
import { UserError } from "../system/errors.js";
import { webFolder } from "../system/webAssets.js";
import { Api } from "./api.js";
import { BrowserModels } from "./browserModels.js";
import { clientOf } from "./clients.js";
import { Connections } from "./connections.js";
import { EventHub } from "./events.js";
import { Frames } from "./frames.js";
import { HttpError, sendError } from "./http.js";
import { defaultPort, portsToTry } from "./port.js";
import { Runs } from "./runs.js";
import { checkHolder, checkSite, isHolder, newToken, setSecurityHeaders } from "./security.js";
import { StaticFiles } from "./static.js";

const loopback = "127.0.0.1";

/** Of a request: its first lines, and all of it, body included. */
const deadlines = { headersTimeout: 8_000, requestTimeout: 15_000, connectionsCheckingInterval: 1_000 };
const mostConnections = 512;

export interface ServeOptions {
  /** The folder of runs, or one run. */
  folder: string;
  /** Address to listen on. Default: this machine alone. */
  host?: string | undefined;
  /** 0: any free one. Default: `defaultPort`, or one of the next if it is taken. */
  port?: number | undefined;
  /** Whether reading needs the token as well. */
  isPrivate?: boolean | undefined;
  training?: SessionTraining | null;
}

export interface RunningServer {
  /** The page's address with the token in it. */
  url: string;
  token: string;
  /** Tells the pages how the training is going that the server was started by. */
  setTraining(training: SessionTraining | null): void;
  close(): Promise<void>;
}

/** @throws UserError when the port is taken or the address is not this machine's */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { folder, host = loopback, isPrivate = false, training = null } = options;
  const token = newToken();
  const runs = await Runs.open(folder);
  const hub = new EventHub(runs, { folder, training });
  const frames = new Frames();
  const api = new Api({ runs, hub, frames, token, filmsNeedToken: !isLoopback(host) });
  const pages = await StaticFiles.open(webFolder());
  if (!pages.has("/dashboard.html"))
    throw new UserError("the pages are not built yet; run `npm run setup` in the project's folder");

  const models = new BrowserModels({ runs, frames, pages });
  const server = createServer(deadlines, (request, response) => {
    setSecurityHeaders(response);
    if (isHolder(request, token)) connections.keep(request.socket);
    answer({ request, response, api, models, pages, host, token, isPrivate }).catch((error: unknown) => {
      if (!(error instanceof HttpError) && !response.headersSent)
        process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      sendError(response, error);
    });
  });
  const connections = new Connections(server, { most: mostConnections });
  const port = await listen(server, { host, port: options.port });
  return {
    url: `http://${shownHost(host)}:${port}/#token=${token}`,
    token,
    setTraining: (now) => {
      hub.session = { ...hub.session, training: now };
    },
    close: () =>
      new Promise((resolve) => {
        hub.close();
        frames.close();
        models.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Answer {
  request: IncomingMessage;
  response: ServerResponse;
  api: Api;
  models: BrowserModels;
  pages: StaticFiles;
  host: string;
  token: string;
  isPrivate: boolean;
}

async function answer(options: Answer): Promise<void> {
  const { request, response, api, models, pages, host, token, isPrivate } = options;
  checkSite(request, [host]);
  // Taken as it is: resolving dots is what a traversal hopes for.
  const [path = "/", search = ""] = (request.url ?? "/").split("?", 2);
  const query = new URLSearchParams(search);
  // The pages themselves show nothing of a run, and have to be there to take the token.
  if (isPrivate && /^\/(?:api|browser)\//.test(path) && path !== "/api/login") checkHolder(request, token);
  if (path.startsWith("/api/")) {
    await api.handle({ request, response, query }, path);
    return;
  }
  if (request.method !== "GET" && request.method !== "HEAD")
    throw new HttpError(405, "only GET here", { allow: "GET" });
  if (path.startsWith("/browser/")) {
    await models.send(response, path.slice("/browser/".length), clientOf(request, token));
    return;
  }
  await pages.send(response, path === "/" ? "/dashboard.html" : path);
}

async function listen(
  server: Server,
  { host, port }: { host: string; port: number | undefined },
): Promise<number> {
  const wanted = port === undefined ? Array.from({ length: portsToTry }, (_, i) => defaultPort + i) : [port];
  for (const candidate of wanted) {
    const error = await tryPort(server, host, candidate);
    if (!error) return (server.address() as AddressInfo).port;
    if (error.code === "EADDRINUSE") continue;
    if (error.code === "EACCES")
      throw new UserError(`--port ${candidate}: not allowed; choose one above 1023`);
    throw new UserError(
      `--host ${host}: cannot listen there (${error.code}); leave it out for this machine alone`,
    );
  }
  throw new UserError(
    port === undefined
      ? `the ports ${defaultPort} to ${defaultPort + portsToTry - 1} are taken; choose another with --port`
      : `--port ${port} is taken; choose another, or leave it out`,
  );
}

function tryPort(server: Server, host: string, port: number): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const onError = (error: NodeJS.ErrnoException) => resolve(error);
    server.once("error", onError);
    server.listen(port, host, () => {
      server.off("error", onError);
      resolve(null);
    });
  });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** As an address in a browser: an address that stands for all of the machine's is no destination. */
function shownHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}
