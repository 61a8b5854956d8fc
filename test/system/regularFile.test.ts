import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryName, writeFileAtomically, writeFileBeside } from "../../src/system/atomicFile.js";
import { UserError } from "../../src/system/errors.js";
import { appendToOwn, openNamed, readNamed, readOwn, removeOwn } from "../../src/system/regularFile.js";

let folder: string;
const path = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "stylegan-regular-"));
  writeFileSync(path("file"), "text");
  writeFileSync(path("outside"), "outside");
  symlinkSync(path("outside"), path("link"));
  symlinkSync(path("nothing"), path("dangling"));
  mkdirSync(path("folder"));
  execFileSync("mkfifo", [path("pipe")]);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a run's own file", () => {
  it("is read and appended to", () => {
    appendToOwn(path("own"), "a\n");
    appendToOwn(path("own"), "b\n");
    expect(readOwn(path("own"), 100)).toBe("a\nb\n");
    expect(() => readOwn(path("own"), 3)).toThrow(/larger than/);
    removeOwn(path("own"));
    removeOwn(path("own"));
    expect(existsSync(path("own"))).toBe(false);
  });

  // A pipe without another end would be waited for, and the test would not end.
  it.each(["link", "dangling", "pipe", "folder"])("is no %s, which is left as it is", (name) => {
    for (const use of [() => readOwn(path(name), 100), () => appendToOwn(path(name), "x")]) {
      expect(use).toThrow(UserError);
      expect(use).toThrow(/is a link|is not a file/);
    }
    expect(readFileSync(path("outside"), "utf8")).toBe("outside");
    expect(existsSync(path("nothing"))).toBe(false);
  });

  it("that is a folder is not removed", () => {
    expect(() => removeOwn(path("folder"))).toThrow(/is not a file/);
  });
});

describe("a file that a user names", () => {
  it("may be a link, and is no pipe, folder or device", () => {
    closeSync(openNamed(path("link")));
    expect(readNamed(path("link"), 100).toString()).toBe("outside");
    for (const file of [path("pipe"), path("folder"), "/dev/zero"])
      expect(() => openNamed(file)).toThrow(`${file} is not a file`);
    expect(() => openNamed(path("dangling"))).toThrow(/no such file/);
    expect(() => readNamed(path("file"), 3)).toThrow(/larger than/);
  });
});

describe("a file that is written whole", () => {
  it.each([
    ["waited for", (file: string) => writeFileAtomically(file, "new")],
    ["beside other work", (file: string) => writeFileBeside(file, Buffer.from("new"))],
    ["large", (file: string) => writeFileBeside(file, Buffer.alloc(100_000, "n"))],
  ])("%s: does not follow a link under its temporary name, nor under its own", async (_, write) => {
    const file = path("target");
    symlinkSync(path("outside"), file);
    symlinkSync(path("outside"), temporaryName(file));
    await write(file);
    expect(readFileSync(file, "utf8")).toMatch(/^n/);
    expect(readFileSync(path("outside"), "utf8")).toBe("outside");
    rmSync(file);
  });

  it("says that a folder is in its place, and that a disk is read-only", (context) => {
    expect(() => writeFileAtomically(path("folder"), "x")).toThrow(/a folder is in its place/);
    const mount = path("read-only");
    mkdirSync(mount);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", mount], { stdio: "pipe" });
    } catch {
      context.skip("a tmpfs cannot be mounted here: needs root");
    }
    try {
      expect(() => writeFileAtomically(join(mount, "x"), "x")).toThrow(/read-only/);
      removeOwn(join(mount, "x"));
    } finally {
      execFileSync("umount", [mount]);
    }
  });
});
