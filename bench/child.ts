// The benchmark in a process of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("train.js", import.meta.url));

/** Runs the benchmark with `args`; its output goes where this one's goes. */
export async function inProcess(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [script, ...args], { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) process.exitCode = 1;
}

/** The line of JSON that the benchmark `file` prints with `args`. */
export async function jsonOf(
  file: string,
  args: readonly string[],
): Promise<{ imgPerSec: number; convBound: number }> {
  const child = spawn(process.execPath, [file, "--json", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${file} ended with code ${code}`);
  return JSON.parse(text.trim().split("\n").at(-1) ?? "") as { imgPerSec: number; convBound: number };
}
