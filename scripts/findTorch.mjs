/**
 * Finds libtorch, in this order: `$LIBTORCH`; the torch of the `python3` on the PATH, which brings CUDA or MPS; the
 * system's (Debian and Ubuntu: libtorch-dev).
 */
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { SetupError } from "./setup/console.mjs";
import { findOnPath, run } from "./setup/run.mjs";
import { fileIdentity, hashOf } from "./setup/stamp.mjs";

/** The oldest release that native/ compiles with. */
export const OLDEST_TORCH = "1.13";

/**
 * @typedef {object} Torch
 * @property {"LIBTORCH" | "python3" | "system"} origin
 * @property {string} version
 * @property {string[]} includeDirs  without those that the compiler searches anyway
 * @property {string[]} libDirs      to link against
 * @property {string[]} rpath        to look in when the program starts: libDirs without those of the system
 * @property {string[]} libs         names as in `-lc10`
 * @property {string[]} libFiles     those files
 * @property {boolean} cxx11Abi      which std::string its libraries were compiled with
 * @property {boolean} cuda
 * @property {"c++17" | "c++20"} standard  the C++ that its headers need
 */

/**
 * What python3 answered, kept in the stamp because starting it is slow.
 * @typedef {object} PythonAnswer
 * @property {string} key            of everything that could change the answer
 * @property {string[]} searched     the folders that python3 looks for packages in
 * @property {string | null} folder  of the torch package; null: python3 has none
 */

/**
 * @param {object} [options]
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {NodeJS.Platform} [options.platform]
 * @param {readonly string[]} [options.systemPrefixes]
 * @param {PythonAnswer | undefined} [options.cached] python3's last answer
 * @returns {Promise<{ torch: Torch | null, python: PythonAnswer | undefined, notes: string[] }>}
 *   `python`: its answer, to be cached; `notes`: what was found and passed over, and why
 */
export async function findTorch({
  env = process.env,
  platform = process.platform,
  systemPrefixes = ["/usr/local", "/usr"],
  cached,
} = {}) {
  /** @type {string[]} */
  const notes = [];
  if (env.LIBTORCH !== undefined && env.LIBTORCH !== "") {
    // What the user named is used or refused, never silently replaced by another one.
    return { torch: fromVariable(env.LIBTORCH, platform), python: cached, notes };
  }

  const python = await askPython(env, cached);
  if (python?.folder) {
    const found = describe(
      "python3",
      path.join(python.folder, "include"),
      path.join(python.folder, "lib"),
      platform,
    );
    if (typeof found !== "string") return { torch: found, python, notes };
    notes.push(`the torch of python3 is passed over: ${found}`);
  }

  for (const prefix of systemPrefixes) {
    const include = path.join(prefix, "include");
    if (!existsSync(path.join(include, "torch"))) continue;
    const libDir = systemLibDirs(prefix).find((folder) => existsSync(libFile(folder, "torch", platform)));
    const found = describe("system", include, libDir ?? path.join(prefix, "lib"), platform);
    if (typeof found !== "string") return { torch: found, python, notes };
    notes.push(`the libtorch of the system is passed over: ${found}`);
  }
  return { torch: null, python, notes };
}

/**
 * @param {string} folder
 * @param {NodeJS.Platform} platform
 * @returns {Torch}
 */
function fromVariable(folder, platform) {
  const mend = "Set it to a libtorch folder (one with include/ and lib/), or run: unset LIBTORCH";
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new SetupError(`$LIBTORCH is ${folder}, and there is no such folder. ${mend}`, { exitCode: 2 });
  const absolute = path.resolve(folder);
  const found = describe("LIBTORCH", path.join(absolute, "include"), path.join(absolute, "lib"), platform);
  if (typeof found === "string")
    throw new SetupError(`$LIBTORCH is ${folder}, but ${found}. ${mend}`, { exitCode: 2 });
  return found;
}

/**
 * @param {Torch["origin"]} origin
 * @param {string} include
 * @param {string} libDir
 * @param {NodeJS.Platform} platform
 * @returns {Torch | string} a string: why this one cannot be used
 */
function describe(origin, include, libDir, platform) {
  const api = path.join(include, "torch", "csrc", "api", "include");
  if (!existsSync(path.join(api, "torch", "torch.h"))) return `there are no libtorch headers in ${include}`;
  const libs = ["torch", "torch_cpu", "c10"];
  const missing = libs.find((name) => !existsSync(libFile(libDir, name, platform)));
  if (missing !== undefined)
    return `there is no ${path.basename(libFile(libDir, missing, platform))} in ${libDir}`;
  const version = readVersion(include, libDir);
  if (version === null) return `its version cannot be told from ${path.join(api, "torch", "version.h")}`;
  if (!isAtLeast(version, OLDEST_TORCH))
    return `it is version ${version}, and ${OLDEST_TORCH} or later is needed`;

  const cuda = existsSync(libFile(libDir, "torch_cuda", platform));
  if (cuda) libs.push("torch_cuda", "c10_cuda");
  return {
    origin,
    version,
    includeDirs: [include, api].filter((folder) => !isSearchedAnyway(folder)),
    libDirs: [libDir],
    rpath: origin === "system" ? [] : [libDir],
    libs,
    libFiles: libs.map((name) => libFile(libDir, name, platform)),
    cxx11Abi: readCxx11Abi(libDir),
    cuda,
    standard: isAtLeast(version, "2.9") ? "c++20" : "c++17",
  };
}

/** Naming /usr/include again, as -isystem does, puts it before the compiler's own headers, whose `#include_next` then
 * finds nothing.
 * @param {string} folder */
function isSearchedAnyway(folder) {
  return ["/usr/include", "/usr/local/include"].includes(realpathSync(folder));
}

/**
 * @param {string} folder
 * @param {string} name
 * @param {NodeJS.Platform} platform
 */
const libFile = (folder, name, platform) =>
  path.join(folder, `lib${name}.${platform === "darwin" ? "dylib" : "so"}`);

/** @param {string} prefix */
function systemLibDirs(prefix) {
  const machine = { x64: "x86_64", arm64: "aarch64", ppc64: "powerpc64le" }[
    /** @type {string} */ (process.arch)
  ];
  const triplet = `${machine ?? process.arch}-linux-gnu`; // Debian's multiarch folder
  return [path.join(prefix, "lib", triplet), path.join(prefix, "lib64"), path.join(prefix, "lib")];
}

/**
 * @param {string} include
 * @param {string} libDir
 * @returns {string | null}
 */
function readVersion(include, libDir) {
  const headers = ["torch/csrc/api/include/torch/version.h", "torch/headeronly/version.h"]; // the newest releases moved it
  for (const header of headers) {
    const text = readIfThere(path.join(include, header));
    const [major, minor, patch] = ["MAJOR", "MINOR", "PATCH"].map(
      (part) => new RegExp(`#define\\s+TORCH_VERSION_${part}\\s+(\\d+)`).exec(text)?.[1],
    );
    if (major !== undefined && minor !== undefined) return `${major}.${minor}.${patch ?? 0}`;
  }
  return /^\d+\.\d+(\.\d+)?/.exec(readIfThere(path.join(libDir, "..", "build-version")))?.[0] ?? null;
}

/** Wheels before 2.6 were compiled with the old std::string. A program that uses the other one does not link.
 * @param {string} libDir */
function readCxx11Abi(libDir) {
  const files = ["../share/cmake/Torch/TorchConfig.cmake", "cmake/Torch/TorchConfig.cmake"];
  const text = files.map((file) => readIfThere(path.join(libDir, file))).join("\n");
  return !/_GLIBCXX_USE_CXX11_ABI=0/.test(text);
}

/** @param {string} file */
function readIfThere(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/**
 * Compares the first two numbers of versions.
 * @param {string} version
 * @param {string} least
 */
export function isAtLeast(version, least) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

// Where torch is, without importing it: that takes seconds and can fail for want of a GPU driver, and everything else
// stands in the package's files. '' is the current folder, which is no place to take a package from.
const PYTHON_QUESTION = `
import importlib.util, json, sys
sys.path = [folder for folder in sys.path if folder]
spec = importlib.util.find_spec("torch")
folders = list(spec.submodule_search_locations or []) if spec else []
print(json.dumps({"folder": folders[0] if folders else None, "searched": sys.path}))
`;

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {PythonAnswer | undefined} cached
 * @returns {Promise<PythonAnswer | undefined>} undefined: there is no python3
 */
async function askPython(env, cached) {
  const python = findOnPath("python3", env);
  if (python === null) return undefined;
  // The path as well as the real path: two virtual environments link to the same python3. A package that comes or goes
  // changes the time of the folder it is in.
  const keyFor = (/** @type {string[]} */ searched) =>
    hashOf([
      python,
      fileIdentity(realpathSync(python)),
      ...["PYTHONPATH", "PYTHONHOME", "PYENV_VERSION"].map((name) => env[name] ?? ""),
      ...searched.map(fileIdentity),
    ]);
  if (cached !== undefined && cached.key === keyFor(cached.searched)) return cached;

  const { code, stdout } = await run(python, ["-c", PYTHON_QUESTION], { env, timeoutMs: 30_000 });
  /** @type {{ folder: string | null, searched: string[] }} */
  let answer = { folder: null, searched: [] };
  try {
    // The last line: a site's own start-up code may print before it.
    if (code === 0) answer = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
  } catch {
    // A python3 that does not answer has no torch for us.
  }
  return { key: keyFor(answer.searched), searched: answer.searched, folder: answer.folder };
}
