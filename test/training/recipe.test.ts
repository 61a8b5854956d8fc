// What a run takes over from the training of the networks that it starts from.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type DatasetFacts, resolveConfig } from "../../src/training/config.js";
import { type TrainingConfig, trainingConfigSchema } from "../../src/training/configSchema.js";
import type { TrainingOptions } from "../../src/training/options.js";
import {
  differencesOf,
  recipeOf,
  trainingIn,
  trainingOf,
  withoutReplaced,
} from "../../src/training/recipe.js";
import { facts } from "./tiny.js";

const oldRuns = new URL("../fixtures/runs-0.1/", import.meta.url);

/** What the recipe of a training makes of the same networks, with the user's own choices over it. */
function again(config: TrainingConfig, given: TrainingOptions = {}): TrainingConfig {
  const { data, network } = config;
  const own: DatasetFacts = { ...data, resolution: network.config.resolution };
  const recipe = recipeOf(config);
  const transfer = { from: "x", description: network, freezeD: 0, kimg: 0 };
  return resolveConfig(recipe.cfg, own, given, { transfer, instead: withoutReplaced(recipe, given) });
}

/** What a transfer does not take over: no ramp-up, and p moves five times as fast. */
function comparable({ ema, augment, transfer, grid, ...rest }: TrainingConfig): unknown {
  return { ...rest, ema: ema.kimg, augment: { ...augment, kimg: 0 } };
}

describe("a recipe", () => {
  it.each<[string, string, TrainingOptions]>([
    ["no choices", "stylegan2", {}],
    ["numbers", "stylegan2", { batch: 6, gamma: 3, plWeight: 0, styleMixing: 0.1, kimg: 7, seed: 4 }],
    ["rates", "stylegan2-small", { lr: 0.01, emaKimg: 3, precision: "float32", metrics: ["swd"] }],
    ["two rates", "stylegan2-small", { gLr: 0.01, dLr: 0.02 }],
    ["no penalty", "stylegan2-small", { penalty: [] }],
    ["an R1 of 0", "stylegan2-small", { gamma: 0 }],
    ["penalties", "stylegan2-small", { penalty: ["r1", "r2", "wgan-gp"], r2Gamma: 2, gpTarget: 3 }],
    ["another loss", "stylegan2-minimal", { loss: "lsgan", fakeLabel: -1, penaltyInterval: 2 }],
    ["augmentation", "stylegan2", { aug: "fixed", augP: 0.2, augpipe: "bg" }],
    ["groups", "stylegan2", { mbstdGroup: 2, batchGpu: 8 }],
    ["sizes", "progan", { batch: { base: 4, at: { 8: 8 } }, gLr: 0.002, growthKimg: 9, startResolution: 8 }],
    ["growth", "stylegan1", { lr: 0.004, tickKimg: 3, dRepeats: 2, penaltyInterval: 4 }],
  ])("of %s makes the same training", (_, cfg, options) => {
    const config = resolveConfig(cfg, { ...facts(32), mirror: true }, options);
    expect(comparable(again(config))).toEqual(comparable(config));
    expect(trainingIn(JSON.parse(JSON.stringify(trainingOf(config))))).toEqual({
      ...{ ...config, data: { ...config.data, source: "", fingerprint: "" } },
    });
  });

  it.each(readdirSync(oldRuns))("of %s, a run of version 0.1, makes the same training", (run) => {
    const text = readFileSync(new URL(`${run}/training_options.json`, oldRuns), "utf8");
    const config = trainingConfigSchema.parse(JSON.parse(text));
    expect(comparable(again(config))).toEqual(comparable(config));
  });

  it("gives way to the user's choices, and tells them", () => {
    const config = resolveConfig("stylegan2-small", facts(32), {
      ...{ gLr: 0.01, dLr: 0.02, gamma: 3, loss: "lsgan", realLabel: 2, batch: 8 },
    });
    const own = again(config, { lr: 0.001, penalty: ["r2"], loss: "hinge" });
    expect(own).toMatchObject({
      ...{ batch: 8, loss: { name: "hinge", options: {} }, optimizer: { gLr: 0.001, dLr: 0.001 } },
      penalty: { r1Gamma: 0, r2Gamma: 3 },
    });
    expect(differencesOf(config, again(config, { batch: 4 }))).toEqual([
      { name: "batch", before: 8, after: 4 },
      { name: "emaRampup", before: 0.05, after: null },
    ]);
    expect(trainingIn(undefined)).toBeUndefined();
  });
});
