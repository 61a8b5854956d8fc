import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { AugmentConfig } from "../../src/augment/augmentation.js";
import { manualSeed } from "../../src/torch/random.js";
import { setThreads } from "../../src/torch/runtime.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { readTrainingState, writeTrainingState } from "../../src/training/checkpoint.js";
import type { TrainingConfig } from "../../src/training/configSchema.js";
import { Trainer } from "../../src/training/trainer.js";
import { reals, tinyConfig } from "./tiny.js";

beforeAll(() => setThreads(1));

let made: Trainer[] = [];
afterEach(() => {
  for (const trainer of made) trainer.dispose();
  made = [];
});

function configOf(augment: Partial<AugmentConfig>): TrainingConfig {
  const config = tinyConfig();
  return { ...config, augment: { ...config.augment, mode: "none", p: 0, ...augment } };
}

function trainerOf(augment: Partial<AugmentConfig>): Trainer {
  const config = configOf(augment);
  manualSeed(config.seed);
  const trainer = new Trainer(config);
  made.push(trainer);
  return trainer;
}

const step = (trainer: Trainer) => scope(() => trainer.step(reals(trainer.config)));
const steps = (trainer: Trainer, count: number) => {
  for (let i = 0; i < count; i++) step(trainer);
};
const weightsOf = ({ G, D, gEma }: Trainer) =>
  [G, D, gEma].flatMap((network) => network.parameters().map((parameter) => parameter.toFloat32Array()));

describe("augmentation in training", () => {
  it("at p = 0 leaves every bit as it is without", () => {
    const [none, fixed, ada] = [
      trainerOf({}),
      trainerOf({ mode: "fixed" }),
      trainerOf({ mode: "ada", target: 1 }),
    ];
    const weights = [none, fixed, ada].map((trainer) => {
      manualSeed(1);
      steps(trainer, 5);
      return weightsOf(trainer);
    });
    expect(ada.augmentation.p).toBe(0);
    expect(weights[1]).toEqual(weights[0]);
    expect(weights[2]).toEqual(weights[0]);
  });

  it("changes what both networks learn, in every phase", () => {
    const trainer = trainerOf({ mode: "fixed", p: 0.9 });
    const calls: string[] = [];
    const apply = trainer.augmentation.apply.bind(trainer.augmentation);
    trainer.augmentation.apply = (images) => {
      calls.push(String(images.shape));
      return apply(images);
    };
    step(trainer); // the first step has every phase
    // Gmain: fakes; path lengths never meet D; Dmain: fakes and reals in one pass; Dreg: reals.
    expect(calls).toEqual(["4,3,8,8", "8,3,8,8", "4,3,8,8"]);
  });

  it.each(["fixed", "diffaug"] as const)("%s trains on finite numbers and differs from none", (mode) => {
    const [none, augmented] = [trainerOf({}), trainerOf({ mode, p: 0.8 })];
    const weights = [none, augmented].map((trainer) => {
      manualSeed(1);
      steps(trainer, 17); // R1 in the first and the last
      return weightsOf(trainer);
    });
    expect(weights[1]).not.toEqual(weights[0]);
    expect(weights[1]?.every((values) => values.every(Number.isFinite))).toBe(true);
  });

  it("ada moves p every four steps by images / kimg, and reports it", () => {
    const trainer = trainerOf({ mode: "ada", target: -1, kimg: 1 }); // D says at least sometimes yes: always above
    steps(trainer, 3);
    expect(trainer.augmentation.p).toBe(0);
    step(trainer);
    expect(trainer.augmentation.p).toBeCloseTo(16 / 1000, 12);
    steps(trainer, 4);
    expect(trainer.augmentation.p).toBeCloseTo(32 / 1000, 12);
    trainer.statistics.collect();
    const { "Progress/augment": mean } = trainer.statistics.takeMeans();
    expect(mean).toBeCloseTo((0.016 * 4 + 0.032) / 8, 12);
  });

  it("goes on from a saved state, between two adjustments too, to the same bits", () => {
    const folder = mkdtempSync(join(tmpdir(), "stylegan-augment-"));
    try {
      const ada = { mode: "ada", target: -1, kimg: 0.1, p: 0.4 } as const;
      const [whole, resumed] = [trainerOf(ada), trainerOf(ada)];
      manualSeed(1);
      steps(whole, 6);
      const file = join(folder, "state.safetensors");
      writeTrainingState(file, whole.stateful);
      steps(whole, 6);
      readTrainingState(file, resumed.stateful);
      steps(resumed, 6);
      expect(resumed.augmentation.p).toBe(whole.augmentation.p);
      expect(weightsOf(resumed)).toEqual(weightsOf(whole));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("says once that it is held at its largest strength", () => {
    const trainer = trainerOf({ mode: "ada", target: -1, kimg: 0.001, p: 0.8 });
    steps(trainer, 4);
    expect(trainer.augmentation.p).toBe(0.85);
    expect(trainer.takeNotices()).toEqual([expect.stringMatching(/^augmentation .* 0\.85.*more pictures/)]);
    steps(trainer, 4);
    expect(trainer.takeNotices()).toEqual([]);
  });

  it("leaves no tensor behind", () => {
    const trainer = trainerOf({ mode: "ada", target: -1, p: 0.8 });
    steps(trainer, 20);
    const before = liveTensors();
    steps(trainer, 20);
    trainer.statistics.collect();
    expect(liveTensors()).toBe(before);
  });
});
