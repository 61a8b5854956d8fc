import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { adversarialLosses } from "../../src/losses/adversarial.js";
import type { PenaltyName } from "../../src/losses/penalties.js";
import { type Growth, layersInUse, setGrowth } from "../../src/networks/progressive.js";
import { networkDescriptionSchema } from "../../src/networks/registry.js";
import { backward, noGrad } from "../../src/torch/autograd.js";
import { manualSeed, randn } from "../../src/torch/random.js";
import { setThreads } from "../../src/torch/runtime.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import type { Reals } from "../../src/training/batch.js";
import { resolveConfig } from "../../src/training/config.js";
import type { TrainingConfig } from "../../src/training/configSchema.js";
import { fadeReals } from "../../src/training/growth.js";
import type { TrainingOptions } from "../../src/training/options.js";
import type { PhaseName } from "../../src/training/phases.js";
import { Trainer } from "../../src/training/trainer.js";
import { facts } from "./tiny.js";

beforeAll(() => setThreads(1));

let made: Trainer[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const trainer of made) trainer.dispose();
  made = [];
});

const families = ["stylegan2-small", "stylegan2-minimal", "stylegan1", "progan"] as const;
type Family = (typeof families)[number];

/** The smallest networks of a configuration. Those that grow are in their first fade after the first step. */
function configOf(cfg: Family, overrides: TrainingOptions = {}, resolution = 8): TrainingConfig {
  const grows = cfg === "stylegan1" || cfg === "progan";
  const config = resolveConfig(cfg, facts(resolution), {
    ...{ batch: 4, channelBase: 64, channelMax: 8 },
    ...(cfg === "progan" ? {} : { mappingLayers: 2 }),
    ...(grows ? { growthKimg: 0.003 } : {}),
    ...overrides,
  });
  const { architecture } = config.network;
  const narrow = {
    stylegan2: { zDim: 8, wDim: 8 },
    "stylegan2-minimal": { latentDim: 8 },
    stylegan1: { zDim: 8, wDim: 8 },
    progan: { zDim: 8 },
  }[architecture];
  const network = networkDescriptionSchema.parse({
    architecture,
    config: { ...config.network.config, ...narrow },
  });
  return { ...config, network, minibatchRepeats: 1 };
}

function trainerOf(config: TrainingConfig): Trainer {
  manualSeed(config.seed);
  const trainer = new Trainer(config);
  made.push(trainer);
  return trainer;
}

/** Noise in the place of pictures, as the networks see it at the present point of the schedule. */
function realsFor({ config, batch, schedulePoint }: Trainer): Reals {
  const { resolution } = config.network.config;
  return scope(() => {
    const images = randn([batch, 3, resolution, resolution]);
    const { growth } = schedulePoint;
    return { images: growth ? fadeReals(images, growth) : images, c: null };
  });
}

function step(trainer: Trainer): void {
  scope(() => trainer.step(realsFor(trainer)));
}

function run(trainer: Trainer, name: PhaseName): void {
  const phase = trainer.phases.find((candidate) => candidate.name === name);
  if (!phase) throw new Error(`no phase ${name} among ${trainer.phases.map((one) => one.name)}`);
  scope(() => trainer.runPhase(phase, realsFor(trainer)));
}

function valuesOf(network: Trainer["G"] | Trainer["D"]): Float32Array {
  return Float32Array.from(network.parameters().flatMap((parameter) => [...parameter.toFloat32Array()]));
}

const equal = (a: Float32Array, b: Float32Array) => a.every((value, i) => value === b[i]);
const norm = (values: Iterable<number>) => Math.sqrt([...values].reduce((sum, value) => sum + value ** 2, 0));
const phaseNames = (trainer: Trainer) =>
  trainer.phases.map(({ name, interval }) => (interval === 1 ? name : `${name}/${interval}`));

/** β1 is 0 in the whole family and no first moment is kept; with this one it is kept, and is the last gradient. */
const tinyBeta1 = 1e-12;

const lastGradient = (trainer: Trainer, network: "g" | "d") =>
  (trainer[`${network}Optimizer`].firstMoment as Tensor).toFloat32Array();

describe("any loss with any penalty", () => {
  const penaltySets: [PenaltyName[], string[]][] = [
    [[], []],
    [["r1"], ["Loss/r1_penalty"]],
    [["r2"], ["Loss/r2_penalty"]],
    [
      ["r1", "r2"],
      ["Loss/r1_penalty", "Loss/r2_penalty"],
    ],
    [["wgan-gp"], ["Loss/gradient_penalty"]],
  ];

  it.each(families)("%s: two steps with finite statistics and new weights", (cfg) => {
    const resolution = cfg === "stylegan1" ? 16 : 8;
    for (const loss of Object.keys(adversarialLosses)) {
      for (const [penalty, reported] of penaltySets) {
        const label = `${cfg}, ${loss}, ${penalty.join("+") || "none"}`;
        manualSeed(0);
        const trainer = new Trainer(configOf(cfg, { loss, penalty }, resolution));
        try {
          const [g, d] = [valuesOf(trainer.G), valuesOf(trainer.D)];
          step(trainer);
          step(trainer);
          const means = trainer.statistics.takeMeans();
          expect(Object.values(means).every(Number.isFinite), label).toBe(true);
          expect(Object.keys(means), label).toEqual(
            expect.arrayContaining(["Loss/G/loss", "Loss/D/loss", "Loss/scores/real", "Loss/scores/fake"]),
          );
          expect(
            Object.keys(means)
              .filter((name) => name.endsWith("_penalty"))
              .sort(),
            label,
          ).toEqual([...reported].sort());
          const [newG, newD] = [valuesOf(trainer.G), valuesOf(trainer.D)];
          expect([equal(newG, g), equal(newD, d)], label).toEqual([false, false]);
          expect(
            [newG, newD].every((values) => values.every(Number.isFinite)),
            label,
          ).toBe(true);
        } finally {
          trainer.dispose();
        }
      }
    }
  });
});

describe("lazy regularization at any interval", () => {
  it.each(families)("%s, interval 1: one phase whose loss is the sum, and plain Adam", (cfg) => {
    // Long enough at one level for the optimizers to keep their first step.
    const growth = cfg === "stylegan1" || cfg === "progan" ? { growthKimg: 1 } : {};
    const trainer = trainerOf(
      configOf(cfg, { penalty: ["r1"], gamma: 3, penaltyInterval: 1, plWeight: 0, ...growth }),
    );
    expect(phaseNames(trainer)).toEqual(["Gmain", "Dboth"]);
    const { lr, beta1, beta2 } = trainer.dOptimizer.options;
    expect([lr, beta1, beta2]).toEqual([trainer.config.optimizer.dLr, 0, 0.99]);
    step(trainer);
    expect([trainer.gOptimizer.steps, trainer.dOptimizer.steps]).toEqual([1, 1]);
    const means = trainer.statistics.takeMeans();
    const sum = (means["Loss/D/loss"] as number) + (3 / 2) * (means["Loss/r1_penalty"] as number);
    expect((means["Phase/Dboth"] as number) / sum).toBeCloseTo(1, 5);
  });

  it.each(families)("%s, interval 4: its own phase, four times as strong", (cfg) => {
    const gradientAt = (penaltyInterval: number) => {
      const config = configOf(cfg, { penalty: ["r1"], gamma: 3, penaltyInterval, plWeight: 0 });
      const trainer = trainerOf({
        ...config,
        optimizer: { ...config.optimizer, maxGradientNorm: null, beta1: tinyBeta1 },
      });
      expect(phaseNames(trainer)).toEqual(["Gmain", "Dmain", `Dreg/${penaltyInterval}`]);
      manualSeed(1);
      run(trainer, "Dreg");
      return lastGradient(trainer, "d");
    };
    // Against interval 2, whose loss is doubled.
    const [two, four] = [gradientAt(2), gradientAt(4)];
    expect(norm(four)).toBeGreaterThan(0);
    expect(norm(four.map((value, i) => value - 2 * (two[i] as number))) / norm(four)).toBeLessThan(1e-5);
  });

  it.each(families)("%s, interval 4: Adam's rate and decays are those of 4 / 5", (cfg) => {
    const trainer = trainerOf(configOf(cfg, { penalty: ["r1"], penaltyInterval: 4, lr: 0.002, plWeight: 0 }));
    const [g, d] = [trainer.gOptimizer, trainer.dOptimizer];
    expect(d.options.beta2).toBeCloseTo(0.99 ** (4 / 5), 12);
    expect(g.options.beta2).toBe(0.99);
    expect(g.lr).toBeCloseTo(0.002, 12);
    expect(d.lr, "the rate that the next step takes").toBeCloseTo(0.002 * (4 / 5), 12);
  });

  it("both penalties have their own weight", () => {
    const trainer = trainerOf(
      configOf("stylegan2-small", { penalty: ["r1", "r2"], gamma: 3, r2Gamma: 5, penaltyInterval: 2 }),
    );
    run(trainer, "Dreg");
    const means = trainer.statistics.takeMeans();
    const sum = 1.5 * (means["Loss/r1_penalty"] as number) + 2.5 * (means["Loss/r2_penalty"] as number);
    expect((means["Phase/Dreg"] as number) / sum).toBeCloseTo(1, 5);
  });

  it("wgan-gp with a target has the weight lambda / target²", () => {
    const trainer = trainerOf(configOf("progan", { gpLambda: 6, gpTarget: 2, penaltyInterval: 2 }));
    run(trainer, "Dreg");
    const means = trainer.statistics.takeMeans();
    const penalty = (6 / 4) * (means["Loss/gradient_penalty"] as number);
    expect((means["Phase/Dreg"] as number) / penalty).toBeCloseTo(1, 5);
  });
});

describe("loss and penalties in one phase", () => {
  const sets: [PenaltyName[], number[]][] = [
    [["r1"], [4, 4]], // reals and fakes, each once
    [
      ["r1", "r2"],
      [4, 4],
    ],
    [["wgan-gp"], [8, 4]], // both together, and what is between them
    [
      ["r1", "wgan-gp"],
      [4, 4, 4],
    ],
  ];
  it.each(sets)("%j: passes of %j images, with the gradients of both apart", (penalty, sizes) => {
    const trainer = trainerOf(configOf("stylegan2-small", { penalty, penaltyInterval: 1 }));
    const { objective, D } = trainer;
    scope(() => {
      const batch = objective.draw("discriminatorLossWithPenalties", realsFor(trainer));
      trainer.trainOnly("D");
      const weights = D.parameters();
      const gradients = (losses: () => Tensor) =>
        scope(() => {
          manualSeed(7);
          backward(losses(), weights);
          return weights.map((weight) => {
            const gradient = weight.grad()?.toFloat32Array() ?? new Float32Array(weight.numel);
            weight.setGrad(null);
            return gradient;
          });
        });
      const forward = vi.spyOn(D, "forward");
      const together = gradients(() => objective.evaluate("discriminatorLossWithPenalties", batch).loss);
      expect(forward.mock.calls.map(([images]) => (images as Tensor).shape[0])).toEqual(sizes);
      const apart = gradients(() =>
        objective.evaluate("discriminatorLoss", batch).loss.add(objective.evaluate("penalties", batch).loss),
      );
      for (const [i, wanted] of apart.entries()) {
        const got = together[i] as Float32Array;
        expect(norm(got.map((value, at) => value - (wanted[at] as number)))).toBeLessThan(
          1e-4 * norm(wanted) + 1e-7,
        );
      }
    });
  });
});

describe("path length", () => {
  it("works with stylegan1, in the middle of a fade as well", () => {
    const trainer = trainerOf(configOf("stylegan1", { plWeight: 2 }, 16));
    expect(phaseNames(trainer)).toEqual(["Gmain", "Greg/4", "Dboth"]);
    for (let i = 0; i < 2; i++) {
      const before = valuesOf(trainer.G);
      run(trainer, "Greg");
      expect(equal(valuesOf(trainer.G), before)).toBe(false);
      expect(trainer.statistics.takeMeans()["Loss/pl_length"]).toBeGreaterThan(0);
      if (i === 0) step(trainer);
    }
    expect(trainer.schedulePoint.growth).toMatchObject({ level: 4 });
    expect(trainer.objective.plMean.item()).toBeGreaterThan(0);
  });

  it("of stylegan2-minimal skips the first update and divides the mean by 1 - 0.99^n", () => {
    // Of one sample, the penalty that is reported is (length - a)².
    const trainer = trainerOf(configOf("stylegan2-minimal", { batch: 1 }));
    expect(phaseNames(trainer)).toEqual(["Gmain", "Greg/32", "Dmain", "Dreg/4"]);
    let mean = 0;
    for (let n = 0; n < 4; n++) {
      const before = valuesOf(trainer.G);
      run(trainer, "Greg");
      const stats = trainer.statistics.takeMeans();
      const length = stats["Loss/pl_length"] as number;
      if (n === 0) {
        expect(stats["Phase/Greg"]).toBe(0);
        expect(equal(valuesOf(trainer.G), before)).toBe(true);
      } else {
        const wanted = (length - mean / (1 - 0.99 ** n)) ** 2;
        expect((stats["Loss/pl_penalty"] as number) / wanted, `update ${n}`).toBeCloseTo(1, 2);
        expect((stats["Phase/Greg"] as number) / wanted, `update ${n}`).toBeCloseTo(
          trainer.config.pathLength.weight,
          4,
        );
        expect(equal(valuesOf(trainer.G), before)).toBe(false);
      }
      mean = 0.99 * mean + 0.01 * length;
      expect(trainer.objective.plMean.item() / mean).toBeCloseTo(1, 5);
      expect(trainer.objective.plUpdates).toBe(n + 1);
    }
  });

  it.each([
    // In steps 4 and 6 of 0 to 6.
    { startSteps: 3, interval: 2, updates: 2 },
    // In steps 5 and 6: a phase of its own even at interval 1.
    { startSteps: 5, interval: 1, updates: 2 },
    { startSteps: 0, interval: 3, updates: 3 },
  ])("begins after $startSteps steps, at interval $interval", ({ startSteps, interval, updates }) => {
    const config = configOf("stylegan2-minimal");
    const trainer = trainerOf({ ...config, pathLength: { ...config.pathLength, startSteps, interval } });
    for (let i = 0; i < 7; i++) {
      step(trainer);
      if (i < startSteps) expect(trainer.objective.plUpdates).toBe(0);
    }
    expect(trainer.objective.plUpdates).toBe(updates);
    expect(trainer.gOptimizer.steps).toBe(7 + updates);
  });
});

describe("the limit of the gradient's norm", () => {
  it("is 1 in stylegan2-minimal and in no other", () => {
    expect(families.map((cfg) => configOf(cfg).optimizer.maxGradientNorm)).toEqual([null, 1, null, null]);
  });

  it.each(["Gmain", "Dmain", "Dreg"] as const)("scales the whole gradient of %s, direction kept", (name) => {
    const network = name === "Gmain" ? "g" : "d";
    const config = configOf("stylegan2-minimal");
    const gradient = (maxGradientNorm: number | null) => {
      const trainer = trainerOf({
        ...config,
        optimizer: { ...config.optimizer, maxGradientNorm, beta1: tinyBeta1 },
      });
      manualSeed(1);
      run(trainer, name);
      return lastGradient(trainer, network);
    };
    const free = gradient(null);
    const length = norm(free);
    expect(length).toBeGreaterThan(0);
    const limit = length / 3;
    const clipped = gradient(limit);
    expect(norm(clipped) / limit).toBeCloseTo(1, 4);
    expect(norm(free.map((value, i) => value / 3 - (clipped[i] as number))) / limit).toBeLessThan(1e-4);
    // A smaller one stays as it is.
    expect(equal(gradient(length * 3), free)).toBe(true);
  });

  it("holds in every phase of a run", () => {
    const config = configOf("stylegan2-minimal", { gamma: 1e5 });
    const trainer = trainerOf({ ...config, optimizer: { ...config.optimizer, beta1: tinyBeta1 } });
    for (let i = 0; i < 5; i++) {
      for (const name of ["Gmain", "Dmain", "Dreg"] as const) {
        run(trainer, name);
        const gradient = lastGradient(trainer, name === "Gmain" ? "g" : "d");
        expect(norm(gradient)).toBeLessThan(1.0001);
        expect(norm(gradient)).toBeGreaterThan(0);
      }
    }
  });
});

describe("while the networks grow", () => {
  it.each(["stylegan1", "progan"] as const)(
    "%s: moments start afresh at each new level, when its block is fully in, and only then",
    (cfg) => {
      const resolution = cfg === "stylegan1" ? 32 : 16;
      const trainer = trainerOf(configOf(cfg, { growthKimg: 0.008 }, resolution));
      const starts: number[] = [];
      let stepsBefore = 0;
      for (let i = 0; i < 10; i++) {
        const before = trainer.schedulePoint.growth as Growth;
        step(trainer);
        const now = trainer.schedulePoint.growth as Growth;
        const fresh = now.level !== before.level || (before.alpha < 1 && now.alpha === 1);
        if (fresh) starts.push(trainer.curNimg);
        for (const { steps, firstMoment, secondMoment } of [trainer.gOptimizer, trainer.dOptimizer]) {
          expect(steps, `after ${trainer.curNimg} images`).toBe(fresh ? 0 : stepsBefore + 1);
          expect(firstMoment).toBeUndefined(); // β1 is 0 in the whole family
          expect(secondMoment.toFloat32Array().every((value) => value === 0)).toBe(fresh);
        }
        stepsBefore = trainer.gOptimizer.steps;
      }
      // Full strength 8, fade 8, full strength 8, fade 8, and on.
      expect(starts).toEqual([8, 16, 24, 32]);
    },
  );

  it("a resume at a level is no new level", () => {
    const trainer = trainerOf(configOf("progan", { growthKimg: 0.016 }));
    trainer.gOptimizer.steps = 5;
    trainer.startAt(24);
    expect(trainer.G).toMatchObject({ growth: { level: 3, alpha: 0.5 } });
    expect(trainer.gEma).toMatchObject({ growth: { level: 3, alpha: 0.5 } });
    expect(trainer.gOptimizer.steps).toBe(5);
    step(trainer);
    expect(trainer.gOptimizer.steps).toBe(6);
  });

  it("learning rate and batch are those of the newest level", () => {
    const config = configOf("progan", { growthKimg: 0.008 }, 16);
    if (!config.growth) throw new Error("progan grows");
    const growth = {
      ...config.growth,
      batch: { base: 4, at: { 4: 8 } },
      gLr: { base: 0.001, at: { 8: 0.002, 16: 0.004 } },
      dLr: { base: 0.003, at: { 8: 0.006, 16: 0.012 } },
    };
    const trainer = trainerOf({ ...config, growth });
    const seen: string[] = [];
    for (let i = 0; i < 10; i++) {
      const { gOptimizer, schedulePoint, batch, curNimg } = trainer;
      const { lr, steps } = gOptimizer;
      expect(trainer.dOptimizer.lr).toBeCloseTo(3 * lr, 12);
      const line = `${schedulePoint.growth?.level}: ${batch} at ${lr}`;
      if (line !== seen.at(-1)) seen.push(line);
      const before = valuesOf(trainer.G);
      step(trainer);
      expect(trainer.curNimg - curNimg).toBe(batch);
      if (steps > 0) continue;
      // Adam's first step, beta1 being 0, moves every weight that has a gradient by the rate.
      const largest = valuesOf(trainer.G).reduce(
        (most, value, at) => Math.max(most, Math.abs(value - (before[at] as number))),
        0,
      );
      expect(largest / lr).toBeCloseTo(1, 2);
    }
    expect(seen).toEqual(["2: 8 at 0.001", "3: 4 at 0.002", "4: 4 at 0.004"]);
  });

  it("the three networks have the same size", () => {
    const trainer = trainerOf(configOf("stylegan1", { growthKimg: 0.008 }, 16));
    for (let i = 0; i < 5; i++) {
      const growth = trainer.schedulePoint.growth;
      for (const network of [trainer.G, trainer.D, trainer.gEma]) expect(network).toMatchObject({ growth });
      step(trainer);
    }
    expect(trainer.schedulePoint.growth).toEqual({ level: 4, alpha: 1 });
  });

  it.each([
    { level: 2, inUse: 2 },
    { level: 3, inUse: 4 },
    { level: 4, inUse: 6 },
  ])("style mixing crosses inside of the $inUse layers of level $level", ({ level, inUse }) => {
    const config = { ...configOf("stylegan1", {}, 16), styleMixing: 1 };
    const trainer = trainerOf({ ...config, growth: null });
    for (const network of [trainer.G, trainer.D]) setGrowth(network, { level, alpha: 0.5 });
    expect(layersInUse(trainer.G)).toBe(inUse);
    const { numWs, wDim } = trainer.G;
    const synthesize = trainer.G.synthesize.bind(trainer.G);
    const crossings = new Set<number>();
    vi.spyOn(trainer.G, "synthesize").mockImplementation((ws, options) => {
      const values = ws.toFloat32Array();
      const layer = (i: number) => values.subarray(i * wDim, (i + 1) * wDim);
      const changes = Array.from({ length: numWs - 1 }, (_, i) => i + 1).filter(
        (i) => !equal(layer(i), layer(i - 1)),
      );
      expect(changes).toHaveLength(1);
      crossings.add(changes[0] as number);
      return synthesize(ws, options);
    });
    const size = 2 ** level;
    for (let i = 0; i < 60; i++)
      noGrad(() => {
        const reals = { images: randn([1, 3, size, size]), c: null };
        trainer.objective.evaluate("generatorLoss", trainer.objective.draw("generatorLoss", reals));
      });
    expect([...crossings].sort()).toEqual(Array.from({ length: inUse - 1 }, (_, i) => i + 1));
  });

  it.each(["stylegan1", "progan"] as const)("%s: a step leaves as many tensors as there were", (cfg) => {
    const overrides = { growthKimg: 0.008, ...(cfg === "stylegan1" ? { plWeight: 2 } : {}) };
    const trainer = trainerOf(configOf(cfg, overrides, cfg === "stylegan1" ? 32 : 16));
    step(trainer);
    const before = liveTensors();
    for (let i = 0; i < 9; i++) {
      step(trainer);
      expect(liveTensors(), `after ${trainer.curNimg} images`).toBe(before);
    }
    expect(trainer.schedulePoint.growth).toEqual({ level: cfg === "stylegan1" ? 5 : 4, alpha: 1 });
  });
});
