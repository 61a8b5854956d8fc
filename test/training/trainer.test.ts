import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { r1Penalty } from "../../src/losses/penalties.js";
import { grad } from "../../src/torch/autograd.js";
import { manualSeed } from "../../src/torch/random.js";
import { setThreads } from "../../src/torch/runtime.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import type { TrainingConfig } from "../../src/training/configSchema.js";
import { DivergenceError } from "../../src/training/statistics.js";
import { Trainer } from "../../src/training/trainer.js";
import { reals, tinyConfig } from "./tiny.js";

beforeAll(() => setThreads(1));

let made: Trainer[] = [];
afterEach(() => {
  for (const trainer of made) trainer.dispose();
  made = [];
});

function trainerOf(config: TrainingConfig): Trainer {
  manualSeed(config.seed);
  const trainer = new Trainer(config);
  made.push(trainer);
  return trainer;
}

function step(trainer: Trainer): void {
  scope(() => trainer.step(reals(trainer.config)));
}

function valuesOf(network: Trainer["G"] | Trainer["D"]): Float32Array {
  return Float32Array.from(network.parameters().flatMap((parameter) => [...parameter.toFloat32Array()]));
}

describe("Adam with lazy regularization", () => {
  it("scales rate and decays by c = k / (k + 1) for each network's own interval", () => {
    const trainer = trainerOf(tinyConfig());
    const [g, d] = [4 / 5, 16 / 17];
    expect(trainer.gOptimizer.options.lr).toBeCloseTo(0.0025 * g, 12);
    expect(trainer.gOptimizer.options.beta1).toBe(0);
    expect(trainer.gOptimizer.options.beta2).toBeCloseTo(0.99 ** g, 12);
    expect(trainer.dOptimizer.options.lr).toBeCloseTo(0.0025 * d, 12);
    expect(trainer.dOptimizer.options.beta2).toBeCloseTo(0.99 ** d, 12);
    expect(trainer.phases.map(({ name, interval }) => [name, interval])).toEqual([
      ["Gmain", 1],
      ["Greg", 4],
      ["Dmain", 1],
      ["Dreg", 16],
    ]);
  });

  it("multiplies the regularization by its interval", () => {
    const trainer = trainerOf(tinyConfig());
    const { images } = reals(trainer.config);
    const phase = trainer.phases.find(({ name }) => name === "Dreg");
    if (!phase) throw new Error("no Dreg");
    const norm = scope(() => {
      const inputs = images.detach().setRequiresGrad(true);
      const loss = r1Penalty(trainer.D.forward(inputs, null), inputs)
        .mean()
        .mul(trainer.config.penalty.r1Gamma / 2);
      // The input's own gradient has no part in this; parameters that R1 does not reach are left out.
      const weights = trainer.D.parameters().filter(({ shape }) => shape.length > 1);
      return Math.sqrt(grad([loss], weights).reduce((sum, part) => sum + part.square().sum().item(), 0));
    });
    scope(() => trainer.runPhase(phase, { images, c: null }));
    // After one step the second moment is (1 - β₂) g².
    const sum = scope(() => trainer.dOptimizer.secondMoment.sum().item());
    const stepped = Math.sqrt(sum / (1 - trainer.dOptimizer.options.beta2));
    expect(stepped / norm).toBeGreaterThan(15.9);
    expect(stepped / norm).toBeLessThan(16.5); // biases add a little
    images.dispose();
  });

  it("leaves them alone, and the phase out, where nothing is regularized", () => {
    const trainer = trainerOf(tinyConfig({ plWeight: 0, gamma: 0 }));
    for (const { options } of [trainer.gOptimizer, trainer.dOptimizer])
      expect(options).toEqual({ lr: 0.0025, beta1: 0, beta2: 0.99, eps: 1e-8 });
    expect(trainer.phases.map(({ name }) => name)).toEqual(["Gmain", "Dmain"]);
  });

  it("steps each optimizer as often as its phases are due", () => {
    const trainer = trainerOf(tinyConfig());
    for (let i = 0; i < 17; i++) step(trainer);
    expect(trainer.gOptimizer.steps).toBe(17 + 5);
    expect(trainer.dOptimizer.steps).toBe(17 + 2);
    expect([trainer.curNimg, trainer.batchIndex]).toEqual([68, 17]);
  });

  it("a phase changes the network it trains and not the other one", () => {
    const trainer = trainerOf(tinyConfig());
    for (const phase of trainer.phases) {
      const [g, d] = [valuesOf(trainer.G), valuesOf(trainer.D)];
      scope(() => trainer.runPhase(phase, reals(trainer.config)));
      expect(valuesOf(trainer.G).join() !== g.join(), phase.name).toBe(phase.name.startsWith("G"));
      expect(valuesOf(trainer.D).join() !== d.join(), phase.name).toBe(phase.name.startsWith("D"));
    }
  });
});

describe("the moving average", () => {
  it("has a half-life in images that ramps up with the images shown", () => {
    // 10 images of half-life in the end: ramp-up rules until image 200.
    const trainer = trainerOf(tinyConfig({ emaKimg: 0.01 }));
    const betas: number[] = [];
    for (let i = 0; i < 60; i++) {
      const [before, nimg] = [valuesOf(trainer.gEma), trainer.curNimg];
      step(trainer);
      const halfLife = Math.max(Math.min(10, 0.05 * nimg), 1e-8);
      const beta = 0.5 ** (4 / halfLife);
      betas.push(beta);
      // What is left of the distance to G is beta; the weights themselves hardly move.
      const [G, after] = [valuesOf(trainer.G), valuesOf(trainer.gEma)];
      let [along, square] = [0, 0];
      for (const [index, value] of G.entries()) {
        const distance = (before[index] as number) - value;
        along += ((after[index] as number) - value) * distance;
        square += distance ** 2;
      }
      expect(square).toBeGreaterThan(0);
      expect(Math.abs(along / square - beta)).toBeLessThan(1e-4);
    }
    expect(betas[0]).toBe(0); // at first it is the network itself
    expect(betas[59]).toBeCloseTo(0.5 ** 0.4, 10);
  });

  it("copies the buffers: w_avg is the generator's", () => {
    const trainer = trainerOf(tinyConfig());
    for (let i = 0; i < 3; i++) step(trainer);
    const wAvg = (network: Trainer["G"]) => network.stateDict().get("mapping.w_avg")?.toFloat32Array();
    expect(wAvg(trainer.gEma)).toEqual(wAvg(trainer.G));
    expect(wAvg(trainer.G)?.some((value) => value !== 0)).toBe(true);
  });

  it("starts as the generator", () => {
    const trainer = trainerOf(tinyConfig());
    for (const [name, value] of trainer.G.stateDict())
      expect(trainer.gEma.stateDict().get(name)?.toBytes(), name).toEqual(value.toBytes());
  });
});

describe("a step", () => {
  it("is the same again from the same seed, and another one from another seed", () => {
    const run = (seed: number) => {
      const trainer = trainerOf(tinyConfig({ seed }));
      for (let i = 0; i < 5; i++) step(trainer);
      return valuesOf(trainer.gEma);
    };
    const first = run(1);
    expect(run(1)).toEqual(first);
    expect(run(2)).not.toEqual(first);
  });

  it("leaves as many tensors alive as there were before, through all four phases", () => {
    const trainer = trainerOf(tinyConfig());
    step(trainer);
    const before = liveTensors();
    for (let i = 0; i < 20; i++) {
      step(trainer);
      expect(liveTensors(), `step ${i}`).toBe(before);
    }
    expect(Object.keys(trainer.statistics.takeMeans())).toEqual(
      expect.arrayContaining(["Phase/Gmain", "Phase/Greg", "Phase/Dmain", "Phase/Dreg", "Loss/pl_length"]),
    );
  });

  it("reports losses that a fresh discriminator must have: about log 2 for G, 2 log 2 for D", () => {
    const trainer = trainerOf(tinyConfig());
    step(trainer);
    const means = trainer.statistics.takeMeans();
    expect(Math.abs((means["Loss/G/loss"] as number) - Math.log(2))).toBeLessThan(0.5);
    expect(Math.abs((means["Loss/D/loss"] as number) - 2 * Math.log(2))).toBeLessThan(0.7);
  });

  it("moves the mean path length towards that of the batch by the decay", () => {
    const trainer = trainerOf(tinyConfig());
    step(trainer);
    const length = trainer.statistics.takeMeans()["Loss/pl_length"] as number;
    expect(trainer.objective.plMean.item() / (0.01 * length)).toBeCloseTo(1, 4);
  });
});

describe("a divergence", () => {
  it.each(["Gmain", "Greg", "Dmain", "Dreg"] as const)(
    "in %s stops with the phase's name, before the networks change, and leaks nothing",
    (name) => {
      const trainer = trainerOf(tinyConfig());
      step(trainer);
      const phase = trainer.phases.find((candidate) => candidate.name === name);
      if (!phase) throw new Error(`no phase ${name}`);
      const module = name.startsWith("G") ? trainer.G : trainer.D;
      scope(() => module.parameters()[0]?.detach().fill_(Number.NaN));
      const before = liveTensors();
      const [g, d] = [valuesOf(trainer.G), valuesOf(trainer.D)];
      const run = () => scope(() => trainer.runPhase(phase, reals(trainer.config)));
      expect(run).toThrow(DivergenceError);
      expect(run).toThrow(new RegExp(`phase ${name}`));
      expect(valuesOf(trainer.G)).toEqual(g);
      expect(valuesOf(trainer.D)).toEqual(d);
      expect(liveTensors()).toBe(before);
    },
  );
});

it("resident memory after 300 steps is within 5% of that after 30", () => {
  const module = (name: string) =>
    JSON.stringify(fileURLToPath(new URL(`../../dist/src/${name}.js`, import.meta.url)));
  const code = `
    import { Trainer } from ${module("training/trainer")};
    import { manualSeed, randn } from ${module("torch/random")};
    import { setThreads } from ${module("torch/runtime")};
    import { liveTensors, scope } from ${module("torch/scope")};
    setThreads(1);
    manualSeed(0);
    const trainer = new Trainer(${JSON.stringify(tinyConfig())});
    const sizes = [];
    for (let step = 1; step <= 300; step++) {
      scope(() => trainer.step({ images: randn([4, 3, 8, 8]), c: null }));
      trainer.statistics.takeMeans();
      if (step === 30 || step === 300) sizes.push([process.memoryUsage.rss(), liveTensors()]);
    }
    console.log(JSON.stringify(sizes));
  `;
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const [early, late] = JSON.parse(stdout) as [[number, number], [number, number]];
  expect(late[0] / early[0]).toBeLessThan(1.05);
  // The collector may have freed what was dropped before the first step; nothing may have come on top.
  expect(late[1]).toBeLessThanOrEqual(early[1]);
});
