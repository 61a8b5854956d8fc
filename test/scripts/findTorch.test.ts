import { readFileSync, utimesSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { linkFlags } from "../../scripts/buildNative.mjs";
import { findTorch, isAtLeast } from "../../scripts/findTorch.mjs";
import { fakeLibtorch, fakePython, temporaryFolder, write } from "./folders.js";

const platform = "linux";
const nowhere = { systemPrefixes: [], platform } as const;

describe("$LIBTORCH", () => {
  it("is described by its own files", async () => {
    const folder = fakeLibtorch(temporaryFolder());
    const { torch } = await findTorch({ env: { LIBTORCH: folder }, ...nowhere });
    expect(torch).toMatchObject({
      origin: "LIBTORCH",
      version: "2.5.1",
      includeDirs: [path.join(folder, "include"), path.join(folder, "include/torch/csrc/api/include")],
      libDirs: [path.join(folder, "lib")],
      rpath: [path.join(folder, "lib")],
      libs: ["torch", "torch_cpu", "c10"],
      cxx11Abi: true,
      cuda: false,
      standard: "c++17",
    });
  });

  it("with CUDA links the CUDA backend even though nothing names it", async () => {
    const folder = fakeLibtorch(temporaryFolder(), { version: "2.9.0", cuda: true });
    const { torch } = await findTorch({ env: { LIBTORCH: folder }, ...nowhere });
    expect(torch).toMatchObject({ cuda: true, standard: "c++20" });
    const flags = linkFlags(torch!, platform);
    expect(flags).toContain("-ltorch_cuda");
    expect(flags.indexOf("-Wl,--no-as-needed")).toBeLessThan(flags.indexOf("-ltorch_cuda"));
    expect(flags.indexOf("-Wl,--no-as-needed")).toBeGreaterThan(-1);
    expect(flags).toContain(`-Wl,-rpath,${folder}/lib`);
  });

  it("with the old std::string is compiled for it", async () => {
    const folder = fakeLibtorch(temporaryFolder(), { version: "2.3.0", oldAbi: true });
    const { torch } = await findTorch({ env: { LIBTORCH: folder }, ...nowhere });
    expect(torch?.cxx11Abi).toBe(false);
  });

  it("takes the version from build-version if the header has none", async () => {
    const folder = fakeLibtorch(temporaryFolder());
    write(path.join(folder, "include/torch/csrc/api/include/torch/version.h"), "#include <elsewhere.h>\n");
    write(path.join(folder, "build-version"), "2.10.1+cpu\n");
    const { torch } = await findTorch({ env: { LIBTORCH: folder }, ...nowhere });
    expect(torch).toMatchObject({ version: "2.10.1", standard: "c++20" });
  });

  it("that is broken is refused, not replaced by another one", async () => {
    const folder = temporaryFolder();
    const other = fakeLibtorch(path.join(folder, "system"));
    const find = (libtorch: string) =>
      findTorch({ env: { LIBTORCH: libtorch }, platform, systemPrefixes: [other] });

    await expect(find(`${folder}/none`)).rejects.toThrow(
      `$LIBTORCH is ${folder}/none, and there is no such folder. Set it to a libtorch folder (one with include/ and lib/), or run: unset LIBTORCH`,
    );
    await expect(find(folder)).rejects.toThrow(`but there are no libtorch headers in ${folder}/include.`);
    write(path.join(folder, "include/torch/csrc/api/include/torch/torch.h"), "");
    await expect(find(folder)).rejects.toThrow(`but there is no libtorch.so in ${folder}/lib.`);
    fakeLibtorch(folder, { version: "1.12.1" });
    await expect(find(folder)).rejects.toThrow("but it is version 1.12.1, and 1.13 or later is needed.");
  });
});

describe("the torch of python3", () => {
  it("goes before the system's, and is asked for once", async () => {
    const folder = temporaryFolder();
    const package_ = fakeLibtorch(path.join(folder, "site-packages/torch"), { version: "2.6.0" });
    const system = fakeLibtorch(path.join(folder, "system"));
    const bin = path.join(folder, "bin");
    const { timesAsked } = fakePython(bin, package_);
    const env = { PATH: `${bin}:/usr/bin:/bin` };
    const options = { env, platform, systemPrefixes: [system] } as const;

    const first = await findTorch(options);
    expect(first.torch).toMatchObject({ origin: "python3", version: "2.6.0", rpath: [`${package_}/lib`] });
    const second = await findTorch({ ...options, cached: first.python });
    expect(second).toEqual(first);
    expect(readFileSync(timesAsked, "utf8")).toBe("asked\n");

    // A package that is installed or removed changes the time of the folder it lies in.
    utimesSync(bin, 1, 1);
    await findTorch({ ...options, cached: first.python });
    expect(readFileSync(timesAsked, "utf8")).toBe("asked\nasked\n");
  });

  it("is passed over, and that is said, if it is too old; then the system's is taken", async () => {
    const folder = temporaryFolder();
    const old = fakeLibtorch(path.join(folder, "torch"), { version: "1.9.0" });
    const system = fakeLibtorch(path.join(folder, "system"));
    fakePython(path.join(folder, "bin"), old);
    const env = { PATH: `${folder}/bin:/usr/bin:/bin` };
    const { torch, notes } = await findTorch({ env, platform, systemPrefixes: [system] });
    expect(torch).toMatchObject({ origin: "system", version: "2.5.1", rpath: [] });
    expect(notes).toEqual([
      "the torch of python3 is passed over: it is version 1.9.0, and 1.13 or later is needed",
    ]);
  });
});

it("nothing at all is null", async () => {
  const folder = temporaryFolder();
  fakePython(path.join(folder, "bin"), null);
  const found = await findTorch({ env: { PATH: `${folder}/bin` }, platform, systemPrefixes: [folder] });
  expect(found.torch).toBeNull();
});

it("versions compare as numbers", () => {
  expect(isAtLeast("2.10.0", "2.9")).toBe(true);
  expect(isAtLeast("2.8.9", "2.9")).toBe(false);
  expect(isAtLeast("1.13.0a0+git", "1.13")).toBe(true);
});
