import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RunDetail } from "../../src/protocol/api.js";
import { makeRun, setRunning, TestServer, view } from "./helpers.js";

/** A server with one run that trains. */
async function withRun(): Promise<TestServer> {
  const server = await TestServer.start();
  makeRun(server.path("a"));
  setRunning(server.path("a"));
  return server;
}

const pause = { command: "pause" };

describe("requests that change something", () => {
  it("reach the trainer's file with the token, and only with it", async () => {
    const server = await withRun();
    const file = server.path("a", "control.jsonl");
    const refused: [string, Record<string, string>][] = [
      ["wrong", { authorization: "Bearer wrong" }],
      ["none", { authorization: "" }],
      ["another scheme", { authorization: `Basic ${server.server.token}` }],
    ];
    for (const [name, headers] of refused)
      expect((await server.control("a", pause, headers)).status, name).toBe(401);
    expect(existsSync(file)).toBe(false);
    const answer = await server.control("a", { command: "set", settings: { gamma: 2 } });
    expect(answer.status).toBe(202);
    const { id } = answer.json() as { id: string };
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ id, command: "set", settings: { gamma: 2 } });
  });

  it.each([
    ["a foreign origin", 403, pause, { origin: "https://evil.example" }],
    ["this machine at another port", 403, pause, { origin: "http://127.0.0.1:1" }],
    ["no origin that is one", 403, pause, { origin: "null" }],
    ["a site as the browser calls it", 403, pause, { "sec-fetch-site": "cross-site" }],
    ["a rebound name", 403, pause, { host: "evil.example" }],
    ["a rebound name with a port", 403, pause, { host: "127.0.0.1.evil.example:7411" }],
    ["malformed JSON", 400, '{"command":', {}],
    ["JSON of another shape", 400, [1], {}],
    ["an unknown command", 400, { command: "explode" }, {}],
    ["a field too many", 400, { command: "pause", id: "mine" }, {}],
    ["a setting that cannot be", 400, { command: "set", settings: { gamma: -1 } }, {}],
    ["an unknown setting", 400, { command: "set", settings: { batch: 3 } }, {}],
    ["a setting that is no number", 400, '{"command":"set","settings":{"lr":1e999}}', {}],
    ["an oversized body", 413, { command: "pause", filling: "x".repeat(20_000) }, {}],
    ["no JSON by its type", 415, pause, { "content-type": "text/plain" }],
  ])("%s: %i, and nothing is changed", async (_, status, body, headers) => {
    const server = await withRun();
    const answer = await server.control("a", body, headers);
    expect(answer.status).toBe(status);
    expect((answer.json() as { error: string }).error).toMatch(/\w/);
    expect(existsSync(server.path("a", "control.jsonl"))).toBe(false);
  });

  it("an oversized body without a length is cut off", async () => {
    const server = await withRun();
    const headers = { "transfer-encoding": "chunked" };
    const answer = await server.control("a", `{"a":"${"x".repeat(200_000)}"}`, headers).catch(() => null);
    // Either the answer or the end of the connection comes first.
    if (answer) expect(answer.status).toBe(413);
    expect(existsSync(server.path("a", "control.jsonl"))).toBe(false);
    expect((await server.ask("/api/runs")).status).toBe(200);
  });

  it("a link or a pipe in place of control.jsonl: 409, nothing is written elsewhere, and the server answers on", async () => {
    const server = await withRun();
    const elsewhere = join(server.folder, "..", "elsewhere");
    symlinkSync(elsewhere, server.path("a", "control.jsonl"));
    expect((await server.control("a", pause)).status).toBe(409);
    expect(existsSync(elsewhere)).toBe(false);
    rmSync(server.path("a", "control.jsonl"));
    execFileSync("mkfifo", [server.path("a", "control.jsonl")]);
    // As many as there are threads for files, and more: one that waited for a reader would be gone.
    const answers = await Promise.all(Array.from({ length: 12 }, () => server.control("a", pause)));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(409));
    expect((await server.ask("/api/runs/a/log")).status).toBe(200);
  });

  it("a run that nothing trains: 409", async () => {
    const server = await TestServer.start();
    makeRun(server.path("a"));
    expect((await server.control("a", pause)).status).toBe(409);
    writeFileSync(server.path("a", "running.json"), '{"pid":1,');
    expect((await server.control("a", pause)).status).toBe(409);
    expect(existsSync(server.path("a", "control.jsonl"))).toBe(false);
  });

  it("an unknown run: 404; another method: 405", async () => {
    const server = await withRun();
    expect((await server.control("b", pause)).status).toBe(404);
    const { status, headers } = await server.ask("/api/runs/a/control");
    expect([status, headers.allow]).toEqual([405, "POST"]);
    expect((await server.ask("/api/runs", { method: "DELETE" })).status).toBe(405);
    expect((await server.ask("/", { method: "POST" })).status).toBe(405);
    expect((await server.ask("/api/nothing")).status).toBe(404);
  });
});

describe("requests for files", () => {
  it("give out pictures and snapshots of runs, with a mark for the browser's cache", async () => {
    const server = await withRun();
    writeFileSync(server.path("a", "fakes000004.png"), "picture");
    const { status, text, headers } = await server.ask("/api/runs/a/files/fakes000004.png");
    expect([status, text, headers["content-type"]]).toEqual([200, "picture", "image/png"]);
    const again = { headers: { "if-none-match": String(headers.etag) } };
    expect((await server.ask("/api/runs/a/files/fakes000004.png", again)).status).toBe(304);
    writeFileSync(server.path("a", "network-snapshot-000004.safetensors"), "");
    const snapshot = await server.ask("/api/runs/a/files/network-snapshot-000004.safetensors");
    expect([snapshot.status, snapshot.text]).toEqual([200, ""]);
    expect(snapshot.headers["content-disposition"]).toMatch(/^attachment/);
  });

  it.each([
    "/api/runs/../secret/files/reals.png",
    "/api/runs/..%2Fsecret/files/reals.png",
    "/api/runs/%2e%2e/files/reals.png",
    "/api/runs/a/files/..%2F..%2Fsecret%2Freals.png",
    "/api/runs/a/files/training-state.safetensors",
    "/api/runs/a/files/control.jsonl",
    "/api/runs/a%00/files/reals.png",
    "/api/runs/linked/files/reals.png",
    "/api/runs/a/files/fakes000001.png",
    "/api/runs/.hidden/files/reals.png",
    "/browser/..%2Fsecret/network-snapshot-000000.safetensors/",
    "/browser/a/..%2F..%2Fsecret/",
    "/browser/a/network-snapshot-000000.safetensors/",
    "/../package.json",
    "/..%2Fpackage.json",
    "/assets/../../../package.json",
    "//etc/passwd",
  ])("%s leads nowhere", async (path) => {
    const server = await withRun();
    // What must not be reached: a run beside the folder, links to it, and a hidden run.
    const secret = join(server.folder, "..", "secret");
    makeRun(secret);
    for (const folder of [secret, server.path(".hidden")]) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "reals.png"), "secret");
      writeFileSync(join(folder, "training_options.json"), "{}");
    }
    symlinkSync(secret, server.path("linked"));
    symlinkSync(join(secret, "reals.png"), server.path("a", "fakes000001.png"));
    writeFileSync(server.path("a", "training-state.safetensors"), "state");
    const { status, text } = await server.ask(path);
    expect(status).toBe(404);
    expect(text).not.toMatch(/secret|"name"/);
    expect((await server.runs()).map(({ name }) => name)).toEqual(["a"]);
  });

  it("an address that cannot be decoded: 400", async () => {
    const server = await withRun();
    expect((await server.ask("/api/runs/%E0%A4%A/log")).status).toBe(400);
  });

  it("pages come with a policy that lets in nothing foreign", async () => {
    const server = await withRun();
    const { status, headers } = await server.ask("/");
    expect(status).toBe(200);
    expect(headers["content-security-policy"]).toContain("default-src 'none'");
    expect(headers["x-content-type-options"]).toBe("nosniff");
    // Nothing of the token is in the page, which anyone may read.
    expect((await server.ask("/")).text).not.toContain(server.server.token);
  });
});

describe("requests for pictures", () => {
  const film = { keyframes: [view, view], framesBetween: 3, fps: 24, loop: true, format: "webp" };

  it.each([
    ["an unknown snapshot", 404, "network-snapshot-000001.safetensors/picture", view, {}],
    ["another file of the run", 404, "training_options.json/picture", view, {}],
    ["a path that leads out", 404, "..%2F..%2Fsecret.safetensors/picture", view, {}],
    ["a seed that is none", 400, "network-snapshot-000000.safetensors/picture", { ...view, seed: -1 }, {}],
    ["no body", 400, "network-snapshot-000000.safetensors/picture", "", {}],
    ["too long a film", 400, "network-snapshot-000000.safetensors/film", { ...film, framesBetween: 1e6 }, {}],
    [
      "too few keyframes",
      400,
      "network-snapshot-000000.safetensors/film",
      { ...film, keyframes: [view] },
      {},
    ],
    [
      "a foreign origin",
      403,
      "network-snapshot-000000.safetensors/film",
      film,
      { origin: "http://evil.example" },
    ],
  ])("%s: %i", async (_, status, path, body, headers) => {
    const server = await withRun();
    writeFileSync(server.path("a", "network-snapshot-000000.safetensors"), "no snapshot");
    const answer = await server.ask(`/api/runs/a/snapshots/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    expect(answer.status).toBe(status);
  });
});

describe("a folder that is itself a run", () => {
  it("shows that run and none beside it", async () => {
    const outer = await TestServer.start();
    makeRun(outer.path("a"));
    makeRun(outer.path("b"));
    const { serve } = await import("../../src/server/server.js");
    const inner = await serve({ folder: outer.path("a"), port: 0 });
    try {
      const names = async (path: string) => (await fetch(new URL(path, inner.url))).json();
      expect(await names("/api/runs")).toMatchObject([{ name: "a" }]);
      expect(((await names("/api/runs/a")) as RunDetail).summary.name).toBe("a");
      expect((await fetch(new URL("/api/runs/b", inner.url))).status).toBe(404);
    } finally {
      await inner.close();
    }
  });
});
