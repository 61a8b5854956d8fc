// The minimal StyleGAN2 against its source's values: outputs, first-order and second-order gradients. Images are
// in the source's range, [0, 1]: `render` and `judge`.

import { beforeAll, describe, expect, it } from "vitest";
import { pathLengthPenalty } from "../../src/losses/pathLength.js";
import { r1Penalty } from "../../src/losses/penalties.js";
import { MinimalDiscriminator, MinimalGenerator } from "../../src/networks/stylegan2Minimal.js";
import { backward, noGrad } from "../../src/torch/autograd.js";
import { FlatParameters } from "../../src/torch/flat.js";
import type { Module } from "../../src/torch/module.js";
import { setThreads } from "../../src/torch/runtime.js";
import { scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { expectClose, fixtureJson, fixtureTensors } from "../helpers.js";
import { fixtureConfig as config, sourceState } from "./stylegan2Minimal.helpers.js";

const expected = fixtureTensors("labml-minimal.expected.safetensors");
const norms = fixtureJson<{ grad_l2_and_sum: Record<string, Record<string, [number, number] | null>> }>(
  "labml-minimal.grads.json",
).grad_l2_and_sum;
const r1Gamma = 10;
/** Block and place of each layer's noise. */
const noiseKeys = ["0.1", "1.0", "1.1", "2.0", "2.1", "3.0", "3.1"];

let G: MinimalGenerator;
let D: MinimalDiscriminator;
let gFlat: FlatParameters;
let dFlat: FlatParameters;

beforeAll(() => {
  setThreads();
  G = scope(() => new MinimalGenerator(config));
  D = scope(() => new MinimalDiscriminator(config));
  G.loadStateDict(sourceState("G"));
  D.loadStateDict(sourceState("D"));
  gFlat = new FlatParameters(G);
  dFlat = new FlatParameters(D);
});

const noise = () => noiseKeys.map((key) => expected(`noise.${key}`));
const fakes = () => G.render(G.map(expected("z"), null), noise());
const reals = () => expected("real");

// The source's hinge losses.
const generatorLoss = (fake: Tensor) => fake.mean().neg();
const discriminatorLoss = (fake: Tensor, real: Tensor) =>
  real.neg().add(1).relu().mean().add(fake.add(1).relu().mean());

describe("outputs", () => {
  it("maps z to one w for each block", () =>
    noGrad(() => {
      const ws = G.map(expected("z"), null);
      expect(ws.shape).toEqual([4, 4, 32]);
      for (const w of ws.unbind(1)) expectClose(w, expected("w"), 1e-5);
    }));

  it("renders with the noise of each layer given", () => noGrad(() => expectClose(fakes(), expected("img"))));

  it("judges fakes and reals, with the hinge losses of both sides", () =>
    noGrad(() => {
      const fake = D.judge(expected("img"));
      const real = D.judge(reals());
      expectClose(fake, expected("logits_fake"));
      expectClose(real, expected("logits_real"));
      expectClose(generatorLoss(fake), expected("loss_G"));
      expectClose(discriminatorLoss(fake, real), expected("loss_D"));
    }));

  it("speaks [-1, 1] at the interface", () =>
    noGrad(() => {
      const ws = G.map(expected("z"), null);
      const silent = noise().map((map) => map.mul(0));
      const images = G.synthesize(ws, { noiseMode: "none" });
      expectClose(images, G.render(ws, silent).mul(2).sub(1), 1e-6);
      expectClose(D.forward(reals().mul(2).sub(1), null), expected("logits_real"));
    }));
});

describe("gradients", () => {
  it("of the generator's loss", () => {
    scope(() => expectGradients(generatorLoss(D.judge(fakes())), { module: G, flat: gFlat, phase: "G" }));
  });

  it("of the discriminator's loss", () => {
    scope(() => {
      const loss = discriminatorLoss(D.judge(noGrad(fakes)), D.judge(reals()));
      expectGradients(loss, { module: D, flat: dFlat, phase: "D" });
    });
  });

  it("of the gradient penalty, through the second order", () => {
    scope(() => {
      const images = reals().detach().setRequiresGrad(true);
      const penalty = r1Penalty(D.judge(images), images).mean();
      expectClose(penalty, expected("gradient_penalty"));
      // The reference weighs it with half of the source's coefficient.
      expectGradients(penalty.mul(r1Gamma / 2), { module: D, flat: dFlat, phase: "R1" });
    });
  });

  it("of the gradient penalty at the interface: a quarter, for images in [-1, 1]", () => {
    scope(() => {
      const images = reals().mul(2).sub(1).detach().setRequiresGrad(true);
      const penalty = r1Penalty(D.forward(images, null), images).mean();
      expectClose(penalty.mul(4), expected("gradient_penalty"));
    });
  });

  it("of the path length penalty, through the second order", () => {
    scope(() => {
      // The source lays its ws out as [L, N, latentDim] but takes the norm as for [N, L, latentDim]: a mean
      // over the samples for each block. The same happens here when the ws are given to the penalty that way.
      const w = expected("w");
      const ws = w.unsqueeze(0).expand([G.numWs, -1, -1]).contiguous().setRequiresGrad(true);
      const { lengths, penalty } = pathLengthPenalty({
        images: G.render(ws.permute([1, 0, 2]), noise()),
        ws,
        noise: expected("pl_y"),
        mean: expected("pl_a").reshape([]),
        decay: 0,
      });
      expectClose(lengths, expected("pl_norm"));
      expectClose(penalty.mean(), expected("pl_penalty"));
      expectGradients(penalty.mean(), { module: G, flat: gFlat, phase: "PL" });
    });
  });
});

interface GradientExpectation {
  module: Module;
  flat: FlatParameters;
  phase: "G" | "D" | "R1" | "PL";
}

/** Holds the L2 norm and the sum of every parameter's gradient against the source's. */
function expectGradients(loss: Tensor, { module, flat, phase }: GradientExpectation): void {
  backward(loss, flat.parameters);
  const all = flat.takeGradients().toFloat32Array();
  const prefix = module === D ? "discriminator." : "";
  const reference = norms[phase] as Record<string, [number, number] | null>;
  // What is null in the reference (constant kernels among them) takes no part in this loss.
  const wanted = (name: string) => reference[name] ?? [0, 0];
  const largest = Math.max(...Object.keys(reference).map((name) => wanted(name)[0]));
  // Of a gradient that is 0 in exact arithmetic (R1 of the last residual's bias) the reference holds float32's
  // rounding.
  const noiseFloor = 1e-6 * largest;
  const names = new Set(module.namedParameters().map(([name]) => prefix + name));
  expect(Object.keys(reference).filter((name) => reference[name] && !names.has(name))).toEqual([]);
  let start = 0;
  for (const [own, parameter] of module.namedParameters()) {
    const name = prefix + own;
    const values = all.subarray(start, start + parameter.numel);
    start += parameter.numel;
    const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    const sum = values.reduce((total, value) => total + value, 0);
    const [wantedNorm, wantedSum] = wanted(name);
    expect(
      Math.abs(norm - wantedNorm),
      `norm of ${phase} ${name}: ${norm} for ${wantedNorm}`,
    ).toBeLessThanOrEqual(1e-3 * wantedNorm + noiseFloor);
    // Sums cancel: their error is measured against the norm times the root of the count.
    const root = Math.sqrt(parameter.numel);
    expect(Math.abs(sum - wantedSum), `sum of ${phase} ${name}`).toBeLessThanOrEqual(
      (1e-3 * wantedNorm + noiseFloor) * root,
    );
  }
}
