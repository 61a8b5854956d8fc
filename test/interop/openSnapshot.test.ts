// Networks of other programs against what those programs computed with them.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { loadGenerator, openSnapshot } from "../../src/interop/openSnapshot.js";
import type { Discriminator } from "../../src/networks/network.js";
import { createDiscriminator, createGenerator } from "../../src/networks/registry.js";
import { disposeAll, type NetworkPrefix, stateOf } from "../../src/networks/snapshot.js";
import type { MinimalDiscriminator, MinimalGenerator } from "../../src/networks/stylegan2Minimal.js";
import { latentsOfSeed, latentsOfSeeds } from "../../src/synthesis/latents.js";
import { renderLatents } from "../../src/synthesis/render.js";
import { noGrad } from "../../src/torch/autograd.js";
import { zeros } from "../../src/torch/ops.js";
import { setThreads } from "../../src/torch/runtime.js";
import { readSafetensors, writeSafetensors } from "../../src/torch/safetensors.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { expectClose, fixturePath, fixtureTensors, nvidiaFixtureConfig } from "../helpers.js";

beforeAll(() => setThreads());

/** One of the networks in a file. */
function loadNetwork(file: string, network: NetworkPrefix) {
  const snapshot = openSnapshot(file);
  const tensors = snapshot.read([network]);
  const { description } = snapshot.info;
  const module = network === "D" ? createDiscriminator(description) : createGenerator(description);
  module.loadStateDict(stateOf(tensors, network));
  disposeAll(tensors);
  snapshot.close();
  return module;
}

describe("NVIDIA's pickle", () => {
  const file = fixturePath("nvidia-stylegan2.pkl");

  it("is described as the networks were built", () => {
    const snapshot = openSnapshot(file);
    expect(snapshot.info).toEqual({
      description: { architecture: "stylegan2", config: nvidiaFixtureConfig },
      curNimg: null,
      classNames: [],
      origin: { format: expect.stringContaining("NVIDIA"), file: "nvidia-stylegan2.pkl" },
    });
    expect(snapshot.shapes.get("D.b32.fromrgb.weight")).toEqual([16, 3, 1, 1]);
    snapshot.close();
  });

  it.each(["G", "D"] as const)("holds the weights of %s bit for bit", (network) => {
    const before = liveTensors();
    const snapshot = openSnapshot(file);
    const tensors = snapshot.read([network]);
    const wanted = fixtureTensors("nvidia-stylegan2.weights.safetensors");
    expect(tensors.size).toBeGreaterThan(30);
    for (const [name, tensor] of tensors) {
      const expected: Tensor = wanted(name);
      expect([name, tensor.shape]).toEqual([name, expected.shape]);
      expect(Buffer.from(tensor.toBytes()).equals(expected.toBytes()), name).toBe(true);
    }
    disposeAll(tensors);
    snapshot.close();
    expect(liveTensors() - before).toBeLessThanOrEqual(200); // the fixture's own
  });

  it("generates the same images", () => {
    const { G } = loadGenerator(file);
    const expected = fixtureTensors("nvidia-stylegan2.expected.safetensors");
    noGrad(() => {
      const z = latentsOfSeeds([0, 1, 2, 3], G.zDim);
      expectClose(G.synthesize(G.map(z, null), { noiseMode: "const" }), expected("img_const"));
      const cut = G.map(z, null, { truncationPsi: 0.7, truncationCutoff: 4 });
      expectClose(G.synthesize(cut, { noiseMode: "const" }), expected("img_const_trunc_cut4"));
    });
    G.dispose();
  });
});

describe("the PyTorch port's checkpoint", () => {
  const file = fixturePath("stylegan2-port.pt");
  const expected = fixtureTensors("stylegan2-port.expected.safetensors");

  it("is described by its shapes", () => {
    const snapshot = openSnapshot(file);
    expect(snapshot.info.description).toEqual({
      architecture: "stylegan2",
      config: {
        ...{
          resolution: 32,
          zDim: 32,
          wDim: 32,
          cDim: 0,
          channelBase: 512,
          channelMax: 16,
          mappingLayers: 4,
        },
        ...{ mappingLrMultiplier: 0.01, wAvgBeta: 0.995, convClamp: null, mbstdGroupSize: 4 },
        ...{ mbstdNumFeatures: 1, discriminatorArchitecture: "resnet", discriminatorMappingLayers: 8 },
      },
    });
    snapshot.close();
  });

  it("maps and generates the same, with its stored noise, with and without truncation", () => {
    const { G } = loadGenerator(file);
    noGrad(() => {
      const ws = G.map(expected("z"), null);
      expectClose(ws.select(1, 0), expected("w"));
      expectClose(G.synthesize(ws, { noiseMode: "const" }), expected("img_const"));
      const truncated = G.map(expected("z"), null, { truncationPsi: 0.7 });
      expectClose(G.synthesize(truncated, { noiseMode: "const" }), expected("img_const_psi0.7"));
    });
    G.dispose();
  });

  it("judges the same", () => {
    const D = loadNetwork(file, "D") as Discriminator;
    noGrad(() => expectClose(D.forward(expected("img_const"), null), expected("logits")));
    D.dispose();
  });
});

describe("the minimal StyleGAN2's weights", () => {
  const file = fixturePath("labml-minimal.weights.safetensors");
  const expected = fixtureTensors("labml-minimal.expected.safetensors");

  it("render, with the noise given, and judge the same; the mean of w and the noise are filled in", () => {
    const G = loadNetwork(file, "G_ema") as MinimalGenerator;
    const D = loadNetwork(file, "D") as MinimalDiscriminator;
    noGrad(() => {
      const noise = ["0.1", "1.0", "1.1", "2.0", "2.1", "3.0", "3.1"].map((key) => expected(`noise.${key}`));
      const ws = G.map(expected("z"), null);
      expectClose(ws.select(1, 0), expected("w"));
      expectClose(G.render(ws, noise), expected("img"));
      expectClose(D.judge(expected("img")), expected("logits_fake"));
      const mean = G.map(expected("z").narrow(0, 0, 1), null, { truncationPsi: 0 }).select(1, 0);
      const samples = G.map(latentsOfSeed(7, 2000, G.zDim), null).select(1, 0);
      const spread = samples.sub(mean).square().mean().item();
      const around = samples
        .sub(samples.mean([0]))
        .square()
        .mean()
        .item();
      expect(spread / around).toBeLessThan(1.01);
    });
    G.dispose();
    D.dispose();
  });
});

it.each([
  ["other.thing", /it has other\.thing, which is not part of the minimal StyleGAN2$/],
  [
    "generator.thing",
    /does not fit the network: entry G_ema\.generator\.thing has shape \[1\], expected none$/,
  ],
])(
  "the minimal StyleGAN2's weights with an entry of another's, %s, are refused by its name",
  (name, message) => {
    const folder = mkdtempSync(join(tmpdir(), "stylegan-entry-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "weights.safetensors");
    scope(() => {
      const { tensors } = readSafetensors(fixturePath("labml-minimal.weights.safetensors"));
      writeSafetensors(file, tensors.set(name, zeros([1])));
    });
    expect(() => openSnapshot(file)).toThrow(message);
  },
);

it("renders NVIDIA's seeds within one level of its pictures", async () => {
  const { default: sharp } = await import("sharp");
  const { G } = loadGenerator(fixturePath("nvidia-stylegan2.pkl"));
  const z = latentsOfSeeds([0, 1, 2, 3], G.zDim);
  const pictures = [...renderLatents(G, { z, classes: [0, 0, 0, 0], noiseMode: "const", batch: 4 })];
  for (const [seed, picture] of pictures.entries()) {
    const wanted = await sharp(fixturePath(`nvidia-stylegan2.seed000${seed}.png`))
      .raw()
      .toBuffer();
    expect(picture.pixels).toHaveLength(wanted.length);
    const difference = picture.pixels.reduce(
      (max, value, i) => Math.max(max, Math.abs(value - (wanted[i] as number))),
      0,
    );
    expect(difference).toBeLessThanOrEqual(1);
  }
  z.dispose();
  G.dispose();
});
