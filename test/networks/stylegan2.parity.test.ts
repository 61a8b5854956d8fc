// StyleGAN2 against the reference implementation: outputs, first-order and second-order gradients.

import { beforeAll, describe, expect, it } from "vitest";
import { createLoss } from "../../src/losses/adversarial.js";
import { pathLengthPenalty } from "../../src/losses/pathLength.js";
import { r1Penalty } from "../../src/losses/penalties.js";
import { StyleGan2Discriminator, StyleGan2Generator } from "../../src/networks/stylegan2.js";
import { backward, noGrad } from "../../src/torch/autograd.js";
import { FlatParameters } from "../../src/torch/flat.js";
import type { Module } from "../../src/torch/module.js";
import { setThreads } from "../../src/torch/runtime.js";
import { readSafetensors } from "../../src/torch/safetensors.js";
import { scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { expectClose, fixtureJson, fixturePath, fixtureTensors, nvidiaFixtureConfig } from "../helpers.js";

const config = nvidiaFixtureConfig;
const gamma = 10;
const logistic = createLoss("logistic");

const expected = fixtureTensors("nvidia-stylegan2.expected.safetensors");
const norms = fixtureJson<{ grad_l2_and_sum: Record<string, Record<string, [number, number]>> }>(
  "nvidia-stylegan2.grads.json",
).grad_l2_and_sum;

let G: StyleGan2Generator;
let D: StyleGan2Discriminator;
let gFlat: FlatParameters;
let dFlat: FlatParameters;

beforeAll(() => {
  setThreads();
  G = new StyleGan2Generator(config);
  D = new StyleGan2Discriminator(config);
  const { tensors } = readSafetensors(fixturePath("nvidia-stylegan2.weights.safetensors"));
  const part = (prefix: string) =>
    new Map([...tensors].filter(([name]) => name.startsWith(prefix)).map(([name, t]) => [name.slice(2), t]));
  G.loadStateDict(part("G."));
  D.loadStateDict(part("D."));
  gFlat = new FlatParameters(G);
  dFlat = new FlatParameters(D);
});

const ws = () => G.map(expected("z"), null);
const fakes = () => G.synthesize(ws(), { noiseMode: "const" });

describe("outputs", () => {
  it("maps z to w, with and without truncation", () =>
    noGrad(() => {
      expectClose(ws(), expected("ws"));
      const truncated = G.map(expected("z"), null, { truncationPsi: 0.7, truncationCutoff: 4 });
      expectClose(truncated, expected("ws_psi0.7_cutoff4"));
    }));

  it("synthesizes with constant noise, without noise and with truncation", () =>
    noGrad(() => {
      expectClose(fakes(), expected("img_const"));
      const psi = G.map(expected("z"), null, { truncationPsi: 0.7 });
      expectClose(G.synthesize(psi, { noiseMode: "none" }), expected("img_none_psi0.7"));
      const cutoff = G.map(expected("z"), null, { truncationPsi: 0.7, truncationCutoff: 4 });
      expectClose(G.synthesize(cutoff, { noiseMode: "const" }), expected("img_const_trunc_cut4"));
    }));

  it("judges fakes and reals, with the losses of both sides", () =>
    noGrad(() => {
      const fakeLogits = D.forward(expected("img_const"), null);
      const realLogits = D.forward(expected("real"), null);
      expectClose(fakeLogits, expected("logits_fake"));
      expectClose(realLogits, expected("logits_real"));
      expectClose(logistic.generator({ fake: fakeLogits }).mean(), expected("loss_Gmain"));
      const dLoss = logistic.discriminator({ real: realLogits, fake: fakeLogits }).mean();
      expectClose(dLoss, expected("loss_Dmain"));
    }));
});

describe("gradients", () => {
  it("Gmain", () => {
    scope(() => {
      const loss = logistic.generator({ fake: D.forward(fakes(), null) }).mean();
      expectGradients(loss, G, gFlat, "Gmain");
    });
  });

  it("Dmain", () => {
    scope(() => {
      const images = noGrad(fakes);
      const logits = { fake: D.forward(images, null), real: D.forward(expected("real"), null) };
      expectGradients(logistic.discriminator(logits).mean(), D, dFlat, "Dmain");
    });
  });

  it("R1, through the second order", () => {
    scope(() => {
      const images = expected("real").detach().setRequiresGrad(true);
      const penalty = r1Penalty(D.forward(images, null), images);
      expectClose(penalty, expected("r1_penalty"));
      expectGradients(penalty.mean().mul(gamma / 2), D, dFlat, "R1");
    });
  });

  it("path length, through the second order", () => {
    scope(() => {
      const latents = ws();
      const { lengths, penalty, mean } = pathLengthPenalty({
        images: G.synthesize(latents, { noiseMode: "const" }),
        ws: latents,
        // The fixture holds the noise as the reference scales it, by 1 / √(H W).
        noise: expected("pl_noise").mul(config.resolution),
        mean: expected("pl_mean_used"),
        decay: 0,
      });
      expectClose(lengths, expected("pl_lengths"));
      expectClose(mean, expected("pl_mean_used"));
      expectGradients(penalty.mean().mul(2), G, gFlat, "PL");
    });
  });
});

/** Holds the L2 norm and the sum of every parameter's gradient against the reference's. */
function expectGradients(loss: Tensor, module: Module, flat: FlatParameters, phase: string): void {
  backward(loss, flat.parameters);
  const all = flat.takeGradients().toFloat32Array();
  const reference = norms[phase] as Record<string, [number, number]>;
  let start = 0;
  const seen = new Set<string>();
  for (const [name, parameter] of module.namedParameters()) {
    const values = all.subarray(start, start + parameter.numel);
    start += parameter.numel;
    const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    const sum = values.reduce((total, value) => total + value, 0);
    // A parameter without an entry takes no part in this loss.
    const [wantedNorm, wantedSum] = reference[name] ?? [0, 0];
    seen.add(name);
    expect(Math.abs(norm - wantedNorm), `norm of ${phase} ${name}`).toBeLessThanOrEqual(
      1e-3 * wantedNorm + 1e-9,
    );
    // Sums cancel: their error is measured against the norm times the root of the count.
    const scale = wantedNorm * Math.sqrt(parameter.numel);
    expect(Math.abs(sum - wantedSum), `sum of ${phase} ${name}`).toBeLessThanOrEqual(1e-3 * scale + 1e-9);
  }
  expect(Object.keys(reference).filter((name) => !seen.has(name))).toEqual([]);
}
