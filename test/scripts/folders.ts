/** Folders that look like what set-up looks for. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";

/** An empty folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "stylegan-setup-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function write(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

export function writeProgram(file: string, text: string): void {
  write(file, text);
  chmodSync(file, 0o755);
}

/** A folder with libtorch's headers and (empty) libraries. */
export function fakeLibtorch(
  folder: string,
  { version = "2.5.1", cuda = false, oldAbi = false, lib = "lib" } = {},
): string {
  const [major, minor, patch] = version.split(".");
  const api = path.join(folder, "include/torch/csrc/api/include/torch");
  write(path.join(api, "torch.h"), "");
  write(
    path.join(api, "version.h"),
    `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`,
  );
  const libs = ["torch", "torch_cpu", "c10", ...(cuda ? ["torch_cuda", "c10_cuda"] : [])];
  for (const name of libs) write(path.join(folder, lib, `lib${name}.so`), "");
  write(
    path.join(folder, "share/cmake/Torch/TorchConfig.cmake"),
    `set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=${oldAbi ? 0 : 1}")\n`,
  );
  return folder;
}

/** A python3 that answers set-up's question with `torch`, and counts how often it was asked. */
export function fakePython(bin: string, torch: string | null): { timesAsked: string } {
  const answer = JSON.stringify({ folder: torch, searched: [bin] });
  const log = path.join(path.dirname(bin), "asked.txt");
  writeProgram(
    path.join(bin, "python3"),
    `#!/bin/sh\necho asked >> '${log}'\necho hello\necho '${answer}'\n`,
  );
  return { timesAsked: log };
}
