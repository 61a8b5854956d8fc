import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { withLock } from "../../scripts/setup/lock.mjs";
import { temporaryFolder, write } from "./folders.js";

it("lets one in at a time, and leaves no lock behind", async () => {
  const root = temporaryFolder();
  let inside = 0;
  const work = async () => {
    inside += 1;
    expect(inside).toBe(1);
    await sleep(30);
    inside -= 1;
  };
  await Promise.all([1, 2, 3].map(() => withLock(root, work, { pollMs: 5 })));
  expect(existsSync(path.join(root, "build/setup.lock"))).toBe(false);
});

it("is released when the work fails", async () => {
  const root = temporaryFolder();
  await expect(withLock(root, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(existsSync(path.join(root, "build/setup.lock"))).toBe(false);
});

it("of a process that is gone is removed", async () => {
  const root = temporaryFolder();
  const { pid } = spawnSync("true");
  write(path.join(root, "build/setup.lock"), `${pid} ${hostname()} 0`);
  expect(await withLock(root, async () => "in")).toBe("in");
});
