import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { perceptualDistance } from "../../src/losses/pictureDistance.js";
import type { Generator } from "../../src/networks/network.js";
import { setGrowth } from "../../src/networks/progressive.js";
import type { Architecture } from "../../src/networks/registry.js";
import { classRows, latentsOfSeed, latentsOfSeeds } from "../../src/synthesis/latents.js";
import { noiseMapsOf } from "../../src/synthesis/noiseMaps.js";
import type { Picture } from "../../src/synthesis/picture.js";
import { Projector, type ProjectorOptions, project } from "../../src/synthesis/projector.js";
import { renderLatents, toPictures } from "../../src/synthesis/render.js";
import { noGrad } from "../../src/torch/autograd.js";
import { manualSeed } from "../../src/torch/random.js";
import { setThreads } from "../../src/torch/runtime.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { Script } from "../../src/torch/script.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { fixturePath } from "../helpers.js";
import { tinyGenerator } from "./tiny.js";

/** With noise that shows: fresh networks give it no strength. */
function makeGenerator(architecture: Architecture, cDim = 0): Generator {
  const G = tinyGenerator(architecture, cDim);
  for (const [name, strength] of G.namedParameters())
    if (/noise_strength|scale_noise|noise\.weight/.test(name)) strength.detach().fill_(0.03);
  G.setRequiresGrad(false);
  return G;
}

const pictureOf = (G: Generator, seed: number, classIndex = 0): Picture =>
  scope(() => {
    const z = latentsOfSeeds([seed], G.zDim);
    return [...renderLatents(G, { z, classes: [classIndex], noiseMode: "const", batch: 1 })][0] as Picture;
  });

async function run(G: Generator, options: ProjectorOptions): Promise<{ ws: number[][]; gain: number }> {
  const { ws, initialDistance, distance } = await project(G, options);
  const rows = scope(() =>
    ws
      .squeeze(0)
      .unbind(0)
      .map((row) => [...row.toFloat32Array()]),
  );
  ws.dispose();
  return { ws: rows, gain: initialDistance / distance };
}

const bytesOf = (G: Generator) =>
  new Map([...G.stateDict()].map(([name, value]) => [name, Buffer.from(value.toBytes()).toString("base64")]));

let G: Generator;
let target: Picture;
beforeAll(() => {
  setThreads(1);
  G = makeGenerator("stylegan2");
  target = pictureOf(G, 5);
});
afterAll(() => G.dispose());

describe("a picture that the network made itself", () => {
  it("comes ten times closer in W in 100 steps, with one w for all layers", async () => {
    const { ws, gain } = await run(G, { target, steps: 100 });
    expect(gain).toBeGreaterThan(10);
    expect(ws).toHaveLength(G.numWs);
    for (const row of ws) expect(row).toEqual(ws[0]);
  });

  it("comes as close in W+, with a w for each layer", async () => {
    const { ws, gain } = await run(G, { target, steps: 100, space: "w+" });
    expect(gain).toBeGreaterThan(10);
    expect(new Set(ws.map(String)).size).toBe(G.numWs);
  });

  it("is found by a perceptual network as well", async () => {
    const network = Script.load(fixturePath("perceptual.pt"));
    const { gain } = await run(G, { target, steps: 100, distance: perceptualDistance(network) });
    network.dispose();
    expect(gain).toBeGreaterThan(5);
  });
});

it("the picture of the result is what the network makes of its ws", async () => {
  const before = bytesOf(G);
  const result = await project(G, { target, steps: 20 });
  expect(bytesOf(G)).toEqual(before);
  expect(noiseMapsOf(G).some((map) => map.requiresGrad)).toBe(false);
  const [picture] = noGrad(() => toPictures(G.synthesize(result.ws, { noiseMode: "const" })));
  expect(picture).toEqual(result.picture);
  result.ws.dispose();
});

it("between its steps the generator has its own noise maps, and none is lost", () => {
  const before = bytesOf(G);
  const live = liveTensors();
  const projector = new Projector(G, { target, steps: 10 });
  projector.advance();
  expect(bytesOf(G)).toEqual(before);
  const during = liveTensors();
  projector.advance();
  projector.advance();
  expect(liveTensors()).toBe(during);
  projector.dispose();
  expect(liveTensors()).toBe(live);
});

it("begins at the mean of 10,000 latents: the first learning rate is 0", async () => {
  const { ws } = await run(G, { target, steps: 1 });
  const mean = scope(() => {
    const w = G.map(latentsOfSeed(123, 10_000, G.zDim), null).select(1, 0);
    return [...w.mean([0]).toFloat32Array()];
  });
  for (const [i, value] of (ws[0] as number[]).entries()) expect(value).toBeCloseTo(mean[i] as number, 5);
});

it("the noise maps become less regular than they began, and take part", () => {
  const projector = new Projector(G, { target, steps: 100 });
  const first = projector.advance();
  let last = first;
  for (let i = 1; i < 60; i++) last = projector.advance();
  projector.dispose();
  expect(first.noiseRegularization).toBeGreaterThan(1e-3);
  expect(last.noiseRegularization).toBeLessThan(first.noiseRegularization / 10);
});

it("the same seed gives the same latent to the bit, another seed another", async () => {
  const search = async (seed: number) => (await run(G, { target, steps: 12, seed })).ws;
  const one = await search(1);
  manualSeed(99); // nothing comes from libtorch's generator
  expect(await search(1)).toEqual(one);
  expect(await search(2)).not.toEqual(one);
});

it("stops when it is asked to, with what it has", async () => {
  let steps = 0;
  const result = await project(G, {
    target,
    steps: 100,
    onStep: ({ step }) => {
      steps = step;
    },
    shouldStop: () => steps === 7,
  });
  expect(result.steps).toBe(7);
  expect(result.distance).toBeLessThan(result.initialDistance);
  result.ws.dispose();
});

it("begins at the mean of the class", async () => {
  const conditional = makeGenerator("stylegan2", 3);
  const { ws } = await run(conditional, { target: pictureOf(conditional, 1, 2), steps: 1, classIndex: 2 });
  const meanOf = (index: number) =>
    scope(() => {
      const z = latentsOfSeed(123, 10_000, conditional.zDim);
      const rows = classRows(new Uint32Array(10_000).fill(index), 3) as Tensor;
      return [...conditional.map(z, rows).select(1, 0).mean([0]).toFloat32Array()];
    });
  const distanceTo = (other: number[]) =>
    Math.hypot(...(ws[0] as number[]).map((value, i) => value - (other[i] as number)));
  expect(distanceTo(meanOf(2))).toBeLessThan(1e-4);
  expect(distanceTo(meanOf(0))).toBeGreaterThan(0.1);
  conditional.dispose();
});

describe("the other generators of the family", () => {
  it.each<[Architecture, number]>([
    ["stylegan2-minimal", 5],
    ["stylegan1", 6],
    ["progan", 0],
  ])("%s, with %i noise maps", async (architecture, maps) => {
    const other = makeGenerator(architecture);
    expect(noiseMapsOf(other)).toHaveLength(maps);
    const { gain } = await run(other, { target: pictureOf(other, 3), steps: 100 });

    expect(gain).toBeGreaterThan(1.5);
    other.dispose();
  });

  it("one that has not grown fully", async () => {
    const other = makeGenerator("progan");
    setGrowth(other, { level: 3, alpha: 1 });
    const small = pictureOf(other, 3);
    expect(small.width).toBe(16);
    const result = await project(other, { target: small, steps: 60 });
    expect(result.picture.width).toBe(16);
    expect(result.distance).toBeLessThan(result.initialDistance / 2);
    result.ws.dispose();
    other.dispose();
  });
});
