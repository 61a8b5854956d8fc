// How steps follow each other: repeats, the schedule, and where a run begins.

import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { manualSeed, randn } from "../../src/torch/random.js";
import { setThreads } from "../../src/torch/runtime.js";
import { scope } from "../../src/torch/scope.js";
import type { TrainingConfig } from "../../src/training/configSchema.js";
import { fadeReals } from "../../src/training/growth.js";
import {
  type GrowthSchedule,
  nimgOfGrowth,
  scheduleAt,
  schedulePointAt,
} from "../../src/training/schedule.js";
import { Trainer, type TrainerOptions } from "../../src/training/trainer.js";
import { tinyConfig, tinyFamilyConfig } from "./tiny.js";

beforeAll(() => setThreads(1));

const made: Trainer[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const trainer of made.splice(0)) trainer.dispose();
});

function trainerOf(config: TrainingConfig, options: TrainerOptions = {}): Trainer {
  manualSeed(config.seed);
  const trainer = new Trainer(config, options);
  made.push(trainer);
  return trainer;
}

function step(trainer: Trainer): void {
  const { batch, config, schedulePoint } = trainer;
  const { resolution } = config.network.config;
  scope(() => {
    const images = randn([batch, 3, resolution, resolution]);
    const { growth } = schedulePoint;
    trainer.step({ images: growth ? fadeReals(images, growth) : images, c: null });
  });
}

/** ProGAN from 4 to 8 px: 8 images at each size, 8 to fade the next one in; four images a step. */
function growing(changes: Partial<TrainingConfig> = {}): TrainingConfig {
  const config = tinyFamilyConfig("progan", { batch: 4, growthKimg: 0.008 });
  return { ...config, minibatchRepeats: 1, ...changes };
}

describe("dRepeats", () => {
  it("D steps on new reals each time, G every so many-th step; images and the moving average count them all", () => {
    const config = tinyConfig({ plWeight: 0, gamma: 0 });
    const trainer = trainerOf({ ...config, dRepeats: 3 });
    const ema = vi.spyOn(trainer, "updateEma");
    for (let i = 0; i < 7; i++) step(trainer);
    expect([trainer.gOptimizer.steps, trainer.dOptimizer.steps]).toEqual([3, 7]);
    expect(trainer.curNimg).toBe(28);
    expect(ema).toHaveBeenCalledTimes(7);
  });
});

describe("minibatchRepeats", () => {
  it.each([
    { minibatchRepeats: 1, dRepeats: 1, alphas: [1, 1, 0, 0.5, 1, 1] },
    { minibatchRepeats: 2, dRepeats: 1, alphas: [1, 1, 0, 0, 1, 1] },
    { minibatchRepeats: 1, dRepeats: 2, alphas: [1, 1, 0, 0, 1, 1] },
    { minibatchRepeats: 3, dRepeats: 1, alphas: [1, 1, 1, 0.5, 0.5, 0.5] },
  ])("$minibatchRepeats of $dRepeats steps of D: the schedule holds as long", ({ alphas, ...repeats }) => {
    const trainer = trainerOf(growing(repeats));
    const seen = alphas.map(() => {
      const alpha = trainer.schedulePoint.growth?.alpha;
      expect(trainer.G).toMatchObject({ growth: { alpha } });
      step(trainer);
      return alpha;
    });
    expect(seen).toEqual(alphas);
  });
});

describe("the learning rates", () => {
  it("rise in a line from 0 over lrRampupKimg, each of its own, times c of lazy regularization", () => {
    const config = tinyConfig({ penaltyInterval: 4 });
    const optimizer = { ...config.optimizer, gLr: 0.001, dLr: 0.004, lrRampupKimg: 0.016 };
    const trainer = trainerOf({ ...config, optimizer });
    const rates = Array.from({ length: 6 }, () => {
      const pair = [trainer.gOptimizer.lr, trainer.dOptimizer.lr];
      step(trainer);
      return pair;
    });
    for (const [i, [g, d]] of rates.entries()) {
      const share = Math.min(i / 4, 1);
      expect(g).toBeCloseTo(0.001 * (4 / 5) * share, 12);
      expect(d).toBeCloseTo(0.004 * (4 / 5) * share, 12);
    }
  });

  it("a first step at rate 0 leaves the weights as they are", () => {
    const config = tinyConfig();
    const trainer = trainerOf({ ...config, optimizer: { ...config.optimizer, lrRampupKimg: 1 } });
    const weights = () => trainer.G.parameters().map((parameter) => parameter.toFloat32Array());
    const before = weights();
    step(trainer);
    expect(weights()).toEqual(before);
    step(trainer);
    expect(weights()).not.toEqual(before);
  });
});

describe("schedulePointAt", () => {
  it("has the tick of the size that the networks have", () => {
    const config = growing({ tickKimg: 7 });
    const growth = { ...(config.growth as GrowthSchedule), tickKimg: { base: 3, at: { 4: 9 } } };
    const at = (nimg: number) => schedulePointAt({ ...config, growth }, nimg).tickKimg;
    expect([at(0), at(7), at(8), at(100)]).toEqual([9, 9, 3, 3]);
    expect(schedulePointAt({ ...config, growth: { ...growth, tickKimg: null } }, 0).tickKimg).toBe(7);
    expect(schedulePointAt(tinyConfig({ tickKimg: 5 }), 0).tickKimg).toBe(5);
  });

  it("says the largest pass of the size", () => {
    const config = growing();
    const growth = { ...(config.growth as GrowthSchedule), batchGpu: { base: 2, at: { 4: 4 } } };
    expect(schedulePointAt({ ...config, growth }, 0).batchGpu).toBe(4);
    expect(schedulePointAt({ ...config, growth }, 9).batchGpu).toBe(2);
    expect(schedulePointAt({ ...tinyConfig(), batchGpu: 2 }, 0).batchGpu).toBe(2);
  });
});

describe("nimgOfGrowth", () => {
  const schedule = growing().growth as GrowthSchedule;

  it("is where the schedule first is so far", () => {
    for (let nimg = 0; nimg < 60; nimg++) {
      const { growth } = scheduleAt(schedule, nimg, 16);
      const first = nimgOfGrowth(schedule, growth);
      expect(scheduleAt(schedule, first, 16).growth, `after ${nimg}`).toEqual(growth);
      expect(first).toBeLessThanOrEqual(nimg);
      if (first > 0) expect(scheduleAt(schedule, first - 1, 16).growth).not.toEqual(growth);
    }
  });

  it("is 0 for what is smaller than the start", () =>
    expect(nimgOfGrowth({ ...schedule, startResolution: 16 }, { level: 3, alpha: 0.5 })).toBe(0));
});

describe("a run that begins at so many images", () => {
  it("has the size, the rates and the ramp-up of there", () => {
    const config = growing({ ema: { kimg: 1000, rampup: 0.05 } });
    const trainer = trainerOf(config);
    trainer.startAt(12);
    for (const network of [trainer.G, trainer.D, trainer.gEma])
      expect(network).toMatchObject({ growth: { level: 3, alpha: 0.5 } });
    trainer.gOptimizer.steps = 3; // a beginning resets nothing
    const before = trainer.gEma.parameters().map((parameter) => parameter.toFloat32Array());
    step(trainer);
    expect(trainer.curNimg).toBe(16);
    // Half of the distance to G after 12 · 0.05 images.
    const beta = 0.5 ** (4 / (12 * 0.05));
    const [G, after] = [trainer.G, trainer.gEma].map((network) =>
      network.parameters().map((parameter) => parameter.toFloat32Array()),
    ) as [Float32Array[], Float32Array[]];
    for (const [p, values] of after.entries())
      for (const [i, value] of values.entries()) {
        const [old, target] = [before[p]?.[i] as number, G[p]?.[i] as number];
        expect(Math.abs(value - (target + beta * (old - target)))).toBeLessThan(1e-5);
      }
  });
});

describe("the classes of fakes", () => {
  const classNames = ["a", "b", "c"];
  const labels = [0, 0, 0, 0, 0, 0, 1, 1, 2]; // 6 : 2 : 1
  const config = tinyConfig({ batch: 64 }, classNames);
  const images = () => randn([64, 3, 8, 8]);

  /** Which class each sample has. */
  function classesOf(trainer: Trainer, term: "generatorLoss" | "discriminatorLoss" | "pathLength"): number[] {
    return scope(() => {
      const { latents } = trainer.objective.draw(term, { images: images(), c: null });
      const c = latents.c?.to("float32").toFloat32Array() as Float32Array;
      const rows = Array.from({ length: c.length / 3 }, (_, n) => [...c.subarray(3 * n, 3 * n + 3)]);
      for (const row of rows) expect([...row].sort()).toEqual([0, 0, 1]);
      return rows.map((row) => row.indexOf(1));
    });
  }

  it("are drawn anew for each phase, as often as the training set has them", () => {
    const trainer = trainerOf(config, { labels });
    const first = classesOf(trainer, "generatorLoss");
    expect(classesOf(trainer, "discriminatorLoss")).not.toEqual(first);
    expect(classesOf(trainer, "pathLength")).toHaveLength(32);
    const many = Array.from({ length: 40 }, () => classesOf(trainer, "discriminatorLoss")).flat();
    for (const [index, share] of [6 / 9, 2 / 9, 1 / 9].entries()) {
      const deviation = Math.sqrt((share * (1 - share)) / many.length);
      const seen = many.filter((one) => one === index).length / many.length;
      expect(Math.abs(seen - share)).toBeLessThan(5 * deviation);
    }
  });

  it("need the labels", () => {
    expect(() => trainerOf(config)).toThrow(/3 classes: expected the labels/);
  });
});
