// Variants of the PyTorch port's checkpoint, made of the fixture's weights.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FileSource } from "../../src/interop/byteSource.js";
import { isStoredTensor } from "../../src/interop/describe.js";
import { loadGenerator, openSnapshot } from "../../src/interop/openSnapshot.js";
import { readTorchFile } from "../../src/interop/torchFile.js";
import { latentsOfSeed } from "../../src/synthesis/latents.js";
import { noGrad } from "../../src/torch/autograd.js";
import { setThreads } from "../../src/torch/runtime.js";
import { scope } from "../../src/torch/scope.js";
import { expectClose, fixturePath, fixtureTensors } from "../helpers.js";
import { torchTensor } from "./nvidiaWriter.js";
import { Call } from "./pickleWriter.js";
import { legacyFile, zipFile } from "./torchWriter.js";

let folder: string;
beforeAll(() => {
  setThreads(1);
  folder = mkdtempSync(join(tmpdir(), "stylegan-port-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The fixture's dictionaries with their tensors as the writer takes them. */
function checkpoint(keys: readonly string[]): Map<string, unknown> {
  const source = new FileSource(fixturePath("stylegan2-port.pt"));
  const root = readTorchFile(source) as Map<string, unknown>;
  const copy = (value: unknown): unknown => {
    if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, copy(item)]));
    if (!isStoredTensor(value)) return value;
    const tensor = value.read();
    const result = torchTensor(tensor);
    tensor.dispose();
    return result;
  };
  const result = new Map(keys.map((key) => [key, copy(root.get(key))]));
  source.close();
  return result;
}

function write(bytes: Buffer): string {
  const file = join(folder, "checkpoint.pt");
  writeFileSync(file, bytes);
  return file;
}

const expected = fixtureTensors("stylegan2-port.expected.safetensors");

describe("the PyTorch port's checkpoint", () => {
  it.each<[string, (root: Map<string, unknown>) => Buffer]>([
    ["in torch.save's old format", legacyFile],
    ["beyond 4 GB (zip64)", (root) => zipFile(root, { zip64: true })],
    [
      "with the trainer's settings and optimizer",
      (root) =>
        legacyFile(
          new Map([
            ...root,
            [
              "g_optim",
              new Map<string, unknown>([
                ["state", new Map()],
                ["param_groups", []],
              ]),
            ],
            ["args", new Call("argparse", "Namespace")],
            ["ada_aug_p", 0.5],
          ]),
        ),
    ],
  ])("%s", (_, bytes) => {
    const { G, notes } = loadGenerator(write(bytes(checkpoint(["g", "d", "g_ema", "latent_avg"]))));
    expect(notes).toEqual([]);
    noGrad(() =>
      scope(() => {
        const ws = G.map(expected("z"), null, { truncationPsi: 0.7 });
        expectClose(G.synthesize(ws, { noiseMode: "const" }), expected("img_const_psi0.7"));
      }),
    );
    G.dispose();
  });

  it.each([["g_ema"], ["g"]])("with %s alone: the mean of w is computed, and said so", (key) => {
    const file = write(zipFile(checkpoint([key])));
    const { G, notes } = loadGenerator(file);
    expect(notes).toEqual([expect.stringMatching(/no latent_avg.*4096 latents/)]);
    noGrad(() =>
      scope(() => {
        const latents = latentsOfSeed(0, 4096, G.zDim);
        const mean = G.map(latents, null).select(1, 0).mean([0], true);
        const truncated = G.map(latents.narrow(0, 0, 1), null, { truncationPsi: 0 }).select(1, 0);
        expectClose(truncated, mean, 1e-5);
        if (key === "g_ema")
          expectClose(
            G.synthesize(G.map(expected("z"), null), { noiseMode: "const" }),
            expected("img_const"),
          );
      }),
    );
    G.dispose();
    const snapshot = openSnapshot(file);
    expect([...snapshot.shapes.keys()].some((name) => name.startsWith("D."))).toBe(false);
    snapshot.close();
  });
});
