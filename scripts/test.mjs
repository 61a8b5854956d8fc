/**
 * What `npm test` runs: set-up, format and lint, type check, tests; it stops at the first that fails.
 *
 *     npm test                  everything
 *     npm test -- test/torch    everything, but only the tests whose path holds `test/torch`
 */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { reportFailure } from "./setup/console.mjs";
import { root, setup } from "./setup.mjs";

/** @param {string} file of a package, below node_modules
 * @param {string[]} args
 * @returns {boolean} */
function runTool(file, args) {
  const tool = path.join(root, "node_modules", file);
  return spawnSync(process.execPath, [tool, ...args], { cwd: root, stdio: "inherit" }).status === 0;
}

/** @type {{ name: string, run: () => boolean | Promise<boolean> }[]} */
const steps = [
  {
    name: "set-up",
    run: async () => {
      try {
        await setup();
        // Loaded only now: set-up has checked that this Node can.
        const { installBrowser } = await import("./setup/browser.mjs");
        await installBrowser();
        return true;
      } catch (error) {
        reportFailure(error);
        return false;
      }
    },
  },
  {
    name: "format and lint",
    run: async () => {
      const { lintNative } = await import("./lintNative.mjs");
      return runTool("@biomejs/biome/bin/biome", ["ci", "."]) && (await lintNative());
    },
  },
  {
    name: "type check",
    run: () =>
      runTool("typescript/bin/tsc", ["--noEmit"]) && runTool("typescript/bin/tsc", ["--noEmit", "-p", "web"]),
  },
  { name: "tests", run: () => runTool("vitest/vitest.mjs", ["run", ...process.argv.slice(2)]) },
];

/** @type {string[]} */
const summary = [];
let passed = 0;
let failed = 0;
for (const { name, run } of steps) {
  if (failed > 0) {
    summary.push(`not run  ${name}`);
    continue;
  }
  console.log(`\n== ${name} ==`);
  const start = performance.now();
  const ok = await run();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`== ${name}: ${ok ? "passed" : "failed"} after ${seconds} s ==`);
  if (ok) passed += 1;
  else failed += 1;
  summary.push(`${ok ? "passed" : "FAILED"}   ${name.padEnd(16)} ${seconds.padStart(7)} s`);
}
console.log(`\n${summary.join("\n")}\n\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
