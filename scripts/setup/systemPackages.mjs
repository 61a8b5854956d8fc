/** What has to come from outside npm: libtorch, a C++ compiler, a fast BLAS for Debian's libtorch, and what the tests want. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isAtLeast, OLDEST_TORCH } from "../findTorch.mjs";
import { SetupError, say } from "./console.mjs";
import { findOnPath, run } from "./run.mjs";

/** @typedef {"libtorch-dev" | "libopenblas0-openmp" | "g++" | "chromium" | "clang-format" | "cppcheck"} SystemPackage */

/**
 * @typedef {object} Machine
 * @property {"debian" | "macos" | "other"} kind  debian: whatever has apt-get, Ubuntu too
 * @property {string} name
 * @property {boolean} root
 * @property {boolean} sudo
 * @property {boolean} pip
 * @property {boolean} managedPython  pip refuses to install outside a virtual environment (PEP 668)
 */

/** @returns {Machine} */
export function thisMachine() {
  let release = "";
  try {
    release = readFileSync("/etc/os-release", "utf8");
  } catch {
    // Not Linux.
  }
  const name = /^PRETTY_NAME="?(.*?)"?$/m.exec(release)?.[1] ?? process.platform;
  const apt = /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(release) && findOnPath("apt-get") !== null;
  const pythons = existsSync("/usr/lib")
    ? readdirSync("/usr/lib").filter((entry) => /^python3\.\d+$/.test(entry))
    : [];
  return {
    kind: apt ? "debian" : process.platform === "darwin" ? "macos" : "other",
    name,
    root: process.getuid?.() === 0,
    sudo: findOnPath("sudo") !== null,
    pip: findOnPath("pip3") !== null,
    managedPython: pythons.some((entry) => existsSync(`/usr/lib/${entry}/EXTERNALLY-MANAGED`)),
  };
}

/** @param {Machine} machine
 * @returns {string} the command that installs libtorch with pip */
export function pipCommand(machine) {
  const sudo = machine.root || !machine.sudo ? "" : "sudo ";
  const first = machine.kind === "debian" && !machine.pip ? `${sudo}apt-get install -y python3-pip && ` : "";
  return `${first}python3 -m pip install ${machine.managedPython ? "--user --break-system-packages " : ""}torch`;
}

/** @param {SystemPackage[]} packages
 * @param {Machine} machine
 * @returns {string} for the user to run */
export function aptCommand(packages, machine) {
  const sudo = machine.root || !machine.sudo ? "" : "sudo ";
  return `${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${packages.join(" ")}`;
}

/** What to say where set-up cannot install by itself.
 * @param {SystemPackage[]} packages
 * @param {Machine} machine
 * @returns {string} */
export function advice(packages, machine) {
  if (packages.includes("chromium"))
    return "The browser tests need Chromium or Google Chrome. Install one, or set $CHROMIUM to its program";
  if (packages.includes("g++")) {
    if (machine.kind === "macos") return "A C++ compiler is missing. Run: xcode-select --install";
    const command = [
      "dnf install -y gcc-c++",
      "pacman -S --noconfirm gcc",
      "zypper install -y gcc-c++",
      "apk add g++",
    ].find((line) => findOnPath(line.split(" ")[0] ?? "") !== null);
    return command === undefined
      ? "A C++ compiler is missing. Install g++ or clang++ with your system's package manager, or set $CXX"
      : `A C++ compiler is missing. Run: ${machine.root ? "" : "sudo "}${command}`;
  }
  return `libtorch is missing. Run: ${pipCommand(machine)}`;
}

/**
 * Installs Debian packages. `apt-get` only, and only what is missing.
 * @param {SystemPackage[]} packages
 * @param {Machine} machine
 */
export async function installSystemPackages(packages, machine) {
  if (machine.kind !== "debian") throw new SetupError(advice(packages, machine));
  const command = aptCommand(packages, machine);
  if (!machine.root && !machine.sudo)
    throw new SetupError(
      `${packages.join(", ")} missing, and installing needs root. Run as root: ${command}`,
    );

  let updated = false;
  const update = async () => {
    say("updating the list of Debian packages (apt-get update) …");
    await apt(["update", "-q"], machine); // one unreachable source is no reason to stop; the installation will tell
    updated = true;
  };
  if ((await candidates(packages)).some((candidate) => candidate.version === null)) await update();

  for (const { name, version } of await candidates(packages)) {
    // Ubuntu's package of that name only asks snap for it, which containers do not have.
    if (name === "chromium" && (version === null || version.includes("snap")))
      throw new SetupError(advice(packages, machine));
    // Some releases of Ubuntu have no libtorch-dev (24.04), or one that is too old (22.04: 1.8).
    if (name === "libtorch-dev" && (version === null || !isAtLeast(version, OLDEST_TORCH)))
      throw new SetupError(
        `${machine.name} has ${version === null ? "no libtorch-dev" : `only libtorch-dev ${version}`}, and libtorch ${OLDEST_TORCH} or later is needed. Run: ${pipCommand(machine)}`,
      );
  }

  say(`installing the Debian packages ${packages.join(" ")} (apt-get install; this can take some minutes) …`);
  const args = [
    "install",
    "-y",
    "-q",
    "--no-install-recommends",
    "-o",
    "DPkg::Lock::Timeout=120",
    ...packages,
  ];
  let result = await apt(args, machine);
  if (result.code !== 0 && !updated) {
    await update(); // an old list names files that the archive no longer has
    result = await apt(args, machine);
  }
  if (result.code !== 0)
    throw new SetupError(
      `apt-get could not install ${packages.join(", ")}; its message is above. Run: ${command}`,
      {
        output: result.output,
      },
    );
}

/**
 * @param {string[]} args
 * @param {Machine} machine
 */
function apt(args, machine) {
  // `env` because sudo drops the environment.
  const command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args];
  const [program = "", ...rest] = machine.root ? command : ["sudo", ...command];
  return run(program, rest);
}

/** The versions that apt-get would install; null: none.
 * @param {SystemPackage[]} packages */
async function candidates(packages) {
  const env = { ...process.env, LC_ALL: "C" };
  return Promise.all(
    packages.map(async (name) => {
      const { stdout } = await run("apt-cache", ["policy", name], { env });
      const version = /^ {2}Candidate: (?:\d+:)?(\S+)$/m.exec(stdout)?.[1] ?? "(none)";
      return { name, version: version === "(none)" ? null : version };
    }),
  );
}
