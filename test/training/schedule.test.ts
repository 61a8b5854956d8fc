import { describe, expect, it } from "vitest";
import { resolveConfig } from "../../src/training/config.js";
import type { TrainingOptions } from "../../src/training/options.js";
import { type GrowthSchedule, largestBatch, scheduleAt } from "../../src/training/schedule.js";
import { facts } from "./tiny.js";

const schedule: GrowthSchedule = {
  startResolution: 4,
  stabilizeKimg: 2,
  fadeKimg: 4,
  batch: { base: 4, at: { 4: 16, 16: 8 } },
  batchGpu: null,
  gLr: { base: 0.001, at: { 8: 0.002, 32: 0.003 } },
  dLr: { base: 0.002, at: { 8: 0.004, 32: 0.006 } },
  tickKimg: null,
};

function growthOf(cfg: string, resolution: number, overrides: TrainingOptions = {}): GrowthSchedule {
  const { growth } = resolveConfig(cfg, facts(resolution), overrides);
  if (!growth) throw new Error(`${cfg} does not grow`);
  return growth;
}

describe("scheduleAt, from 4 to 32 px", () => {
  it.each([
    { nimg: 0, level: 2, alpha: 1, batch: 16, lr: 0.001 },
    { nimg: 1999, level: 2, alpha: 1, batch: 16, lr: 0.001 },
    { nimg: 2000, level: 3, alpha: 0, batch: 4, lr: 0.002 },
    { nimg: 3000, level: 3, alpha: 0.25, batch: 4, lr: 0.002 },
    { nimg: 4000, level: 3, alpha: 0.5, batch: 4, lr: 0.002 },
    { nimg: 5999, level: 3, alpha: 0.99975, batch: 4, lr: 0.002 },
    { nimg: 6000, level: 3, alpha: 1, batch: 4, lr: 0.002 },
    { nimg: 7999, level: 3, alpha: 1, batch: 4, lr: 0.002 },
    { nimg: 8000, level: 4, alpha: 0, batch: 8, lr: 0.001 },
    { nimg: 10_000, level: 4, alpha: 0.5, batch: 8, lr: 0.001 },
    { nimg: 12_000, level: 4, alpha: 1, batch: 8, lr: 0.001 },
    { nimg: 14_000, level: 5, alpha: 0, batch: 4, lr: 0.003 },
    { nimg: 17_000, level: 5, alpha: 0.75, batch: 4, lr: 0.003 },
    { nimg: 18_000, level: 5, alpha: 1, batch: 4, lr: 0.003 },
    { nimg: 20_000, level: 5, alpha: 1, batch: 4, lr: 0.003 },
    { nimg: 1e9, level: 5, alpha: 1, batch: 4, lr: 0.003 },
  ])("after $nimg images: level $level, alpha $alpha", ({ nimg, level, alpha, batch, lr }) => {
    const point = scheduleAt(schedule, nimg, 32);
    expect(point.growth.level).toBe(level);
    expect(point.growth.alpha).toBeCloseTo(alpha, 9);
    expect(point.batch).toBe(batch);
    expect([point.gLr, point.dLr]).toEqual([lr, 2 * lr]);
  });

  it.each([8, 16])("a start of 32 px above the full %i px: full size at once", (resolution) => {
    const early = { ...schedule, startResolution: 32 };
    for (const nimg of [0, 2500, 9000])
      expect(scheduleAt(early, nimg, resolution).growth).toEqual({ level: Math.log2(resolution), alpha: 1 });
  });

  it("a start in the middle leaves the first levels out", () => {
    const middle = { ...schedule, startResolution: 16 };
    expect(scheduleAt(middle, 0, 32)).toEqual({
      growth: { level: 4, alpha: 1 },
      batch: 8,
      batchGpu: null,
      gLr: 0.001,
      dLr: 0.002,
    });
    expect(scheduleAt(middle, 2000, 32).growth).toEqual({ level: 5, alpha: 0 });
  });

  it("never shrinks, and the generator's picture changes in small steps only", () => {
    // How far it has grown as one number: the newest level counts with its alpha.
    let before = 0;
    for (let nimg = 0; nimg <= 24_000; nimg += 25) {
      const { level, alpha } = scheduleAt(schedule, nimg, 32).growth;
      const grown = level - 1 + alpha;
      expect(grown, `after ${nimg}`).toBeGreaterThanOrEqual(before);
      if (nimg > 0) expect(grown - before, `after ${nimg}`).toBeLessThan(0.00626);
      before = grown;
    }
    expect(before).toBe(5);
  });

  it("knows its largest batch", () => {
    expect(largestBatch(schedule)).toBe(16);
    expect(largestBatch({ ...schedule, batch: { base: 40, at: { 4: 16 } } })).toBe(40);
  });
});

describe("boundaries fall on the image they should, whatever the lengths in kimg", () => {
  it.each([0.004, 0.012, 0.02, 0.06, 0.1, 0.3, 0.7, 1.1, 50, 600])("%d kimg each", (kimg) => {
    const part = Math.round(kimg * 1000);
    const wrong: string[] = [];
    const short = { ...schedule, stabilizeKimg: kimg, fadeKimg: kimg };
    for (let stage = 0; stage < 8; stage++) {
      // The first and last images of each half, against whole-number arithmetic.
      for (const within of [0, 1, part - 1, part, part + 1, 2 * part - 1]) {
        const { level, alpha } = scheduleAt(short, stage * 2 * part + within, 1024).growth;
        const fading = within - part;
        const wanted =
          fading < 0 ? { level: 2 + stage, alpha: 1 } : { level: 3 + stage, alpha: fading / part };
        if (level !== wanted.level || Math.abs(alpha - wanted.alpha) > 1e-9 || alpha < 0 || alpha > 1)
          wrong.push(
            `stage ${stage}, image ${within} of ${2 * part}: level ${level}, alpha ${alpha}; wanted ${wanted.level}, ${wanted.alpha}`,
          );
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe("the published tables", () => {
  const resolutions = [4, 8, 16, 32, 64, 128, 256, 512, 1024];
  const values = (growth: GrowthSchedule, name: "batch" | "gLr" | "dLr") =>
    resolutions.map((resolution) => growth[name].at[String(resolution)] ?? growth[name].base);

  it("progan, one GPU", () => {
    const growth = growthOf("progan", 1024);
    expect(growth).toMatchObject({ startResolution: 4, stabilizeKimg: 600, fadeKimg: 600 });
    expect(values(growth, "batch")).toEqual([128, 128, 128, 64, 32, 16, 8, 4, 4]);
    for (const lr of ["gLr", "dLr"] as const)
      expect(values(growth, lr)).toEqual([...Array<number>(8).fill(0.001), 0.0015]);
  });

  it("stylegan1, one GPU", () => {
    const growth = growthOf("stylegan1", 1024);
    expect(growth).toMatchObject({ startResolution: 8, stabilizeKimg: 600, fadeKimg: 600 });
    expect(values(growth, "batch")).toEqual([128, 128, 128, 64, 32, 16, 8, 4, 4]);
    for (const lr of ["gLr", "dLr"] as const)
      expect(values(growth, lr)).toEqual([...Array<number>(5).fill(0.001), 0.0015, 0.002, 0.003, 0.003]);
  });

  it.each(["stylegan2", "stylegan2-small", "stylegan2-minimal"])("%s does not grow", (cfg) => {
    expect(resolveConfig(cfg, facts(64)).growth).toBeNull();
  });
});

describe("what the user can change of it", () => {
  it.each(["progan", "stylegan1"])("%s: --growth-kimg scales both parts", (cfg) => {
    expect(growthOf(cfg, 64, { growthKimg: 0.5 })).toEqual({
      ...growthOf(cfg, 64),
      stabilizeKimg: 0.5,
      fadeKimg: 0.5,
    });
  });

  it.each(["progan", "stylegan1"])("%s: --batch holds at every size", (cfg) => {
    const config = resolveConfig(cfg, facts(256), { batch: 6 });
    const growth = growthOf(cfg, 256, { batch: 6 });
    expect(config.batch).toBe(6);
    for (let nimg = 0; nimg < 8e6; nimg += 2e5) expect(scheduleAt(growth, nimg, 256).batch).toBe(6);
    expect([growth.gLr, growth.dLr]).toEqual([growthOf(cfg, 256).gLr, growthOf(cfg, 256).dLr]);
    // Groups of the minibatch standard deviation fill every batch.
    expect(config.network.config).toMatchObject({ mbstdGroupSize: 3 });
  });

  it.each(["progan", "stylegan1"])("%s: --lr holds at every size", (cfg) => {
    const growth = growthOf(cfg, 1024, { lr: 0.01 });
    for (let nimg = 0; nimg < 1e7; nimg += 2e5)
      expect(scheduleAt(growth, nimg, 1024)).toMatchObject({ gLr: 0.01, dLr: 0.01 });
    expect(growth.batch).toEqual(growthOf(cfg, 1024).batch);
  });

  it.each([32, 256])("the batch that a run of %i px announces is that of the full size", (resolution) => {
    // training_options.json: "Images per step, at the full resolution when the networks grow."
    const config = resolveConfig("progan", facts(resolution));
    expect(config.batch).toBe(scheduleAt(growthOf("progan", resolution), 1e9, resolution).batch);
  });
});
