// PPL against the reference implementation: the same network, latents, places and noise.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type PathOptions,
  pathDistances,
  pathImages,
  slerp,
  trimmedMean,
} from "../../src/metrics/perceptualPath.js";
import { StyleGan2Generator } from "../../src/networks/stylegan2.js";
import { noiseMapsOf, withNoiseMaps } from "../../src/synthesis/noiseMaps.js";
import { readSafetensors } from "../../src/torch/safetensors.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { Script } from "../../src/torch/script.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { fixtureJson, fixturePath, fixtureTensors, nvidiaFixtureConfig } from "../helpers.js";

const expected = fixtureTensors("metrics.ppl.safetensors");
const { ppl } = fixtureJson<{ ppl: Record<string, number> }>("metrics.json");
const batch = 16;
const samples = 96;

let G: StyleGan2Generator;
let vgg: Script;

beforeAll(() => {
  G = new StyleGan2Generator(nvidiaFixtureConfig);
  const { tensors } = readSafetensors(fixturePath("nvidia-stylegan2.weights.safetensors"));
  G.loadStateDict(
    new Map([...tensors].filter(([name]) => name.startsWith("G.")).map(([n, t]) => [n.slice(2), t])),
  );
  G.setRequiresGrad(false);
  vgg = Script.load(fixturePath("metrics.vgg.pt"));
});
afterAll(() => {
  G.dispose();
  vgg.dispose();
});

function measure(options: PathOptions, { full }: { full: boolean }): number[] {
  const names = G.namedBuffers().flatMap(([name]) => (name.endsWith("noise_const") ? [name] : []));
  const distances: number[] = [];
  for (let start = 0; start < samples; start += batch) {
    scope(() => {
      const maps = names.map((name) => expected(`noise.${name}`).select(0, start / batch));
      expect(maps.map(({ shape }) => shape)).toEqual(noiseMapsOf(G).map(({ shape }) => shape));
      const rows = (name: string) => expected(name).narrow(0, start, batch);
      const paths = { z0: rows("z0"), z1: rows("z1"), t: full ? rows("t") : rows("t").mul(0) };
      const network = {
        map: (z: Tensor) => G.map(z, null),
        synthesize: (ws: Tensor) => G.synthesize(ws, { noiseMode: "const" }),
      };
      const images = withNoiseMaps(G, maps, () => pathImages(network, paths, options));
      const features = vgg.forward(images, { resize_images: false, return_lpips: true });
      distances.push(...pathDistances(features, options).toFloat32Array());
    });
  }
  return distances;
}

describe("PPL", () => {
  it.each<[string, PathOptions, boolean]>([
    ["wend", { space: "w", epsilon: 1e-4, crop: false }, false],
    ["wfull", { space: "w", epsilon: 1e-4, crop: false }, true],
    ["zfull_crop", { space: "z", epsilon: 1e-4, crop: true }, true],
  ])("%s is the reference's", (name, options, full) => {
    const before = liveTensors();
    const distances = measure(options, { full });
    const reference = Array.from(expected(`${name}.distances`).toArray() as Float32Array);
    // One distance is a difference in the fourth digit of float32 images: it carries three digits itself. The mean
    // carries a little more; two orders of the reference's operations differ by up to 2e-4.
    const errors = distances.map((value, i) => (value / (reference[i] as number) - 1) ** 2);
    expect(Math.sqrt(errors.reduce((sum, error) => sum + error, 0) / samples)).toBeLessThan(5e-3);
    expect(Math.abs(trimmedMean(distances) / (ppl[name] as number) - 1)).toBeLessThan(5e-4);
    // On the reference's distances the mean is its own to the last digit.
    expect(trimmedMean(reference)).toBeCloseTo(ppl[name] as number, 6);
    expect(liveTensors()).toBe(before);
  });

  it("leaves out what lies outside of the percentiles", () => {
    const values = Array.from({ length: 101 }, (_, i) => (i === 0 ? -1e6 : i === 100 ? 1e6 : 7));
    expect(trimmedMean(values)).toBe(7);
    expect(trimmedMean([3])).toBe(3);
  });

  it("walks along the sphere: in the middle both ends are as far", () =>
    scope(() => {
      const [a, b] = [tensor([3, 0, 0], [1, 3]), tensor([0, 0, 5], [1, 3])];
      const middle = slerp(a, b, tensor([0.5], [1, 1]));
      expect(Array.from(middle.toFloat32Array(), (value) => Number(value.toFixed(5)))).toEqual([
        Number(Math.SQRT1_2.toFixed(5)),
        0,
        Number(Math.SQRT1_2.toFixed(5)),
      ]);
    }));
});
