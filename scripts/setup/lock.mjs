/** One set-up at a time in one checkout: `build/setup.lock` names the process that is at work. */
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildFolder } from "./buildFolder.mjs";
import { say } from "./console.mjs";

const HEARTBEAT_MS = 2_000;
// A lock whose holder has shown no sign of life for this long is stale even if its process id is in use: the id may
// belong to another process by now (common in containers, where ids start from 1 again), or to another machine.
const STALE_AFTER_MS = 60_000;

/**
 * @param {string} file
 * @returns {boolean} whether the holder is gone
 */
function isStale(file) {
  try {
    const age = Date.now() - statSync(file).mtimeMs;
    const [pid, host] = readFileSync(file, "utf8").split(" ");
    if (age > STALE_AFTER_MS) return true;
    if (host !== os.hostname()) return false;
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    // ESRCH: no such process. ENOENT (the lock went away) and EPERM (another user's process) are no stale locks.
    return /** @type {NodeJS.ErrnoException} */ (error).code === "ESRCH";
  }
}

/**
 * Removes a stale lock. By renaming it: of several processes that saw it, only one can. If another one was quick enough
 * to put its own lock there meanwhile, that one goes back.
 * @param {string} file
 */
function takeAway(file) {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    if (!isStale(aside)) linkSync(aside, file);
  } catch {
    // Another process removed it first.
  }
  rmSync(aside, { force: true });
}

/**
 * Runs `work` while holding the lock.
 * @template T
 * @param {string} root
 * @param {() => Promise<T>} work
 * @param {{ pollMs?: number }} [options]
 * @returns {Promise<T>}
 */
export async function withLock(root, work, { pollMs = 200 } = {}) {
  const file = path.join(buildFolder(root), "setup.lock");
  mkdirSync(path.dirname(file), { recursive: true });
  const mine = `${process.pid} ${os.hostname()} ${Date.now()}`;
  let announced = false;
  for (;;) {
    try {
      writeFileSync(file, mine, { flag: "wx" });
      break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
    }
    if (isStale(file)) {
      takeAway(file);
      continue;
    }
    if (!announced) say(`waiting for another set-up in this folder to finish (${file}) …`);
    announced = true;
    await sleep(pollMs);
  }

  const heartbeat = setInterval(() => {
    try {
      const now = new Date();
      utimesSync(file, now, now);
    } catch {
      // The lock was removed by hand; nothing to keep alive.
    }
  }, HEARTBEAT_MS);
  heartbeat.unref();
  const release = () => {
    try {
      if (readFileSync(file, "utf8") === mine) rmSync(file, { force: true });
    } catch {
      // Already gone.
    }
  };
  process.on("exit", release); // Ctrl-C comes this way, through `stoppable`
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    process.off("exit", release);
    release();
  }
}
