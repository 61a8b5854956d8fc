// The measures from end to end: pictures, detectors, statistics, values; against the reference implementation.

import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DetectorFiles } from "../../src/metrics/openDetector.js";
import type { Generator } from "../../src/networks/network.js";
import { StyleGan2Generator } from "../../src/networks/stylegan2.js";
import { type MeasuredData, ofClass, realBatch } from "../../src/synthesis/measured.js";
import { Meter } from "../../src/synthesis/meter.js";
import { UserError } from "../../src/system/errors.js";
import { manualSeed, randomState } from "../../src/torch/random.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { fixtureJson, fixturePath, fixtureTensors, nvidiaFixtureConfig } from "../helpers.js";

const pictures = fixtureTensors("metrics.images.safetensors");
const { fixed_images: values } = fixtureJson<{ fixed_images: Record<string, number> }>("metrics.json");
const value = (name: string) => values[name] as number;

let folder: string;
let a: Uint8Array; // [512, 3, 32, 32]

/** The pictures A as a data set; two classes in turn. */
const data: MeasuredData = {
  resolution: 32,
  length: 512,
  fingerprint: "A",
  label: (index) => index % 2,
  readImage(index, target, offset) {
    for (let i = 0; i < 32 * 32 * 3; i++)
      target[offset + i] = a[index * 3072 + (i % 3) * 1024 + Math.floor(i / 3)] as number;
  },
};

/** A generator that gives the pictures B one after the other, whatever the latents. */
function generatorOfB(): Generator {
  let next = 0;
  const generator = {
    zDim: 4,
    cDim: 0,
    wDim: 4,
    numWs: 1,
    resolution: 32,
    parameters: () => [],
    namedBuffers: () => [],
    map: (z: Tensor) => z.unsqueeze(1),
    synthesize(ws: Tensor) {
      const count = ws.size(0);
      const bytes = pictures("B")
        .narrow(0, next % 512, count)
        .to("float32");
      next += count;
      return bytes.add(0.5 - 128).div(127.5); // the middle of what becomes this byte
    },
  };
  return generator as unknown as Generator;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "stylegan-meter-"));
  mkdirSync(join(folder, "detectors"));
  copyFileSync(fixturePath("metrics.inception.pt"), join(folder, "detectors", "inception-2015-12-05.pt"));
  copyFileSync(fixturePath("metrics.vgg.pt"), join(folder, "detectors", "vgg16.pt"));
  a = pictures("A").toArray() as Uint8Array;
});
afterAll(() => rmSync(folder, { recursive: true }));

const detectorFolder = () => new DetectorFiles(join(folder, "detectors"));

async function measured(metrics: string[], options: { images?: number; mirror?: boolean } = {}) {
  const meter = await Meter.open(data, {
    ...{ metrics, images: 512, detectors: detectorFolder(), cacheFolder: join(folder, "cache"), ...options },
  });
  const passes: string[] = [];
  const results = await meter.measure(generatorOfB(), {
    onProgress: (what, done, total) => {
      if (done === total) passes.push(`${what} ${total}`);
    },
  });
  meter.dispose();
  return {
    passes,
    results: Object.assign({}, ...results.map((result) => result.results)) as Record<string, number>,
  };
}

const expectRelative = (actual: number | undefined, wanted: number, tolerance = 1e-4) =>
  expect(Math.abs((actual as number) / wanted - 1)).toBeLessThan(tolerance);

describe("the published measures", () => {
  it("have the reference's values, from one pass over the fakes and one over the reals", async () => {
    const { results, passes } = await measured(["fid50k_full", "kid50k_full", "pr50k3_full", "is50k"]);
    expectRelative(results.fid50k_full, value("fid"));
    expect(results.pr50k3_full_precision).toBe(value("precision_half"));
    expect(results.pr50k3_full_recall).toBe(value("recall_half"));
    expectRelative(results.is50k_mean, value("is_mean"));
    expectRelative(results.is50k_std, value("is_std"));
    // All subsets are of all 512 pictures.
    expectRelative(results.kid50k_full, value("kid_all"), 2e-4);
    expect(passes).toEqual(["reals 512", "pictures 512"]);
  });

  it("know the reals from the disk the next time, unless the file is damaged", async () => {
    const first = await measured(["fid50k_full"]);
    expect(first.passes).toEqual(["pictures 512"]);
    const files = readdirSync(join(folder, "cache"));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) writeFileSync(join(folder, "cache", file), "damaged");
    const again = await measured(["fid50k_full"]);
    expect(again.passes).toEqual(["reals 512", "pictures 512"]);
    expect(again.results).toEqual(first.results);
  });

  it("look at mirrored reals where the training does, in the older measures alone", async () => {
    const plain = await measured(["fid50k_full", "fid50k"], { mirror: false });
    const mirrored = await measured(["fid50k_full", "fid50k"], { mirror: true });
    expect(plain.results.fid50k).toBe(plain.results.fid50k_full);
    expect(mirrored.results.fid50k_full).toBe(plain.results.fid50k_full);
    expect(mirrored.results.fid50k).not.toBe(plain.results.fid50k);
    scope(() => {
      const both = realBatch(data, { start: 511, size: 2 });
      const [last, first] = [both.select(0, 0), both.select(0, 1)];
      expect(last.toArray()).toEqual(pictures("A").select(0, 511).toArray());
      expect(first.flip([2]).toArray()).toEqual(pictures("A").select(0, 0).toArray());
    });
  });

  it("leave libtorch's random numbers and no tensor behind", async () => {
    const warm = await measured(["swd", "fid50k_full"], { images: 32 });
    manualSeed(7);
    const [before, state] = [liveTensors(), Buffer.from(randomState("cpu"))];
    const again = await measured(["swd", "fid50k_full"], { images: 32 });
    expect(liveTensors()).toBe(before);
    expect(Buffer.from(randomState("cpu")).equals(state)).toBe(true);
    expect(again.results).toEqual(warm.results);
  });
});

describe("a network", () => {
  let G: StyleGan2Generator;
  beforeAll(() => {
    manualSeed(3);
    G = scope(() => new StyleGan2Generator(nvidiaFixtureConfig));
    G.setRequiresGrad(false);
  });
  afterAll(() => G.dispose());

  const openMeter = (metrics: string[], images: number) =>
    Meter.open(data, { metrics, images, detectors: detectorFolder(), cacheFolder: join(folder, "cache") });

  it("has a path length that depends on the draws alone, and keeps its noise", async () => {
    const meter = await openMeter(["ppl2_wend", "ppl_zfull"], 20);
    const noise = () => scope(() => G.namedBuffers().map(([, map]) => Array.from(map.toFloat32Array())));
    const own = noise();
    const first = await meter.measure(G);
    const second = await meter.measure(G);
    const other = await meter.measure(G, { repeat: 1 });
    meter.dispose();
    expect(noise()).toEqual(own);
    const valuesOf = (results: typeof first) => results.map(({ results: byName }) => byName);
    expect(valuesOf(second)).toEqual(valuesOf(first));
    expect(valuesOf(other)).not.toEqual(valuesOf(first));
    for (const { results, images } of first) {
      expect(images).toBe(20);
      for (const length of Object.values(results)) expect(length).toBeGreaterThan(0);
    }
  });

  it("stops when it is asked to, with what it has", async () => {
    const meter = await openMeter(["fid50k_full", "swd", "ppl2_wend"], 128);
    const results = await meter.measure(G, { shouldStop: () => true });
    expect(results.map(({ metric }) => metric.name)).toEqual(["swd"]);
    meter.dispose();
  });
});

describe("a set by its classes", () => {
  it("has the pictures of one class alone", () => {
    const odd = ofClass(data, 1);
    expect(odd.length).toBe(256);
    const [picture, wanted] = [new Uint8Array(3072), new Uint8Array(3072)];
    odd.readImage(5, picture, 0);
    data.readImage(11, wanted, 0);
    expect(picture).toEqual(wanted);
    expect(odd.fingerprint).not.toBe(data.fingerprint);
  });
});

describe("what cannot be measured", () => {
  const open = (metrics: string[], path: string | undefined) =>
    Meter.open(data, { metrics, detectors: new DetectorFiles(path), cacheFolder: folder });

  it.each<[string, string[], () => string | undefined, RegExp]>([
    [
      "without a detector",
      ["fid50k_full"],
      () => undefined,
      /inception-2015-12-05 is missing: get https.*SHA-256 f58c/,
    ],
    ["with a folder without it", ["ppl2_wend"], () => fixturePath(""), /no vgg16\.pt or vgg16\.onnx/],
    [
      "with one file for two kinds",
      ["fid50k_full", "pr50k3_full"],
      () => fixturePath("metrics.vgg.pt"),
      /folder/,
    ],
    ["by an unknown measure", ["fid"], () => undefined, /no measure fid; choose of swd, fid50k_full/],
    [
      "with a file that is no TorchScript",
      ["fid50k_full"],
      () => fixturePath("losses.json"),
      /no TorchScript/,
    ],
  ])("%s is one line", async (_, metrics, path, message) => {
    const failure = await open(metrics, path()).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UserError);
    expect((failure as UserError).message).toMatch(message);
    expect((failure as UserError).message).not.toMatch(/\n/);
  });

  it("by a detector of another kind is one line", async () => {
    // It is called with flags that it does not know.
    const meter = await open(["pr50k3_full"], fixturePath("perceptual.pt"));
    await expect(meter.measure(generatorOfB())).rejects.toThrow(/cannot be called/);
    meter.dispose();
  });

  it("of fewer pictures than neighbours or parts is one line", async () => {
    for (const [metrics, message] of [
      [["pr50k3_full"], /at least 4 pictures of the data and/],
      [["is50k"], /at least 10 pictures of the generator; there are 3/],
    ] as const)
      await expect(measured([...metrics], { images: 3 })).rejects.toThrow(message);
  });
});
