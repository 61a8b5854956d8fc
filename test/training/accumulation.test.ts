// A batch in several passes has the gradients that it has in one.

import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { pathLengthPenalty } from "../../src/losses/pathLength.js";
import { UserError } from "../../src/system/errors.js";
import { backward } from "../../src/torch/autograd.js";
import { manualSeed, randn } from "../../src/torch/random.js";
import { setThreads } from "../../src/torch/runtime.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import type { TrainingConfig } from "../../src/training/configSchema.js";
import { type Phase, type PhaseName, phasesOf } from "../../src/training/phases.js";
import { Trainer } from "../../src/training/trainer.js";
import { tinyFamilyConfig } from "./tiny.js";

beforeAll(() => setThreads(1));

const made: Trainer[] = [];
afterEach(() => {
  for (const trainer of made.splice(0)) trainer.dispose();
});

const batch = 8;

/** Groups of two, so that there can be four parts; the optimizers keep the last gradient as their first moment. */
function configOf(cfg: string, batchGpu: number | null, changes: Partial<TrainingConfig> = {}) {
  const config = tinyFamilyConfig(cfg, { batch, penalty: ["r1"], gamma: 2 });
  const grouped = { mbstdGroupSize: 2, groupSize: 2 };
  const own = Object.fromEntries(Object.entries(grouped).filter(([name]) => name in config.network.config));
  const network = { ...config.network, config: { ...config.network.config, ...own } } as never;
  const optimizer = { ...config.optimizer, beta1: 1e-12, maxGradientNorm: null };
  return {
    ...config,
    growth: null,
    network,
    optimizer,
    styleMixing: config.styleMixing && 1,
    batchGpu,
    ...changes,
  };
}

function phaseOf(trainer: Trainer, name: PhaseName): Phase {
  const phase = trainer.phases.find((candidate) => candidate.name === name);
  if (!phase) throw new Error(`no ${name} among ${trainer.phases.map((one) => one.name)}`);
  return phase;
}

function gradientsOf(config: TrainingConfig, name: PhaseName) {
  manualSeed(3);
  const trainer = new Trainer(config);
  made.push(trainer);
  // StyleGAN's constant is flat at first, and the normalization of what is flat is rounding alone.
  const constant = trainer.G.stateDict().get("synthesis.init_block.const");
  scope(() => constant?.detach().copy_(randn(constant.shape)));
  const { resolution } = config.network.config;
  manualSeed(4);
  scope(() =>
    trainer.runPhase(phaseOf(trainer, name), { images: randn([batch, 3, resolution, resolution]), c: null }),
  );
  const optimizer = name.startsWith("G") ? trainer.gOptimizer : trainer.dOptimizer;
  const gradients = scope(
    () => new Map([...optimizer.state().tensors].map(([key, x]) => [key, x.toFloat32Array()])),
  );
  const firsts = [...gradients].filter(([key]) => key.startsWith("first."));
  return { trainer, gradients: new Map(firsts), means: trainer.statistics.takeMeans() };
}

const norm = (values: Iterable<number>) => Math.sqrt([...values].reduce((sum, x) => sum + x * x, 0));

// Noise is drawn for each pass. Its strengths are 0 at first, so that it has no effect but on their own gradients.
const isOfNoise = (name: string) => name.includes("noise");

describe("the same gradients in 1, 2 and 4 passes", () => {
  const cases: [string, PhaseName, Partial<TrainingConfig>][] = [
    ["stylegan2-small", "Gmain", {}],
    ["stylegan2-small", "Dmain", {}],
    ["stylegan2-small", "Dreg", {}],
    ["stylegan1", "Gmain", {}],
    ["stylegan1", "Dboth", {}],
    ["progan", "Gmain", {}],
    ["progan", "Dboth", {}],
    [
      "progan",
      "Dboth",
      {
        penalty: { r1Gamma: 0, r2Gamma: 1, gpLambda: 10, gpTarget: 1, interval: 1 },
        loss: { name: "relativistic", options: {} },
      },
    ],
  ];
  it.each(cases)("%s, %s", (cfg, name, changes) => {
    const whole = gradientsOf(configOf(cfg, null, changes), name);
    for (const batchGpu of [4, 2]) {
      const parts = gradientsOf(configOf(cfg, batchGpu, changes), name);
      let compared = 0;
      for (const [key, wanted] of whole.gradients) {
        if (isOfNoise(key)) continue;
        const got = parts.gradients.get(key) as Float32Array;
        const error = norm(got.map((x, i) => x - (wanted[i] as number)));
        expect(error, `${key}, ${batchGpu} at once`).toBeLessThan(2e-4 * norm(wanted) + 1e-7);
        if (norm(wanted) > 0) compared += 1;
      }
      expect(compared).toBeGreaterThan(5);
      expect(Object.keys(parts.means)).toEqual(Object.keys(whole.means));
      for (const [key, mean] of Object.entries(whole.means))
        expect(parts.means[key], key).toBeCloseTo(mean, 4);
      const wAvg = ({ trainer }: typeof whole) =>
        trainer.G.stateDict().get("mapping.w_avg")?.toFloat32Array() ?? [];
      const [ours, theirs] = [wAvg(parts), wAvg(whole)];
      for (const [i, x] of theirs.entries()) expect(ours[i]).toBeCloseTo(x, 6);
    }
  });
});

describe("path lengths in parts", () => {
  it("pull each part to a mean that its own lengths have moved, add up, and move the running mean once", () => {
    const config = configOf("stylegan2-small", 2, { styleMixing: 0 });
    const { trainer, gradients, means } = gradientsOf(config, "Greg");
    expect(trainer.objective.plUpdates).toBe(1);
    // Batch 8 is four samples here, in two parts.
    expect(trainer.objective.plMean.item() / (0.01 * (means["Loss/pl_length"] as number))).toBeCloseTo(1, 4);

    manualSeed(3);
    const twin = new Trainer(config);
    made.push(twin);
    manualSeed(4);
    const parameters = twin.G.namedParameters();
    scope(() => {
      randn([batch, 3, 8, 8]);
      const z = randn([batch, twin.G.zDim]);
      for (const first of [0, 2]) {
        const ws = twin.G.map(z.narrow(0, first, 2), null);
        const images = twin.G.synthesize(ws, { noiseMode: "random" });
        const { penalty } = pathLengthPenalty({ images, ws, mean: twin.objective.plMean, decay: 0.01 });
        const { weight, interval } = config.pathLength;
        backward(
          penalty.mean().mul((weight * interval) / 2),
          parameters.map(([, parameter]) => parameter),
        );
      }
      for (const [name, parameter] of parameters) {
        const wanted = parameter.grad()?.toFloat32Array() ?? new Float32Array(parameter.numel);
        const got = gradients.get(`first.${name}`) as Float32Array;
        const error = norm(got.map((x, i) => x - (wanted[i] as number)));
        expect(error, name).toBeLessThan(2e-4 * norm(wanted) + 1e-7);
        parameter.setGrad(null);
      }
    });
  });
});

it("a pass without room for a group is refused in one line", () => {
  expect(() => new Trainer(configOf("stylegan2-small", 1))).toThrow(UserError);
  expect(() => new Trainer(configOf("stylegan2-small", 1))).toThrow(
    /batchGpu 1: .*groups of 2; give at least 2/,
  );
});

it("a divergence in the second part leaves networks and gradients as they were", () => {
  const trainer = new Trainer(configOf("stylegan2-small", 4));
  made.push(trainer);
  const [phase] = phasesOf(trainer.config);
  let calls = 0;
  const { objective } = trainer;
  const evaluate = objective.evaluate.bind(objective);
  objective.evaluate = (term, part) => {
    calls += 1;
    const evaluated = evaluate(term, part);
    return calls < 2 ? evaluated : { ...evaluated, stats: { bad: evaluated.loss.mul(Number.NaN) } };
  };
  const before = liveTensors();
  const weights = () => trainer.G.parameters().map((parameter) => parameter.toFloat32Array());
  const values = weights();
  scope(() => {
    const reals = { images: randn([batch, 3, 8, 8]), c: null };
    expect(() => trainer.runPhase(phase as Phase, reals)).toThrow(/bad became NaN in phase Gmain/);
  });
  expect(calls).toBe(2);
  expect(weights()).toEqual(values);
  expect(trainer.G.parameters().every((parameter) => parameter.grad() === null)).toBe(true);
  expect(trainer.gOptimizer.steps).toBe(0);
  expect(liveTensors()).toBe(before);
});
