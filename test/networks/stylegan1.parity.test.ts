// StyleGAN against the reference implementation: outputs, first-order and second-order gradients.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLoss } from "../../src/losses/adversarial.js";
import { r1Penalty } from "../../src/losses/penalties.js";
import { StyleGan1Discriminator, StyleGan1Generator } from "../../src/networks/stylegan1.js";
import { backward, noGrad } from "../../src/torch/autograd.js";
import { FlatParameters } from "../../src/torch/flat.js";
import type { Module } from "../../src/torch/module.js";
import { setThreads } from "../../src/torch/runtime.js";
import { readSafetensors } from "../../src/torch/safetensors.js";
import { scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { expectClose, fixtureJson, fixturePath, fixtureTensors } from "../helpers.js";

const config = {
  resolution: 32,
  zDim: 32,
  cDim: 0,
  wDim: 32,
  channelBase: 256,
  channelMax: 32,
  mappingLayers: 4,
  mappingLrMultiplier: 0.01,
  wAvgBeta: 0.995,
  mbstdGroupSize: 4,
  mbstdNumFeatures: 1,
  fromRgbActivation: "linear",
} as const;
const gamma = 10;
/** The fixture counts depth from 4x4 on. */
const depth = (blocks: number, alpha: number) => ({ level: 2 + blocks, alpha });

type Norms = Record<string, [number, number] | null>;
const expected = fixtureTensors("stylegan1.expected.safetensors");
const norms = fixtureJson<{ grad_l2_and_sum: Record<string, Norms> }>("stylegan1.grads.json").grad_l2_and_sum;

let G: StyleGan1Generator;
let D: StyleGan1Discriminator;
let gFlat: FlatParameters;
let dFlat: FlatParameters;

beforeAll(() => {
  setThreads();
  G = scope(() => new StyleGan1Generator(config));
  D = scope(() => new StyleGan1Discriminator(config));
  const { tensors } = readSafetensors(fixturePath("stylegan1.weights.safetensors"));
  const ofD = "discriminator.";
  const own = new Map(G.namedBuffers().filter(([name]) => /w_avg$|noise\.const$/.test(name)));
  const forG = [...tensors].filter(([name]) => !name.startsWith(ofD));
  const forD = [...tensors].filter(([name]) => name.startsWith(ofD));
  // The weights hold neither the mean of w nor constant noise: both come with the expected values.
  G.loadStateDict(new Map([...own, ...forG]));
  // Average pooling needs no stored kernel.
  D.loadStateDict(new Map(forD.map(([name, tensor]) => [name.slice(ofD.length), tensor])), (name) =>
    name.endsWith("downscale.blur.kernel"),
  );
  own.get("mapping.w_avg")?.copy_(expected("w_avg"));
  gFlat = new FlatParameters(G);
  dFlat = new FlatParameters(D);
});

afterAll(() => {
  for (const owner of [gFlat, dFlat, G, D]) owner.dispose();
});

const ws = () => G.map(expected("z"), null);

function fakes(): Tensor {
  const noise = Array.from({ length: G.numWsInUse }, (_, i) => expected(`noise.${i}`));
  return G.synthesize(ws(), { noiseMode: "none", noise });
}

function grow(growth: { level: number; alpha: number }): void {
  G.setGrowth(growth);
  D.setGrowth(growth);
}

describe("outputs", () => {
  it("maps z to w, with and without truncation", () =>
    noGrad(() => {
      expectClose(ws(), expected("ws"));
      const truncated = G.map(expected("z"), null, { truncationPsi: 0.7, truncationCutoff: 4 });
      expectClose(truncated, expected("ws_truncated_psi0.7_cutoff4"));
    }));

  it.each([
    [0, 1],
    [2, 0.4],
    [2, 1],
  ])("synthesizes and judges at depth %d with alpha %d", (blocks, alpha) =>
    noGrad(() => {
      grow(depth(blocks, alpha));
      const images = fakes();
      expectClose(images, expected(`img_depth${blocks}_alpha${alpha}`));
      expectClose(D.forward(images, null), expected(`logits_depth${blocks}_alpha${alpha}`));
    }),
  );
});

describe("gradients", () => {
  it("of the generator's loss", () => {
    grow(depth(2, 0.4));
    scope(() => {
      const loss = createLoss("logistic")
        .generator({ fake: D.forward(fakes(), null) })
        .mean();
      expectClose(loss, expected("loss_G"));
      const reference = { ...named("mapping.", norms.G_mapping), ...named("synthesis.", norms.G_synthesis) };
      expectGradients(loss, G, gFlat, reference);
    });
  });

  it("of R1, through the second order", () => {
    grow(depth(2, 0.4));
    scope(() => {
      const images = expected("real").detach().setRequiresGrad(true);
      const penalty = r1Penalty(D.forward(images, null), images);
      expectClose(penalty, expected("r1_per_sample"));
      expectGradients(penalty.mean().mul(gamma / 2), D, dFlat, norms.R1);
    });
  });
});

function named(prefix: string, part: Norms | undefined): Norms {
  return Object.fromEntries(Object.entries(part ?? {}).map(([name, value]) => [prefix + name, value]));
}

/** Holds the L2 norm and the sum of every parameter's gradient against the reference's; null: takes no part. */
function expectGradients(
  loss: Tensor,
  module: Module,
  flat: FlatParameters,
  reference: Norms | undefined,
): void {
  backward(loss, flat.parameters);
  const all = flat.takeGradients().toFloat32Array();
  // Two gradients of the first layer are zero in exact arithmetic, since AdaIN takes its bias and the scale of
  // its noise away: what the reference has for them is rounding.
  const rounding = 1e-5;
  let start = 0;
  for (const [name, parameter] of module.namedParameters()) {
    const values = all.subarray(start, start + parameter.numel);
    start += parameter.numel;
    const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    const sum = values.reduce((total, value) => total + value, 0);
    const wanted = reference?.[name];
    if (wanted === undefined) throw new Error(`the fixture has no gradient of ${name}`);
    const [wantedNorm, wantedSum] = wanted ?? [0, 0];
    const floor = /init_block\.(bias|epi1\.top_epi\.noise\.weight)$/.test(name) ? rounding : 1e-9;
    expect(Math.abs(norm - wantedNorm), `norm of ${name}`).toBeLessThanOrEqual(1e-3 * wantedNorm + floor);
    // Sums cancel: their error is measured against the norm times the root of the count.
    const scale = wantedNorm * Math.sqrt(parameter.numel);
    expect(Math.abs(sum - wantedSum), `sum of ${name}`).toBeLessThanOrEqual(1e-3 * scale + floor);
  }
  expect(Object.keys(reference ?? {}).length).toBe(module.parameters().length);
}
