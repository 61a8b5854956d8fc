import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it, vi } from "vitest";
import { findCompiler } from "../../scripts/findCompiler.mjs";
import { blasKind } from "../../scripts/setup/blas.mjs";
import { findBrowser } from "../../scripts/setup/browser.mjs";
import { checkNode } from "../../scripts/setup/checkNode.mjs";
import type { Machine } from "../../scripts/setup/systemPackages.mjs";
import { advice, installSystemPackages, pipCommand } from "../../scripts/setup/systemPackages.mjs";
import { temporaryFolder, write, writeProgram } from "./folders.js";

const debian: Machine = {
  kind: "debian",
  name: "Debian GNU/Linux 12 (bookworm)",
  root: true,
  sudo: false,
  pip: false,
  managedPython: true,
};
const macos: Machine = {
  ...debian,
  kind: "macos",
  name: "darwin",
  root: false,
  sudo: true,
  pip: true,
  managedPython: false,
};

describe("apt-get", () => {
  /** A fake apt that knows these versions after `apt-get update`, and logs what it is asked to do. */
  function fakeApt(version: string, { fail = false, sudo = false } = {}) {
    const folder = temporaryFolder();
    const log = path.join(folder, "log.txt");
    write(log, "");
    const state = path.join(folder, "updated");
    writeProgram(
      path.join(folder, "apt-get"),
      `#!/bin/sh\necho "$DEBIAN_FRONTEND $@" >> '${log}'\n[ "$1" = update ] && touch '${state}'\n${fail ? 'echo "E: no network"; exit 100' : "exit 0"}\n`,
    );
    writeProgram(
      path.join(folder, "apt-cache"),
      `#!/bin/sh\necho "$2:"\necho "  Installed: (none)"\nif [ -e '${state}' ]; then echo "  Candidate: ${version}"; else echo "  Candidate: (none)"; fi\n`,
    );
    if (sudo) writeProgram(path.join(folder, "sudo"), `#!/bin/sh\necho sudo >> '${log}'\nexec "$@"\n`);
    vi.stubEnv("PATH", `${folder}:/usr/bin:/bin`);
    return () => readFileSync(log, "utf8").trim().split("\n");
  }
  const install =
    "noninteractive install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 libtorch-dev g++";

  it("updates its list where that is empty, then installs what is missing", async () => {
    const log = fakeApt("1.13.1+dfsg-4");
    await installSystemPackages(["libtorch-dev", "g++"], debian);
    expect(log()).toEqual(["noninteractive update -q", install]);
  });

  it("goes through sudo for other users than root", async () => {
    const log = fakeApt("1:2.6.0+dfsg-7", { sudo: true });
    await installSystemPackages(["libtorch-dev", "g++"], { ...debian, root: false, sudo: true });
    expect(log()).toEqual(["sudo", "noninteractive update -q", "sudo", install]);
  });

  it("that fails is one line with the command", async () => {
    fakeApt("1.13.1", { fail: true });
    await expect(installSystemPackages(["libtorch-dev"], debian)).rejects.toMatchObject({
      message:
        "apt-get could not install libtorch-dev; its message is above. Run: apt-get update && apt-get install -y --no-install-recommends libtorch-dev",
      output: "E: no network\n",
      exitCode: 1,
    });
  });

  it("whose libtorch is too old or not there gives way to pip", async () => {
    const jammy = { ...debian, name: "Ubuntu 22.04", managedPython: false };
    const log = fakeApt("1.8.1-4");
    await expect(installSystemPackages(["libtorch-dev"], jammy)).rejects.toThrow(
      "Ubuntu 22.04 has only libtorch-dev 1.8.1-4, and libtorch 1.13 or later is needed. Run: apt-get install -y python3-pip && python3 -m pip install torch",
    );
    expect(log()).toEqual(["noninteractive update -q"]);
    fakeApt("(none)");
    await expect(installSystemPackages(["libtorch-dev"], debian)).rejects.toThrow(
      "Debian GNU/Linux 12 (bookworm) has no libtorch-dev, and libtorch 1.13 or later is needed. Run: apt-get install -y python3-pip && python3 -m pip install --user --break-system-packages torch",
    );
  });

  it("whose chromium is none, or asks snap for one, gives way to the user", async () => {
    for (const version of ["(none)", "2:1snap1-0ubuntu2"]) {
      fakeApt(version);
      await expect(installSystemPackages(["chromium"], debian)).rejects.toThrow(
        "The browser tests need Chromium or Google Chrome. Install one, or set $CHROMIUM to its program",
      );
    }
  });

  it("is not tried by a user who may not", async () => {
    const log = fakeApt("1.13.1");
    await expect(installSystemPackages(["g++"], { ...debian, root: false })).rejects.toThrow(
      "g++ missing, and installing needs root. Run as root: apt-get update && apt-get install -y --no-install-recommends g++",
    );
    expect(log()).toEqual([""]);
  });
});

describe("other systems are told the command", () => {
  it("macOS", async () => {
    const packages = ["libtorch-dev", "libopenblas0-openmp"] as const;
    await expect(installSystemPackages([...packages], macos)).rejects.toThrow(
      "libtorch is missing. Run: python3 -m pip install torch",
    );
    expect(advice(["g++"], macos)).toBe("A C++ compiler is missing. Run: xcode-select --install");
  });

  it("a Python that refuses system-wide packages gets the flags for the user's own", () => {
    expect(pipCommand({ ...debian, pip: true })).toBe(
      "python3 -m pip install --user --break-system-packages torch",
    );
  });
});

it("a $CXX that is not there is refused", () => {
  expect(() => findCompiler({ PATH: "/usr/bin", CXX: "no-such-compiler -m64" })).toThrow(
    '$CXX is "no-such-compiler -m64", and there is no such compiler. Mend it, or run: unset CXX',
  );
});

it("Node versions are compared with package.json's engines", () => {
  const root = temporaryFolder();
  write(path.join(root, "package.json"), '{ "engines": { "node": ">=20.9" } }');
  expect(() => checkNode(root, "20.8.1")).toThrow("Node.js 20.8.1 is too old, 20.9 or later is needed.");
  expect(() => checkNode(root, "18.20.0")).toThrow("Node.js 18.20.0 is too old");
  expect(() => checkNode(root, "20.9.0")).not.toThrow();
  expect(() => checkNode(root, "22.1.0")).not.toThrow();
});

it("tells Debian's reference BLAS from the fast ones", () => {
  const lib = "/usr/lib/x86_64-linux-gnu";
  expect(blasKind(`${lib}/blas/libblas.so.3.11.0`)).toBe("reference");
  expect(blasKind(`${lib}/openblas-openmp/libblas.so.3`)).toBe("fast");
  expect(blasKind(`${lib}/blis-openmp/libblas.so.3`)).toBe("fast");
  expect(blasKind(`${lib}/libmkl_rt.so`)).toBe("fast");
});

it("the browser for the tests is $CHROMIUM, or the first that the PATH has", () => {
  const folder = temporaryFolder();
  const program = path.join(folder, "google-chrome");
  expect(findBrowser({ PATH: folder })).toBe(null);
  writeProgram(program, "#!/bin/sh\n");
  expect(findBrowser({ PATH: folder })).toBe(program);
  expect(findBrowser({ PATH: "", CHROMIUM: program })).toBe(program);
  expect(() => findBrowser({ PATH: folder, CHROMIUM: "no-such-browser" })).toThrow(
    '$CHROMIUM is "no-such-browser", and there is no such program. Mend it, or run: unset CHROMIUM',
  );
});
