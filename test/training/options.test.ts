// The table of options, and what follows from it.

import { describe, expect, it } from "vitest";
import { originsOf, resolveConfig } from "../../src/training/config.js";
import type { TrainingConfig } from "../../src/training/configSchema.js";
import { asFlag, OptionError } from "../../src/training/optionError.js";
import {
  flagOf,
  type OptionName,
  optionNames,
  optionOf,
  type TrainingOptions,
} from "../../src/training/options.js";
import { valueAtPath } from "../../src/training/paths.js";
import { presetNamed, presets } from "../../src/training/presets.js";
import { settingProblem, settingsOf, withSetting } from "../../src/training/settings.js";
import { facts } from "./tiny.js";

function refusal(act: () => unknown): OptionError {
  try {
    act();
  } catch (error) {
    if (error instanceof OptionError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

/** Another value than any preset's, for each option that lives in the configuration. */
const samples = {
  kimg: 7,
  batch: 24,
  batchGpu: 4,
  seed: 9,
  tickKimg: 3,
  snapshotTicks: 77,
  imageSnapshotTicks: 6,
  metrics: ["swd"],
  histograms: true,
  dRepeats: 5,
  minibatchRepeats: 6,
  precision: "bfloat16",
  gamma: 0.123,
  r2Gamma: 0.234,
  gpLambda: 0.345,
  gpTarget: 750,
  penaltyInterval: 3,
  plWeight: 0.456,
  plDecay: 0.02,
  plBatchShrink: 4,
  plInterval: 9,
  plStartSteps: 11,
  plBiasCorrection: true,
  plMeanInGradient: true,
  styleMixing: 0.25,
  aug: "fixed",
  augpipe: "bgcf",
  augP: 0.2,
  augTarget: 0.5,
  adaKimg: 100,
  gLr: 0.0011,
  dLr: 0.0012,
  lrRampupKimg: 10,
  adamBeta1: 0.5,
  adamBeta2: 0.9,
  adamEpsilon: 1e-6,
  maxGradientNorm: 2,
  emaKimg: 3,
  emaRampup: 0.3,
} as const satisfies TrainingOptions;

const placed = optionNames.filter((name) => optionOf(name).at !== undefined);

/** The paths at which two configurations differ. */
function differences(a: unknown, b: unknown, path = ""): string[] {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null)
    return Object.is(a, b) ? [] : [path];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
    differences(
      (a as Record<string, unknown>)[key],
      (b as Record<string, unknown>)[key],
      path ? `${path}.${key}` : key,
    ),
  );
}

describe("the table", () => {
  it("has one flag and one place for each option", () => {
    const flags = optionNames.map(flagOf);
    expect(new Set(flags).size).toBe(flags.length);
    for (const flag of flags) expect(flag).toMatch(/^--[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
    const places = placed.map((name) => optionOf(name).at);
    expect(new Set(places).size).toBe(places.length);
    expect(Object.keys(samples).sort()).toEqual([...placed].sort());
  });

  it.each(placed)("%s changes its place in the configuration and nothing that it does not decide", (name) => {
    const base: TrainingOptions = {
      ...{ penalty: ["r1", "r2", "wgan-gp"], r2Gamma: 1, batch: 16, aug: "ada" },
    };
    const before = resolveConfig("stylegan2-small", facts(32), base);
    const value = samples[name as keyof typeof samples];
    const after = resolveConfig("stylegan2-small", facts(32), { ...base, [name]: value });
    const at = optionOf(name).at as string;
    expect(valueAtPath(after, at)).toEqual(value);
    const follows: Partial<Record<OptionName, RegExp>> = { kimg: /^grid\./, metrics: /^metrics\.0$/ };
    expect(differences(before, after).filter((path) => path !== at && !follows[name]?.test(path))).toEqual(
      [],
    );
  });

  it.each(Object.keys(presets))(
    "%s has a value of the right kind for every option, with its source",
    (cfg) => {
      for (const resolution of [32, 256, 1024]) {
        const values: Record<string, readonly [unknown, string]> = presetNamed(cfg).values(resolution);
        expect(Object.keys(values).sort()).toEqual(
          optionNames.filter((name) => optionOf(name).without === undefined).sort(),
        );
        for (const [name, [value, source]] of Object.entries(values)) {
          expect(optionOf(name as OptionName).type.isGiven(value), name).toBe(true);
          expect(source, name).toMatch(/^(ADA|SG2|SG1|PG|WGP|labml|here)\b/);
        }
      }
    },
  );
});

describe("values in text", () => {
  const read = (name: OptionName, text: string) => {
    const { type } = optionOf(name);
    const value = type.read(text);
    return type.isGiven(value) ? value : "refused";
  };

  it.each<[OptionName, string, unknown]>([
    ["gamma", "0.5", 0.5],
    ["gamma", "-1", "refused"],
    ["gamma", "", "refused"],
    ["kimg", "0", "refused"],
    ["dRepeats", "1.5", "refused"],
    ["batch", "16", 16],
    ["batch", "4,8:128, 16:64", { base: 4, at: { 8: 128, 16: 64 } }],
    ["batch", "4,8", "refused"],
    ["batch", "4,8:0", "refused"],
    ["batchGpu", "none", null],
    ["maxGradientNorm", "none", null],
    ["histograms", "no", false],
    ["histograms", "1", true],
    ["histograms", "maybe", "refused"],
    ["penalty", "r1,wgan-gp", ["r1", "wgan-gp"]],
    ["penalty", "none", []],
    ["penalty", "r1,r3", "refused"],
    ["startResolution", "12", "refused"],
    ["seed", "4294967296", "refused"],
  ])("%s %j", (name, text, value) => {
    expect(read(name, text)).toEqual(value);
  });
});

describe("errors name an option as its user wrote it", () => {
  it.each<[string, TrainingOptions, string, string]>([
    [
      "stylegan2",
      { gamma: -1 },
      "gamma: -1 is not a number from 0 on",
      "--gamma: -1 is not a number from 0 on",
    ],
    [
      "stylegan2",
      { snapshotTicks: 0.5 },
      "snapshotTicks: 0.5 is not a whole number from 1 to 1000000",
      "--snap: 0.5 is not a whole number from 1 to 1000000",
    ],
    [
      "stylegan2",
      { gpLambda: 3 },
      "gpLambda is the weight of wgan-gp, which is not on; add penalty: r1,wgan-gp",
      "--gp-lambda is the weight of wgan-gp, which is not on; add --penalty r1,wgan-gp",
    ],
    [
      "stylegan2",
      { batch: { base: 4, at: { 8: 128 } } },
      "batch: stylegan2 does not grow; choose cfg: progan or stylegan1, or give one number",
      "--batch: stylegan2 does not grow; choose --cfg progan or stylegan1, or give one number",
    ],
    [
      "progan",
      { mappingLayers: 2 },
      "mappingLayers: the networks of progan have no use for it; leave it out",
      "--mapping-layers: the networks of progan have no use for it; leave it out",
    ],
    [
      "stylegan2",
      { batch: 8, batchGpu: 3 },
      "batchGpu: 3: a batch of 8 cannot be divided into such parts; give a divisor of it",
      "--batch-gpu 3: a batch of 8 cannot be divided into such parts; give a divisor of it",
    ],
  ])("%s %j", (cfg, given, inProgram, onCommandLine) => {
    const error = refusal(() => resolveConfig(cfg, facts(32), given));
    expect(error.message).toBe(inProgram);
    expect(error.named(asFlag)).toBe(onCommandLine);
  });

  it("what is no option is said so", () => {
    expect(() => resolveConfig("stylegan2", facts(32), { gama: 1 } as TrainingOptions)).toThrow(
      /no option gama/,
    );
  });
});

describe("published configurations", () => {
  it.each([
    ["stylegan2-f", 1024, 25000, 32, 4, 32768, 0.002, 10, 10, null, 8],
    ["paper256", 256, 25000, 64, 8, 16384, 0.0025, 1, 20, null, 8],
    ["paper512", 512, 25000, 64, 8, 32768, 0.0025, 0.5, 20, null, 8],
    ["paper1024", 1024, 25000, 32, 4, 32768, 0.002, 2, 10, null, 8],
    ["cifar", 32, 100000, 64, 32, 32768, 0.0025, 0.01, 500, 0.05, 2],
  ])("%s", (cfg, resolution, kimg, batch, mbstd, channelBase, lr, gamma, emaKimg, rampup, mappingLayers) => {
    const config = resolveConfig(cfg, facts(resolution));
    expect(config).toMatchObject({
      ...{ kimg, batch, batchGpu: null, optimizer: { gLr: lr, dLr: lr, beta1: 0, beta2: 0.99, eps: 1e-8 } },
      ...{ penalty: { r1Gamma: gamma, interval: 16 }, ema: { kimg: emaKimg, rampup } },
      network: { config: { channelBase, channelMax: 512, mappingLayers, mbstdGroupSize: mbstd } },
    });
    const isCifar = cfg === "cifar";
    expect(config).toMatchObject({
      ...{ styleMixing: isCifar ? 0 : 0.9, pathLength: { weight: isCifar ? 0 : 2 } },
      network: { config: { discriminatorArchitecture: isCifar ? "orig" : "resnet" } },
    });
  });

  it("a batch of the user's own leaves gamma and the moving average as they are", () => {
    const own = resolveConfig("paper256", facts(256), { batch: 8 });
    expect(own).toMatchObject({ batch: 8, penalty: { r1Gamma: 1 }, ema: { kimg: 20 } });
    // Groups of the standard deviation still fill the batch.
    expect(own.network.config).toMatchObject({ mbstdGroupSize: 8 });
  });

  it.each([
    ["progan", 12000, { 4: 160, 8: 140, 16: 120, 32: 100, 64: 80, 128: 60, 256: 40, 512: 20, 1024: 10 }],
    ["stylegan1", 25000, { 4: 160, 8: 140, 16: 120, 32: 100, 64: 80, 128: 60, 256: 40, 512: 30, 1024: 20 }],
  ])("%s has the loop of its program", (cfg, kimg, at) => {
    for (const resolution of [64, 1024])
      expect(resolveConfig(cfg, facts(resolution))).toMatchObject({
        ...{ kimg, minibatchRepeats: 4, dRepeats: 1, snapshotTicks: 10, imageSnapshotTicks: 1 },
        growth: { tickKimg: { base: 160, at } },
      });
  });

  it("the minimal StyleGAN2 regularizes path lengths of the whole batch", () => {
    expect(resolveConfig("stylegan2-minimal", facts(32)).pathLength.batchShrink).toBe(1);
  });

  it("says where each value comes from, and which are the user's", () => {
    const origins = originsOf("progan", 64, { gpLambda: 3 });
    expect(origins).toContainEqual({ name: "gpLambda", value: 3, source: null });
    expect(origins).toContainEqual({ name: "adamBeta2", value: 0.99, source: "PG, appendix A.1" });
    // What the networks have no use for is left out.
    const names = origins.map(({ name }) => name);
    for (const name of ["mappingLayers", "plWeight", "dArchitecture"]) expect(names).not.toContain(name);
    expect(originsOf("stylegan2", 64, {}).map(({ name }) => name)).not.toContain("growthKimg");
  });
});

describe("networks that grow", () => {
  it("take values for each size, and one for all", () => {
    const { growth, ...config } = resolveConfig("progan", facts(64), {
      ...{ batch: { base: 4, at: { 64: 8 } }, batchGpu: 2, startResolution: 16 },
      ...{ gLr: 0.01, dLr: { base: 0.02, at: { 32: 0.03 } }, tickKimg: 5 },
    });
    expect(growth).toMatchObject({
      ...{ startResolution: 16, batch: { base: 4, at: { 64: 8 } }, batchGpu: { base: 2, at: {} } },
      ...{ gLr: { base: 0.01, at: {} }, dLr: { base: 0.02, at: { 32: 0.03 } }, tickKimg: null },
    });
    // At the full size:
    expect(config).toMatchObject({ batch: 8, batchGpu: 2, tickKimg: 5, optimizer: { gLr: 0.01, dLr: 0.02 } });
    expect(config.network.config).toMatchObject({ mbstdGroupSize: 2 });
  });

  it("cannot start larger than they end", () => {
    expect(() => resolveConfig("progan", facts(32), { startResolution: 64 })).toThrow(
      /startResolution.*32 px/,
    );
  });
});

describe("settings of a run that trains", () => {
  const config = resolveConfig("stylegan2", facts(32));
  const names = (of: TrainingConfig) => settingsOf(of).map(({ name }) => name);

  it("are those that the table says, where they are on", () => {
    expect(names(config)).toEqual(["snapshotTicks", "gamma", "plWeight", "lr", "emaKimg"]);
    expect(names(resolveConfig("progan", facts(32)))).toEqual(["snapshotTicks", "gpLambda", "lr", "emaKimg"]);
    expect(names(resolveConfig("stylegan2", facts(32), { gLr: 0.01 }))).toEqual(
      expect.arrayContaining(["gLr", "dLr"]),
    );
  });

  it("each takes a new value at its place, and says what it has no place for", () => {
    for (const { name, value } of settingsOf(config)) {
      const changed = withSetting(config, name, value + 1);
      expect(settingsOf(changed).find((setting) => setting.name === name)?.value).toBe(value + 1);
      expect(settingProblem(config, name, value + 1)).toBeUndefined();
    }
    expect(settingProblem(config, "batch", 3)).toMatch(/batch cannot be changed/);
    expect(settingProblem(config, "gamma", 0)).toMatch(/gamma 0 is not a number above 0/);
    expect(settingProblem(config, "snapshotTicks", 1.5)).toMatch(/whole number/);
    expect(settingProblem(config, "r2Gamma", 1)).toMatch(/R2 penalty is off/);
    expect(settingProblem(config, "gLr", 1)).toMatch(/change lr/);
  });

  it("a learning rate of growing networks holds at every size from then on", () => {
    const changed = withSetting(resolveConfig("stylegan1", facts(256)), "lr", 0.005);
    expect(changed.growth).toMatchObject({ gLr: { base: 0.005, at: {} }, dLr: { base: 0.005, at: {} } });
    expect(changed.optimizer).toMatchObject({ gLr: 0.005, dLr: 0.005 });
  });
});
