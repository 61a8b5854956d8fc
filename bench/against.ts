// Another revision of this program, built beside this one and run in turn with it.

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../src/system/packageRoot.js";
import { jsonOf } from "./child.js";
import type { BenchConfiguration } from "./configurations.js";
import { median } from "./statistics.js";

const rounds = 3;

/** Prints the throughput of both revisions in each configuration, and their ratio. */
export async function against(
  revision: string,
  { configurations, repeats }: { configurations: readonly BenchConfiguration[]; repeats: number },
): Promise<void> {
  const root = packageRoot();
  const folder = mkdtempSync(join(tmpdir(), "stylegan-against-"));
  try {
    execFileSync("git", ["-C", root, "worktree", "add", "--detach", "--force", folder, revision], {
      stdio: "pipe",
    });
    // Its own packages may be others; set-up mends what differs.
    cpSync(join(root, "node_modules"), join(folder, "node_modules"), { recursive: true });
    if (spawnSync(process.execPath, ["scripts/setup.mjs"], { cwd: folder, stdio: "inherit" }).status !== 0)
      throw new Error(`${revision} does not build`);
    const ours = join(root, "dist", "bench", "train.js");
    const theirs = join(folder, "dist", "bench", "train.js");
    if (!existsSync(theirs)) throw new Error(`${revision} has no benchmark`);
    for (const configuration of configurations) {
      const args = [...argumentsOf(configuration), "--repeats", String(repeats)];
      const ratios: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const [here, there] = [await jsonOf(ours, args), await jsonOf(theirs, args)];
        ratios.push(here.imgPerSec / there.imgPerSec);
        process.stdout.write(
          `${configuration.cfg} ${configuration.resolution} px: ${here.imgPerSec} img/s here, ${there.imgPerSec} at ${revision}\n`,
        );
      }
      process.stdout.write(
        `ratio ${median(ratios).toFixed(3)} (${ratios.map((ratio) => ratio.toFixed(3)).join(", ")})\n`,
      );
    }
  } finally {
    spawnSync("git", ["-C", root, "worktree", "remove", "--force", folder]);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A configuration spelled out, for revisions that do not know its name. */
function argumentsOf({ cfg, resolution, overrides }: BenchConfiguration): string[] {
  const flag = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const rest = Object.entries(overrides).flatMap(([name, value]) => [flag(name), String(value)]);
  return ["--cfg", cfg, "--resolution", String(resolution), ...rest];
}
