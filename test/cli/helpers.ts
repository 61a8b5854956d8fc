// Runs the built program (`node scripts/setup.mjs` builds it) as its users do.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { expect } from "vitest";
import { latestSnapshot } from "../../src/interop/loadNetwork.js";
import { fakesPattern } from "../../src/protocol/runFiles.js";
import { readSafetensors } from "../../src/torch/safetensors.js";
import { scope } from "../../src/torch/scope.js";

const program = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  /** Resolves when the output so far has what is looked for, or the program has ended. */
  seen(pattern: RegExp): Promise<void>;
  done: Promise<Finished>;
}

export class Workspace {
  readonly root = mkdtempSync(join(tmpdir(), "stylegan-cli-"));

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  start(...args: string[]): Running {
    const child = spawn(process.execPath, [program, ...args], {
      cwd: this.root,
      env: { ...process.env, STYLEGAN_CACHE: this.path("cache") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    let ended = false;
    const watchers = new Set<() => void>();
    const look = () => {
      for (const watcher of watchers) watcher();
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      look();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const done = new Promise<Finished>((resolve) => {
      child.on("close", (code) => {
        ended = true;
        look();
        resolve({ code, stdout, stderr });
      });
    });
    const seen = (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        const watcher = () => {
          if (!ended && !pattern.test(stdout)) return;
          watchers.delete(watcher);
          resolve();
        };
        watchers.add(watcher);
        watcher();
      });
    return { child, seen, done };
  }

  run(...args: string[]): Promise<Finished> {
    return this.start(...args).done;
  }

  /** A run of the tiny configuration on `data`; more arguments win over its own. */
  train(outdir: string, ...args: string[]): Running {
    return this.start("train", "--data", "data", ...tinyRun, "--outdir", outdir, ...args);
  }

  dispose(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** All four phases, style mixing and mirroring, so that a resume has everything to restore. */
export const tinyRun = [
  ...["--pl-weight", "2", "--style-mixing", "0.9", "--mirror"],
  ...["--cfg", "stylegan2-small", "--resolution", "8", "--channel-base", "128", "--channel-max", "16"],
  ...["--batch", "4", "--kimg", "0.2", "--tick", "0.04", "--snap", "1", "--threads", "1"],
];

/** The folder's name of a tiny run on `data`. */
export const runName = "00000-data-stylegan2-small-8";

/** `count` plain pictures in `folder`. */
export async function writePictures(folder: string, count: number): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const background = { r: (i * 6) % 256, g: 255 - ((i * 6) % 256), b: (i * 37) % 256 };
    const picture = sharp({ create: { width: 16, height: 16, channels: 3, background } });
    await picture.png().toFile(join(folder, `${String(i).padStart(2, "0")}.png`));
  }
}

export function expectSuccess({ code, stdout, stderr }: Finished): void {
  expect(code, `${stdout}\n${stderr}`).toBe(0);
  expect(stderr).not.toMatch(/\n\s+at /);
}

/** One line on standard error that says what is wrong, exit code 2. */
export function expectUserError({ code, stderr }: Finished, pattern: RegExp): void {
  expect(stderr).toMatch(pattern);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(code).toBe(2);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
}

/** The last picture of fakes. */
export function lastFakes(run: string): string {
  const names = readdirSync(run).filter((name) => fakesPattern.test(name));
  return join(run, names.sort().at(-1) ?? "there is none");
}

/** The bytes of the last snapshot. */
export const snapshotOf = (run: string) => readFileSync(latestSnapshot(run));

export function statsOf(run: string): Record<string, number>[] {
  const text = readFileSync(join(run, "stats.jsonl"), "utf8");
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, number>);
}

/** Every file under its final name is whole, and (unless `interrupted`) no temporary one is left. */
export async function expectNoTornFile(run: string, { interrupted = false } = {}): Promise<void> {
  for (const name of readdirSync(run)) {
    const file = join(run, name);
    if (name.endsWith(".tmp")) expect(interrupted, `${name} is left over`).toBe(true);
    else if (name.endsWith(".safetensors")) scope(() => readSafetensors(file));
    else if (name.endsWith(".png")) await sharp(file).stats();
    else if (name.endsWith(".json")) JSON.parse(readFileSync(file, "utf8"));
  }
  expect(existsSync(join(run, "training_options.json"))).toBe(true);
}
