/**
 * What `npm run test:sanitize` runs: the tests of tensors and layers on an addon that watches its own memory and arithmetic
 * (AddressSanitizer, UndefinedBehaviorSanitizer). Linux and g++ alone.
 *
 *     npm run test:sanitize                           test/torch and test/layers
 *     npm run test:sanitize -- test/layers/kernels    those whose path holds that text
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { addonFile, buildNative, nativeKey } from "./buildNative.mjs";
import { reportFailure, SetupError } from "./setup/console.mjs";
import { withLock } from "./setup/lock.mjs";
import { run, stoppable } from "./setup/run.mjs";
import { readStamp } from "./setup/stamp.mjs";
import { inspect } from "./setup/steps.mjs";
import { root, setup } from "./setup.mjs";

const flags = [
  "-O1",
  "-g",
  "-fno-omit-frame-pointer",
  "-fsanitize=address,undefined,float-cast-overflow",
  // Classes of libtorch, whose types other libraries have, are not ours to check.
  "-fno-sanitize=vptr",
  "-fno-sanitize-recover=all",
];

const asanOptions = [
  // V8 and libtorch free much of what they have by ending.
  "detect_leaks=0",
  // libtorch itself is not watched: what passes between it and the addon looks half-made.
  "detect_container_overflow=0",
  "alloc_dealloc_mismatch=0",
];

/**
 * Where the compiler has the libraries that must be there before Node is.
 * @param {import("./findCompiler.mjs").Compiler} compiler
 */
async function sanitizerLibraries(compiler) {
  const names = ["libasan.so", "libubsan.so"];
  const files = await Promise.all(
    names.map(async (name) =>
      (await run(compiler.program, [...compiler.args, `-print-file-name=${name}`])).stdout.trim(),
    ),
  );
  const missing = names.find((_, i) => !path.isAbsolute(files[i] ?? ""));
  if (process.platform !== "linux" || missing !== undefined)
    throw new SetupError(
      `the sanitizers are g++'s on Linux, and ${compiler.program} has none here. Run: npm test`,
    );
  return files;
}

/** @param {string[]} filters */
async function main(filters) {
  await setup({ quiet: true });
  const { torch, compiler } = await inspect(root);
  if (torch === null || compiler === null)
    throw new SetupError("libtorch or a compiler is missing. Run: npm run setup");
  const env = {
    LD_PRELOAD: (await sanitizerLibraries(compiler)).join(":"),
    ASAN_OPTIONS: asanOptions.join(":"),
    UBSAN_OPTIONS: "print_stacktrace=1",
  };
  /** @type {import("./buildNative.mjs").Flavour} */
  const sanitized = { name: "sanitize", flags, env };
  const file = addonFile(root, sanitized);
  if (!existsSync(file) || readStamp(root).sanitize !== nativeKey(root, torch, compiler, sanitized))
    await withLock(root, () => stoppable(() => buildNative(root, torch, compiler, sanitized)));
  const vitest = path.join(root, "node_modules", "vitest", "vitest.mjs");
  const tests = filters.length > 0 ? filters : ["test/torch", "test/layers"];
  const { status } = spawnSync(process.execPath, [vitest, "run", "--project", "all", ...tests], {
    cwd: root,
    env: { ...process.env, ...env, STYLEGAN_ADDON: file },
    stdio: "inherit",
  });
  return status ?? 1;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    process.exitCode = reportFailure(error);
  },
);
