// What the page's server costs: its memory while a day of events comes in a minute, and what it takes from a training
// while many pages are connected.
//
//     node dist/bench/serve.js replay [seconds]     24 hours of ticks into one run, 10 pages connected (60)
//     node dist/bench/serve.js pages [rounds]       a training with no page and with 50, in turn (4)

import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { FromChild } from "../src/server/child.js";
import { median } from "./statistics.js";

const out = (line: string) => process.stdout.write(`${line}\n`);
const root = mkdtempSync(join(tmpdir(), "stylegan-serve-"));
const program = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));

/** The server as it runs beside a training; resolves to its process and address. */
async function startServer(folder: string): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(fileURLToPath(new URL("../src/server/child.js", import.meta.url)));
  child.send({ type: "serve", folder, port: 0 });
  const [answer] = (await once(child, "message")) as [FromChild];
  if (answer.type !== "ready") throw new Error(answer.message);
  return { child, url: answer.url };
}

interface Page {
  bytes: number;
  response: IncomingMessage;
}

/** A page as far as the server notices: a stream of events that is read. */
async function connect(url: string, run: string): Promise<Page> {
  const [response] = (await once(get(new URL(`/api/events?run=${run}`, url)), "response")) as [
    IncomingMessage,
  ];
  const page = { bytes: 0, response };
  response.on("data", (chunk: Buffer) => {
    page.bytes += chunk.length;
  });
  response.on("error", () => {});
  return page;
}

/** Resident memory of a process in MB, and the seconds of processor time it has used. */
function usage(pid: number): { memoryMb: number; cpuSeconds: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    memoryMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
  };
}

/** A tick every 15 s for 24 hours, with its line of log; a snapshot's picture every 50 ticks. */
async function replay(seconds: number): Promise<void> {
  const ticks = (24 * 3600) / 15;
  const run = join(root, "runs", "00000-replay");
  mkdirSync(run, { recursive: true });
  writeFileSync(join(run, "training_options.json"), JSON.stringify({ kimg: ticks, cfg: "stylegan2" }));
  const { child, url } = await startServer(join(root, "runs"));
  const pages = await Promise.all(Array.from({ length: 10 }, () => connect(url, "00000-replay")));
  const histogram = { width: 0.25, first: -16, counts: Array.from({ length: 32 }, (_, i) => i * 7) };
  const steps = seconds * 10;
  let tick = 0;
  const memory: number[] = [];
  out(`${ticks} ticks in ${seconds} s, 10 pages connected`);
  for (let step = 1; step <= steps; step++) {
    const rows: string[] = [];
    for (; tick < (ticks * step) / steps; tick++) {
      const stats = Object.fromEntries(
        Array.from({ length: 14 }, (_, i) => [`Loss/number/${i}`, Math.sin(tick + i)]),
      );
      const row = {
        nimg: tick * 1000,
        tick,
        secPerKimg: 15,
        totalSeconds: tick * 15,
        memoryMb: 400,
        timestamp: tick,
      };
      rows.push(
        JSON.stringify({
          ...row,
          ...stats,
          "Histogram/scores/real": histogram,
          "Histogram/scores/fake": histogram,
        }),
      );
      if (tick % 50 === 0) writeFileSync(join(run, `fakes${String(tick).padStart(6, "0")}.png`), "picture");
    }
    appendFileSync(join(run, "stats.jsonl"), rows.map((row) => `${row}\n`).join(""));
    appendFileSync(join(run, "log.txt"), rows.map((_, i) => `tick ${tick - i}\n`).join(""));
    await setTimeout(100);
    if (step % Math.max(Math.floor(steps / 12), 1) === 0) {
      const { memoryMb, cpuSeconds } = usage(child.pid as number);
      memory.push(memoryMb);
      out(
        `  ${String(tick).padStart(5)} ticks   ${memoryMb.toFixed(0)} MB   ${cpuSeconds.toFixed(1)} s of processor`,
      );
    }
  }
  const half = memory.length / 2;
  const [before, after] = [median(memory.slice(0, half)), median(memory.slice(half))];
  const received = pages.reduce((sum, { bytes }) => sum + bytes, 0);
  out(
    `memory: ${before.toFixed(0)} MB in the first half, ${after.toFixed(0)} MB in the second; ${(received / 2 ** 20).toFixed(1)} MB sent`,
  );
  for (const { response } of pages) response.destroy();
  child.kill("SIGKILL");
}

/** sec/kimg of the ticks of a short training while `count` pages are connected to a server beside it. */
async function trainWith(count: number): Promise<{ secPerKimg: number; serverShare: number }> {
  const outdir = join(root, `pages-${count}-${Date.now()}`);
  mkdirSync(outdir);
  const { child, url } = await startServer(outdir);
  const args = ["train", "--data", "emoji:smileys", "--resolution", "32", "--mirror", "--outdir", outdir];
  const training = spawn(
    process.execPath,
    [program, ...args, "--tick", "0.1", "--kimg", "1.6", "--snap", "1000"],
    {
      stdio: "ignore",
    },
  );
  const ended = once(training, "exit");
  const run = "00000-emoji-smileys-stylegan2-small-32";
  let pages: Page[] = [];
  const stats = join(outdir, run, "stats.jsonl");
  const rows = () => {
    try {
      return readFileSync(stats, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as { secPerKimg: number });
    } catch {
      return [];
    }
  };
  while (rows().length < 3) await setTimeout(50);
  pages = await Promise.all(Array.from({ length: count }, () => connect(url, run)));
  const start = { time: performance.now(), cpu: usage(child.pid as number).cpuSeconds };
  while (rows().length < 15 && training.exitCode === null) await setTimeout(50);
  const cpu = usage(child.pid as number).cpuSeconds - start.cpu;
  const serverShare = cpu / ((performance.now() - start.time) / 1000);
  await ended;
  for (const { response } of pages) response.destroy();
  child.kill("SIGKILL");
  return {
    secPerKimg: median(
      rows()
        .slice(4, 15)
        .map((row) => row.secPerKimg),
    ),
    serverShare,
  };
}

async function pages(rounds: number): Promise<void> {
  const without: number[] = [];
  const within: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    // In turn, since a machine's speed changes while one measures.
    const none = await trainWith(0);
    const fifty = await trainWith(50);
    without.push(none.secPerKimg);
    within.push(fifty.secPerKimg);
    out(
      `round ${round}: ${none.secPerKimg.toFixed(2)} sec/kimg without a page, ${fifty.secPerKimg.toFixed(2)} with 50; the server took ${(100 * fifty.serverShare).toFixed(2)}% of a core`,
    );
  }
  out(`median: ${median(without).toFixed(2)} without, ${median(within).toFixed(2)} with 50 pages`);
}

const [what, amount] = process.argv.slice(2);
try {
  if (what === "replay") await replay(Number(amount ?? 60));
  else if (what === "pages") await pages(Number(amount ?? 4));
  else out("say replay or pages; see the head of bench/serve.ts");
} finally {
  rmSync(root, { recursive: true, force: true });
}
process.exit();
