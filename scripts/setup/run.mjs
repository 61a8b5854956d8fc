/** Child processes: run one to its end, look one up on the PATH, and leave none behind on Ctrl-C. */
import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";

/** Every child at work, and whether it has a process group of its own.
 * @type {Map<import("node:child_process").ChildProcess, boolean>} */
const running = new Map();

/**
 * Runs a program to its end. Its output is collected, not shown, unless `inherit` is set.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, inherit?: boolean, timeoutMs?: number, ownGroup?: boolean }} [options]
 *   `ownGroup`: for a program that starts others (a compiler driver), so that they can all be ended together; not for one
 *   that may ask for a password, which only the terminal's own group can
 * @returns {Promise<{ code: number, output: string, stdout: string }>} code 127: the program could not be started
 */
export function run(program, args, { cwd, env, inherit = false, timeoutMs, ownGroup = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd,
      env: env ?? process.env,
      // stdin stays the user's: sudo may ask for a password.
      stdio: inherit ? "inherit" : ["inherit", "pipe", "pipe"],
      timeout: timeoutMs,
      detached: ownGroup,
    });
    running.set(child, ownGroup);
    let output = "";
    let stdout = "";
    child.stdout?.setEncoding("utf8").on("data", (text) => {
      output += text;
      stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
    child.on("error", (error) => {
      running.delete(child);
      resolve({ code: 127, output: `${output}${error.message}\n`, stdout });
    });
    child.on("close", (code) => {
      running.delete(child);
      resolve({ code: code ?? 1, output, stdout });
    });
  });
}

function killRunning() {
  for (const [child, ownGroup] of running) {
    try {
      if (ownGroup && child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
      else child.kill("SIGTERM");
    } catch {
      // It ended meanwhile.
    }
  }
}

/**
 * Runs `work`; Ctrl-C ends its child processes and then this one, through `exit`, so that the lock is removed.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function stoppable(work) {
  const stop = (/** @type {NodeJS.Signals} */ signal) => {
    killRunning();
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    return await work();
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

/**
 * The file that a shell would run for `name`, or null.
 * @param {string} name a bare name, or a path
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string | null}
 */
export function findOnPath(name, env = process.env) {
  const folders = name.includes("/") ? [""] : (env.PATH ?? "").split(path.delimiter);
  for (const folder of folders) {
    const file = folder === "" ? path.resolve(name) : path.join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

/**
 * Runs `work` on every item, `limit` at a time, and starts no more after the first failure.
 * @template T
 * @param {T[]} items
 * @param {number} limit
 * @param {(item: T) => Promise<void>} work
 */
export async function inParallel(items, limit, work) {
  const waiting = [...items];
  let failed = false;
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined && !failed; item = waiting.shift()) {
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.max(1, limit) }, worker));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
