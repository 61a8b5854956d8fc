// What people without the token can and cannot do to a server, and to whoever holds the token.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createDiscriminator } from "../../src/networks/registry.js";
import { writeSnapshot } from "../../src/networks/snapshot.js";
import type { FromChild } from "../../src/server/child.js";
import { Budgets } from "../../src/server/clients.js";
import { Connections } from "../../src/server/connections.js";
import { serve } from "../../src/server/server.js";
import { describeTiny, tinyGenerator } from "../synthesis/tiny.js";
import { makeRun, TestServer, view } from "./helpers.js";

const stranger = { isHolder: false, name: "10.0.0.1" };
const holder = { isHolder: true, name: "holder" };

describe("computing without the token", () => {
  it("ends when what there is for one, or for all, is spent, and comes back with time", () => {
    let now = 0;
    const budgets = new Budgets(() => now);
    budgets.spend(stranger, 31_000);
    expect(() => budgets.check(stranger)).toThrow(/without the token/);
    budgets.check({ isHolder: false, name: "10.0.0.2" });
    budgets.spend({ isHolder: false, name: "10.0.0.2" }, 29_500);
    expect(() => budgets.check({ isHolder: false, name: "10.0.0.3" })).toThrow(/without the token/);
    budgets.spend(holder, 1e9);
    budgets.check(holder);
    now += 6000;
    budgets.check(stranger);
  });

  const post = (server: TestServer, what: string, body: unknown, headers = {}) =>
    server.ask(`/api/runs/a/snapshots/network-snapshot-000000.safetensors/${what}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });

  it("makes no long films", async () => {
    const server = await TestServer.start();
    makeRun(server.path("a"));
    const long = await post(server, "film", film(24, 120));
    expect([long.status, long.text]).toEqual([403, expect.stringContaining("need the token")]);
    const bearer = { authorization: `Bearer ${server.server.token}` };
    expect((await post(server, "film", film(24, 120), bearer)).status).toBe(404); // no such snapshot
    expect((await post(server, "film", film(2, 20))).status).toBe(404);
  });

  it("makes no film at all where others than this machine's users reach the server", async () => {
    const server = await TestServer.start();
    makeRun(server.path("a"));
    const open = await serve({ folder: server.folder, host: "0.0.0.0", port: 0 });
    onTestFinished(() => open.close());
    server.server = { ...open, close: async () => {} };
    expect((await post(server, "film", film(2, 2))).status).toBe(401);
    expect((await post(server, "picture", view)).status).toBe(404);
    const bearer = { authorization: `Bearer ${open.token}` };
    expect((await post(server, "film", film(2, 2), bearer)).status).toBe(404);
  });
});

describe("a private server", () => {
  it("shows nothing without the token or the cookie that stands for it; to change needs the token itself", async () => {
    const server = await TestServer.start();
    makeRun(server.path("a"));
    const own = await serve({ folder: server.folder, port: 0, isPrivate: true });
    onTestFinished(() => own.close());
    server.server = { ...own, close: async () => {} };
    for (const path of [
      "/api/runs",
      "/api/events",
      "/api/runs/a/files/reals.png",
      "/api/session",
      "/browser/a/b/",
    ])
      expect((await server.ask(path)).status, path).toBe(401);
    expect((await server.ask("/")).status).toBe(200);
    const bearer = { authorization: `Bearer ${own.token}` };
    expect((await server.ask("/api/login", { method: "POST" })).status).toBe(401);
    const login = await server.ask("/api/login", { method: "POST", headers: bearer });
    const [set = ""] = login.headers["set-cookie"] as string[];
    expect([login.status, set]).toEqual([204, expect.stringMatching(/HttpOnly; SameSite=Strict/)]);
    const cookie = set.split(";")[0] as string;
    for (const headers of [bearer, { cookie }, { cookie: `other=1; ${cookie}` }])
      expect((await server.ask("/api/runs", { headers })).status).toBe(200);
    expect((await server.ask("/api/runs", { headers: { cookie: `${cookie}x` } })).status).toBe(401);
    const control = await server.control("a", { command: "pause" }, { authorization: "", cookie });
    expect(control.status).toBe(401);
  });
});

describe("connections", () => {
  it("a newcomer takes the place of one that does nothing, then of a stranger's, never of the holder's", async () => {
    const held: (() => void)[] = [];
    const server = createServer((asked, response) => {
      if (asked.url === "/keep") connections.keep(asked.socket);
      held.push(() => response.end());
    });
    const connections = new Connections(server, { most: 4 });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const open = async (path?: string) => {
      const socket = connect(port, "127.0.0.1").on("error", () => {});
      await once(socket, "connect");
      const ended = { value: false };
      socket.once("close", () => {
        ended.value = true;
      });
      if (path) {
        const count = held.length;
        socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
        while (held.length === count) await setTimeout(5);
      }
      return ended;
    };
    const keeper = await open("/keep");
    const [asking, idle, other] = [await open("/"), await open(), await open("/")];
    const gone = async (connection: { value: boolean }) => {
      for (let i = 0; i < 400 && !connection.value; i++) await setTimeout(5);
      return connection.value;
    };
    await open("/");
    expect(await gone(idle)).toBe(true);
    expect([keeper.value, asking.value, other.value]).toEqual([false, false, false]);
    await open("/");
    expect(await gone(asking)).toBe(true);
    expect([keeper.value, other.value]).toEqual([false, false]);
  });

  it("a body that does not come ends the request", { timeout: 40_000 }, async () => {
    const server = await TestServer.start();
    const socket = connect(server.port, "127.0.0.1").on("error", () => {});
    socket.write("POST /api/runs/a/control HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n");
    socket.write(`content-type: application/json\r\nauthorization: Bearer ${server.server.token}\r\n\r\n{`);
    const start = performance.now();
    await once(socket.resume(), "close");
    expect(performance.now() - start).toBeLessThan(25_000);
  });
});

function film(keyframes: number, framesBetween: number) {
  const views = Array.from({ length: keyframes }, (_, seed) => ({ ...view, seed }));
  return { keyframes: views, framesBetween, fps: 24, loop: false, format: "webp" };
}

// 600, 200 and 10 with STYLEGAN_LOAD=full.
const isFull = process.env.STYLEGAN_LOAD === "full";
const crowd = isFull ? { idle: 600, readers: 200, films: 10 } : { idle: 530, readers: 60, films: 4 };

describe(`a server under ${crowd.idle} connections, ${crowd.readers} silent readers and ${crowd.films} film makers`, () => {
  let folder: string;
  const sockets: Socket[] = [];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "stylegan-crowd-"));
    const run = join(folder, "a");
    makeRun(run, { ticks: 2000 });
    const description = describeTiny("stylegan2");
    const networks = { G_ema: tinyGenerator("stylegan2"), D: createDiscriminator(description) };
    const info = { description, curNimg: 1000, classNames: [] };
    writeSnapshot(join(run, "network-snapshot-000001.safetensors"), networks, info);
    for (const network of Object.values(networks)) network.dispose();
    return () => rmSync(folder, { recursive: true });
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
  });

  it("serves the token's holder pictures in less than 2 s, and stays below 350 MB", async () => {
    const { child, url } = await started(folder);
    onTestFinished(() => void child.kill("SIGKILL"));
    const { port, hash } = new URL(url);
    const authorization = `Bearer ${hash.replace("#token=", "")}`;
    const ask = (path: string, body: unknown, headers = {}) => asked(Number(port), path, body, headers);
    const snapshot = "/api/runs/a/snapshots/network-snapshot-000001.safetensors";
    const picture = () => ask(`${snapshot}/picture`, view, { authorization });
    expect((await picture()).status).toBe(200); // libtorch and the network are there now
    const alone = await medianTime(5, picture);

    const open = (text: string) => {
      const socket = connect(Number(port), "127.0.0.1").on("error", () => {});
      socket.write(text);
      sockets.push(socket.pause());
    };
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
    for (let i = 0; i < crowd.readers; i++) open(get("/api/events?run=a"));
    for (let i = 0; i < crowd.idle; i++)
      open(i % 3 === 0 ? "" : i % 3 === 1 ? "GET / HT" : get("/api/runs/a/history"));
    const films = Array.from({ length: crowd.films }, () => ask(`${snapshot}/film`, film(24, 20)));
    await setTimeout(1500);
    const times = await medianTime(9, async () => expect((await picture()).status).toBe(200));
    expect(times).toBeLessThan(2000);
    expect((await ask("/api/runs", undefined)).status).toBe(200);
    // One film is made at a time, one may wait for each address, and the rest is told to come again.
    const refused = (await Promise.race([Promise.all(films), setTimeout(100)])) ?? [];
    for (const { status } of refused) expect([200, 429, 503]).toContain(status);
    const peakMb = peakOf(child);
    if (isFull)
      console.log(
        `picture: ${alone.toFixed(0)} ms alone, ${times.toFixed(0)} ms; peak ${peakMb.toFixed(0)} MB`,
      );
    expect(peakMb).toBeLessThan(350);
  });
});

/** The server beside a training, of the built program: as a process of its own, its memory can be told. */
async function started(folder: string): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(fileURLToPath(new URL("../../dist/src/server/child.js", import.meta.url)));
  child.send({ type: "serve", folder, port: 0 });
  const [answer] = (await once(child, "message")) as [FromChild];
  if (answer.type !== "ready") throw new Error(answer.message);
  return { child, url: answer.url };
}

function asked(port: number, path: string, body: unknown, headers: object): Promise<{ status: number }> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST";
    const asking = request(
      { port, host: "127.0.0.1", path, method, headers: { "content-type": "application/json", ...headers } },
      (response) => {
        response.resume().on("end", () => resolve({ status: response.statusCode ?? 0 }));
      },
    );
    asking.on("error", reject);
    asking.end(body === undefined ? "" : JSON.stringify(body));
  });
}

async function medianTime(count: number, work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[count >> 1] as number;
}

function peakOf({ pid }: ChildProcess): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}
