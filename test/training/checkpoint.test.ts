import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UserError } from "../../src/system/errors.js";
import { manualSeed } from "../../src/torch/random.js";
import { setThreads } from "../../src/torch/runtime.js";
import { readSafetensors, readSafetensorsHeader } from "../../src/torch/safetensors.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import type { Stateful } from "../../src/torch/state.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import {
  progressName,
  readSettingChanges,
  readTrainingState,
  writeTrainingState,
} from "../../src/training/checkpoint.js";
import { type TrainingConfig, trainingConfigSchema } from "../../src/training/configSchema.js";
import { Progress } from "../../src/training/progress.js";
import { Trainer } from "../../src/training/trainer.js";
import { reals, tinyConfig } from "./tiny.js";

const root = mkdtempSync(join(tmpdir(), "stylegan-checkpoint-"));
beforeAll(() => setThreads(1));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const oldRun = (name: string, file: string) =>
  fileURLToPath(new URL(`../fixtures/runs-0.1/${name}/${file}`, import.meta.url));

/** A part that remembers one tensor and anything. */
function part(value: number, values: unknown): Stateful & { value: Tensor; values: unknown } {
  return {
    value: tensor([value]),
    values,
    state() {
      return { tensors: new Map([["value", this.value]]), values: this.values };
    },
    restore(state) {
      this.value.copy_(state.tensors.get("value") as Tensor);
      this.values = state.values;
    },
  };
}

describe("the file of a state", () => {
  it("holds whatever parts it is given, under their names", () => {
    const file = join(root, "parts.safetensors");
    const before = liveTensors();
    scope(() => {
      writeTrainingState(file, { one: part(1, { a: [1] }), "one.more": part(2, null) });
      const parts = { one: part(0, 0), "one.more": part(0, 0) };
      readTrainingState(file, parts);
      expect([parts.one.value.item(), parts.one.values]).toEqual([1, { a: [1] }]);
      expect([parts["one.more"].value.item(), parts["one.more"].values]).toEqual([2, null]);
    });
    expect(liveTensors()).toBe(before);
  });

  it.each([Number.NaN, Number.NEGATIVE_INFINITY])(
    "is not replaced by one with %s, nor the one before it",
    (bad) => {
      const [file, keepAs] = [join(root, "good.safetensors"), join(root, "before.safetensors")];
      scope(() => {
        for (const value of [1, 2]) writeTrainingState(file, { "adam.D": part(value, 1) }, { keepAs });
        const held = [file, keepAs].map((name) => readFileSync(name));
        expect(() => writeTrainingState(file, { "adam.D": part(bad, 1) }, { keepAs })).toThrow(
          /^adam\.D\.value has elements that are not finite$/,
        );
        expect([file, keepAs].map((name) => readFileSync(name))).toEqual(held);
        expect(held[0]).not.toEqual(held[1]);
      });
    },
  );

  it.each<[string, (file: string) => void, RegExp]>([
    ["cut short", (file) => writeFileSync(file, readFileSync(file).subarray(0, -2)), /cut short/],
    ["of another program", (file) => writeFileSync(file, "no state"), /no safetensors|not|damaged/],
  ])("%s is one line, and changes nothing on disk", (_, spoil, pattern) => {
    const file = join(root, "spoilt.safetensors");
    scope(() => {
      writeTrainingState(file, { one: part(1, 1) });
      spoil(file);
      expect(() => readTrainingState(file, { one: part(0, 0) })).toThrow(UserError);
      expect(() => readTrainingState(file, { one: part(0, 0) })).toThrow(pattern);
    });
  });

  it("names the part that does not fit", () => {
    const file = join(root, "other.safetensors");
    const small = new Trainer(tinyConfig());
    const large = new Trainer(tinyConfig({ channelBase: 256, channelMax: 32 }));
    writeTrainingState(file, small.stateful);
    const before = liveTensors();
    expect(() => readTrainingState(file, large.stateful)).toThrow(/does not fit this run: G: .*shape/);
    expect(liveTensors()).toBe(before);
    for (const trainer of [small, large]) trainer.dispose();
  });
});

it("a trainer goes on from its state to the same bits, schedule and statistics included", () => {
  const file = join(root, "trainer.safetensors");
  const config = { ...tinyConfig({ seed: 5 }), minibatchRepeats: 2 };
  manualSeed(5);
  const [whole, second] = [new Trainer(config), new Trainer(config)];
  const step = (trainer: Trainer) => scope(() => trainer.step(reals(config)));
  for (let i = 0; i < 5; i++) step(whole);
  writeTrainingState(file, whole.stateful);
  for (let i = 0; i < 4; i++) step(whole);
  const ends = [whole.stateful];
  manualSeed(99);
  readTrainingState(file, second.stateful);
  expect([second.curNimg, second.batchIndex]).toEqual([20, 5]);
  for (let i = 0; i < 4; i++) step(second);
  ends.push(second.stateful);
  const [a, b] = ends.map((parts) =>
    scope(() =>
      Object.entries(parts).map(([name, one]) => {
        const { tensors, values } = one.state();
        return [
          name,
          values,
          [...tensors].map(([key, x]) => [key, Buffer.from(x.toBytes()).toString("base64")]),
        ];
      }),
    ),
  );
  expect(b).toEqual(a);
  for (const trainer of [whole, second]) trainer.dispose();
});

describe("states of version 0.1 (format 2)", () => {
  it.each(["stylegan2-small", "stylegan1"])("%s: everything finds its place", (name) => {
    const state = oldRun(name, "training-state.safetensors");
    const config: TrainingConfig = trainingConfigSchema.parse(
      JSON.parse(readFileSync(oldRun(name, "training_options.json"), "utf8")),
    );
    const trainer = new Trainer(config);
    const progress = new Progress();
    readTrainingState(state, { ...trainer.stateful, [progressName]: progress });
    const { metadata } = readSafetensorsHeader(state);
    expect([trainer.curNimg, trainer.batchIndex]).toEqual([
      Number(metadata.curNimg),
      Number(metadata.batchIndex),
    ]);
    expect(trainer.curNimg).toBeGreaterThan(0);
    expect([trainer.gOptimizer.steps, trainer.dOptimizer.steps]).toEqual([
      Number(metadata.gSteps),
      Number(metadata.dSteps),
    ]);
    expect(trainer.objective.plUpdates).toBe(Number(metadata.plUpdates));
    const { sampler: _, changes = [], ...saved } = JSON.parse(metadata.progress as string);
    expect(progress.state().values).toEqual({ ...saved, changes });
    expect(readSettingChanges(state)).toEqual(changes);
    const file = join(root, `${name}.safetensors`);
    writeTrainingState(file, { ...trainer.stateful, [progressName]: progress });
    scope(() => {
      const bytes = (path: string) =>
        new Map(
          [...readSafetensors(path).tensors].map(([key, x]) => [
            key === "pl_mean" ? "objective.pl_mean" : key,
            Buffer.from(x.toBytes()).toString("base64"),
          ]),
        );
      expect(bytes(file)).toEqual(bytes(state));
    });
    trainer.dispose();
  });
});
