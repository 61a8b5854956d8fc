/**
 * Compiles native/*.cc and links build/native/stylegan.node.
 *
 * By calling the compiler, and not through cmake's `find_package(Torch)`, on purpose: for a CUDA build of torch that one
 * demands a CUDA toolkit, and a cmake. The addon includes only headers that are the same for every backend, so a
 * compiler and torch's own headers and libraries are enough.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { buildFolder, isInstalledPackage } from "./setup/buildFolder.mjs";
import { progress, SetupError, say } from "./setup/console.mjs";
import { inParallel, run } from "./setup/run.mjs";
import { fileIdentity, filesUnder, hashOf, hashOfFiles, updateStamp } from "./setup/stamp.mjs";

/** @typedef {import("./findTorch.mjs").Torch} Torch */
/** @typedef {import("./findCompiler.mjs").Compiler} Compiler */

// What one compiler process takes with libtorch's headers, rounded up: more of them at once than fit into memory are
// slower than one after the other, or are killed.
const BYTES_PER_COMPILER = 1.5e9;

/**
 * One way to build the addon.
 * @typedef {object} Flavour
 * @property {"native" | "sanitize"} name  of its folder in the build folder, and of its entry in the stamp
 * @property {string[]} flags              for compiler and linker, beside those of every build
 * @property {NodeJS.ProcessEnv} env       for the programs that load it
 */

/** What everybody uses.
 * @type {Flavour} */
export const released = { name: "native", flags: [], env: {} };

/** @param {string} root
 * @param {Flavour} [flavour] */
export const addonFile = (root, flavour = released) =>
  path.join(buildFolder(root), flavour.name, "stylegan.node");

/** @param {string} root */
const nativeFiles = (root) => filesUnder(path.join(root, "native"));

/** The headers of Node-API. npm puts them beside an installed package, or inside of it.
 * @param {string} root
 * @returns {string} relative, so that a moved checkout stays built */
function nodeHeaders(root) {
  if (!isInstalledPackage(root)) return "node_modules/node-api-headers/include";
  const found = createRequire(path.join(root, "package.json")).resolve("node-api-headers/package.json");
  return path.join(path.relative(root, path.dirname(found)), "include");
}

/**
 * For a compiler that runs in `root`.
 * @param {string} root
 * @param {Torch} torch
 * @param {Compiler} compiler
 * @returns {string[]}
 */
export function compileFlags(root, torch, compiler) {
  const clang = [compiler.file, ...compiler.args].some((word) => path.basename(word).includes("clang"));
  // -isystem keeps the compiler quiet about code that is not ours.
  const includes = [nodeHeaders(root), ...torch.includeDirs];
  return [
    `-std=${torch.standard}`,
    "-O3",
    // Let the kernels' square roots and comparisons become vector instructions; no error numbers or traps are used.
    "-fno-math-errno",
    "-fno-trapping-math",
    // As libtorch itself is built: some of its classes have other members in debug builds.
    "-DNDEBUG",
    // Threads as libtorch has them, by its own OpenMP library: the linker is not told of it. With clang, whose OpenMP is
    // another one, the kernels run on one thread.
    ...(process.platform === "linux" && !clang ? ["-fopenmp"] : []),
    "-fPIC",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    ...(process.platform === "linux" ? [`-D_GLIBCXX_USE_CXX11_ABI=${torch.cxx11Abi ? 1 : 0}`] : []),
    ...includes.flatMap((folder) => ["-isystem", folder]),
  ];
}

/**
 * @param {Torch} torch
 * @param {NodeJS.Platform} [platform]
 * @returns {string[]}
 */
export function linkFlags(torch, platform = process.platform) {
  const darwin = platform === "darwin";
  return [
    // The Node-API functions are found in the running node program.
    ...(darwin ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared"]),
    // No symbol of libtorch_cuda is used by name, and a linker that drops it leaves its backend unregistered.
    ...(darwin ? [] : ["-Wl,--no-as-needed"]),
    ...torch.libDirs.map((folder) => `-L${folder}`),
    ...torch.libs.map((name) => `-l${name}`),
    ...torch.rpath.map((folder) => `-Wl,-rpath,${folder}`),
  ];
}

/**
 * Everything that the addon depends on, as one hash.
 * @param {string} root
 * @param {Torch} torch
 * @param {Compiler} compiler
 * @param {Flavour} [flavour]
 * @returns {string}
 */
export function nativeKey(root, torch, compiler, flavour = released) {
  return hashOf([
    toolKey(root, torch, compiler, flavour),
    ...linkFlags(torch),
    hashOfFiles(root, nativeFiles(root)),
  ]);
}

/**
 * @param {string} root
 * @param {Torch} torch
 * @param {Compiler} compiler
 * @param {Flavour} flavour
 */
function toolKey(root, torch, compiler, { flags }) {
  return hashOf([
    ...compileFlags(root, torch, compiler),
    ...flags,
    compiler.program,
    ...compiler.args,
    fileIdentity(compiler.file),
    torch.version,
    ...torch.libFiles.map(fileIdentity),
  ]);
}

/**
 * @param {string} root
 * @param {Torch} torch
 * @param {Compiler} compiler
 * @param {Flavour} [flavour]
 */
export async function buildNative(root, torch, compiler, flavour = released) {
  const key = nativeKey(root, torch, compiler, flavour); // before compiling: a source saved meanwhile counts as changed
  const folder = path.dirname(addonFile(root, flavour));
  const sources = nativeFiles(root).filter((file) => file.endsWith(".cc"));
  if (sources.length === 0) throw new SetupError("native/ holds no .cc files. Run: git checkout -- native");
  mkdirSync(folder, { recursive: true });

  // An object's name holds the hash of all it was made from, so one that is there is up to date. Any header counts
  // for every source: there are too few to look more closely.
  const headers = nativeFiles(root).filter((file) => !file.endsWith(".cc"));
  const shared = hashOf([toolKey(root, torch, compiler, flavour), hashOfFiles(root, headers)]);
  const objectOf = (/** @type {string} */ source) =>
    path.join(folder, `${path.basename(source, ".cc")}.${hashOf([shared, hashOfFiles(root, [source])])}.o`);
  const stale = sources
    .filter((source) => !existsSync(objectOf(source)))
    .sort((a, b) => statSync(b).size - statSync(a).size); // the longest first, so that none is left alone at the end

  const files = stale.length === sources.length ? "" : `, ${stale.length} of ${sources.length} files`;
  const duration = files === "" ? "about a minute" : "under a minute";
  if (stale.length > 0)
    say(`compiling the native addon with libtorch ${torch.version}${files} (${duration}) …`);
  else say("linking the native addon …");
  updateStamp(root, { [flavour.name]: undefined });

  let done = 0;
  await inParallel(stale, parallelCompilers(), async (source) => {
    const object = objectOf(source);
    const temporary = `${object}.${process.pid}.tmp`;
    const name = path.relative(root, source);
    const args = [
      ...compiler.args,
      ...compileFlags(root, torch, compiler),
      ...flavour.flags,
      "-c",
      name,
      "-o",
      temporary,
    ];
    const { code, output } = await run(compiler.program, args, { cwd: root, ownGroup: true });
    if (code !== 0) {
      rmSync(temporary, { force: true });
      throw new SetupError(
        code > 128 || (code === 1 && /killed/i.test(output))
          ? `the compiler was killed at ${name}, most likely for want of memory. Close other programs and run: npm run setup`
          : `${name} does not compile; the compiler's message is above. Mend the source and run: npm run setup`,
        { output },
      );
    }
    if (output.trim() !== "") process.stderr.write(output); // warnings about our own code
    renameSync(temporary, object);
    done += 1;
    progress(done, stale.length);
  });

  const temporary = path.join(folder, `stylegan.${process.pid}.tmp.node`);
  try {
    const args = [
      ...compiler.args,
      ...flavour.flags,
      ...sources.map(objectOf),
      ...linkFlags(torch),
      "-o",
      temporary,
    ];
    const linked = await run(compiler.program, args);
    if (linked.code !== 0)
      throw new SetupError(
        `the native addon does not link with libtorch ${torch.version} (${torch.origin}: ${torch.libDirs[0]}); the linker's message is above`,
        linked,
      );
    await checkLoads(temporary, torch, flavour);
    renameSync(temporary, addonFile(root, flavour)); // a program that has the old one loaded keeps it
  } finally {
    rmSync(temporary, { force: true });
  }

  const kept = new Set([addonFile(root, flavour), ...sources.map(objectOf)]);
  for (const entry of readdirSync(folder)) {
    const file = path.join(folder, entry);
    if (!kept.has(file)) rmSync(file, { recursive: true, force: true });
  }
  updateStamp(root, { [flavour.name]: key });
}

/**
 * Loads the addon in a process of its own, with every symbol resolved, so that a libtorch which does not fit is noticed
 * here and not in the middle of a training run.
 * @param {string} file
 * @param {Torch} torch
 * @param {Flavour} flavour
 */
async function checkLoads(file, torch, { env }) {
  const program = `try { process.dlopen({ exports: {} }, ${JSON.stringify(file)}, require("os").constants.dlopen.RTLD_NOW) }
    catch (error) { console.error(error.message); process.exit(1) }`;
  const { code, output } = await run(process.execPath, ["-e", program], {
    env: { ...process.env, ...env, NODE_OPTIONS: "" },
  });
  if (code === 0) return;
  throw new SetupError(
    `the native addon does not load with libtorch ${torch.version} (${torch.origin}: ${torch.libDirs[0]}): ${output.trim().split("\n").at(-1)}`,
  );
}

function parallelCompilers() {
  const limit = process.constrainedMemory?.() || Number.POSITIVE_INFINITY; // of a container
  const memory = Math.min(os.totalmem(), limit);
  return Math.max(1, Math.min(os.availableParallelism(), Math.floor(memory / BYTES_PER_COMPILER)));
}
