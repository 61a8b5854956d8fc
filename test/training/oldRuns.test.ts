// Folders of runs that version 0.1 has written (test/fixtures/runs-0.1) mean what they meant.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { trainingConfigSchema } from "../../src/training/configSchema.js";

const folder = new URL("../fixtures/runs-0.1/", import.meta.url);
const runs = readdirSync(folder);

function fileOf(run: string): Record<string, never> {
  return JSON.parse(readFileSync(new URL(`${run}/training_options.json`, folder), "utf8"));
}

describe("training_options.json of version 0.1", () => {
  it("has a run of every configuration there was, and one from a network", () => {
    expect(runs).toEqual(
      expect.arrayContaining([
        ...["progan", "stylegan1", "stylegan2", "stylegan2-minimal", "stylegan2-small", "transfer"],
      ]),
    );
  });

  it.each(runs)("%s: keeps every value and does what was done before there were more", (run) => {
    const file = fileOf(run);
    const { growth, transfer, ...others } = file as Record<string, object | null>;
    const config = trainingConfigSchema.parse(file);
    expect(config).toMatchObject(others);
    expect(config).toMatchObject({
      data: { subsetSeed: config.seed },
      batchGpu: null,
      dRepeats: 1,
      minibatchRepeats: 1,
      optimizer: { lrRampupKimg: 0 },
      pathLength: { meanInGradient: false },
      imageSnapshotTicks: null,
      histograms: false,
    });
    expect(config.transfer).toEqual(transfer && { ...transfer, kimg: 0 });
    if (growth) {
      const { lr, ...kept } = growth as { lr: object };
      const same = { gLr: lr, dLr: lr, tickKimg: null, batchGpu: null };
      expect(config.growth).toEqual({ ...kept, ...same });
    } else expect(config.growth).toBeNull();
  });

  it("is not taken for one with values that it does not have", () => {
    const { batch: _, ...file } = fileOf("stylegan2");
    expect(trainingConfigSchema.safeParse(file).success).toBe(false);
    expect(trainingConfigSchema.safeParse({ ...fileOf("progan"), gamma: 1 }).success).toBe(false);
    for (const garbage of [null, [], "x", 3])
      expect(trainingConfigSchema.safeParse(garbage).success).toBe(false);
  });
});
