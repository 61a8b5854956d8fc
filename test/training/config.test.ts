import { describe, expect, it } from "vitest";
import { stylegan2ConfigSchema } from "../../src/networks/stylegan2.js";
import { UserError } from "../../src/system/errors.js";
import { Adam } from "../../src/torch/adam.js";
import { FlatParameters } from "../../src/torch/flat.js";
import { Module } from "../../src/torch/module.js";
import { scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { type DatasetFacts, resolveConfig } from "../../src/training/config.js";
import { trainingConfigSchema } from "../../src/training/configSchema.js";
import { gridSize } from "../../src/training/grids.js";
import { presetNamed } from "../../src/training/presets.js";

class One extends Module {
  readonly weight: Tensor;

  constructor(value: number) {
    super();
    this.weight = this.parameter("weight", tensor([value]));
  }
}

const facts = (resolution: number, classNames: string[] = []): DatasetFacts => ({
  resolution,
  source: "pictures",
  background: "white",
  conditional: classNames.length > 0,
  subset: null,
  subsetSeed: 0,
  mirror: true,
  fingerprint: "f",
  classNames,
});

describe("stylegan2, as published", () => {
  it.each([
    { resolution: 32, batch: 32, gamma: 0.0064, channelBase: 16384, lr: 0.0025 },
    { resolution: 128, batch: 32, gamma: 0.1024, channelBase: 16384, lr: 0.0025 },
    { resolution: 256, batch: 16, gamma: 0.8192, channelBase: 16384, lr: 0.0025 },
    { resolution: 512, batch: 8, gamma: 6.5536, channelBase: 32768, lr: 0.0025 },
    { resolution: 1024, batch: 4, gamma: 52.4288, channelBase: 32768, lr: 0.002 },
  ])("at $resolution pixels", ({ resolution, batch, gamma, channelBase, lr }) => {
    const config = resolveConfig("stylegan2", facts(resolution));
    expect(config.batch).toBe(batch);
    expect(presetNamed("stylegan2").values(resolution).batch[0]).toBe(batch);
    expect(config.penalty.r1Gamma).toBeCloseTo(gamma, 10);
    expect(config.optimizer).toEqual({
      gLr: lr,
      dLr: lr,
      beta1: 0,
      beta2: 0.99,
      eps: 1e-8,
      maxGradientNorm: null,
      lrRampupKimg: 0,
    });
    expect(config.ema.kimg).toBeCloseTo((batch * 10) / 32, 10);
    expect(config.ema.rampup).toBe(0.05);
    expect(config.network.architecture).toBe("stylegan2");
    expect(config.network.config).toEqual({
      resolution,
      zDim: 512,
      wDim: 512,
      cDim: 0,
      channelBase,
      channelMax: 512,
      mappingLayers: 2,
      mappingLrMultiplier: 0.01,
      wAvgBeta: 0.995,
      convClamp: 256,
      mbstdGroupSize: 4,
      mbstdNumFeatures: 1,
      discriminatorArchitecture: "resnet",
      discriminatorMappingLayers: 8,
    });
    expect(config.pathLength).toEqual({
      weight: 2,
      decay: 0.01,
      batchShrink: 2,
      interval: 4,
      startSteps: 0,
      biasCorrection: false,
      meanInGradient: false,
    });
    expect(config.penalty.interval).toBe(16);
    expect(config.styleMixing).toBe(0.9);
    expect(config.kimg).toBe(25000);
  });
});

describe("stylegan2-small", () => {
  it("is the run that is known to learn", () => {
    const config = resolveConfig("stylegan2-small", facts(32));
    expect(config).toMatchObject({
      batch: 16,
      styleMixing: 0,
      penalty: { r1Gamma: 0.5, r2Gamma: 0, gpLambda: 0 },
      pathLength: { weight: 0 },
      ema: { kimg: 1 },
      optimizer: { gLr: 0.0025, dLr: 0.0025 },
      network: { config: { channelBase: 1024, channelMax: 64, mappingLayers: 2 } },
    });
  });
});

describe("stylegan2-minimal", () => {
  const published = resolveConfig("stylegan2-minimal", facts(32));

  it("has its source's numbers", () => {
    expect(published).toMatchObject({
      batch: 32,
      kimg: 4800,
      loss: { name: "hinge" },
      penalty: { r1Gamma: 40, r2Gamma: 0, gpLambda: 0, interval: 4 }, // 10 for images in [0, 1]
      pathLength: { weight: 0.25 / 32, batchShrink: 1, interval: 32, startSteps: 5000, biasCorrection: true },
      styleMixing: 0.9,
      optimizer: { gLr: 0.001, dLr: 0.001, beta1: 0, beta2: 0.99, maxGradientNorm: 1 },
    });
    expect(published.network.config).toMatchObject({
      ...{ latentDim: 512, mappingLayers: 8, mappingLrMultiplier: 0.01, zNorm: "length" },
      ...{ generatorFeatures: 32, discriminatorFeatures: 64, maxFeatures: 512, groupSize: 4 },
    });
  });

  it("its mapping network takes the steps of one whose learning rate is a hundredth, however small gradients are", () => {
    const { gLr, beta1, beta2, eps } = published.optimizer;
    const multiplier = 0.01;
    expect(published.network.config).toMatchObject({ mappingLrMultiplier: multiplier });
    // The source's weight θ and ours, θ / multiplier, with the gradient times the multiplier.
    const theirs = new One(2);
    const ours = new One(2 / multiplier);
    const [theirFlat, ourFlat] = [new FlatParameters(theirs), new FlatParameters(ours)];
    const theirAdam = new Adam(theirFlat, { lr: gLr * multiplier, beta1, beta2, eps: 1e-8 });
    const ourAdam = new Adam(ourFlat, { lr: gLr, beta1, beta2, eps });
    const moved = () => [
      2 - (theirFlat.values.toFloat32Array()[0] as number),
      2 - (ourFlat.values.toFloat32Array()[0] as number) * multiplier,
    ];
    for (const [i, gradient] of [3e-9, 2e-8, 1e-7, 4e-9, 1e-3, 5e-9].entries()) {
      scope(() => {
        theirs.weight.setGrad(tensor([gradient]));
        ours.weight.setGrad(tensor([gradient * multiplier]));
      });
      theirAdam.step();
      ourAdam.step();
      const [their, our] = moved() as [number, number];
      expect(their, `step ${i}`).toBeGreaterThan(0);
      expect(our / their, `step ${i}`).toBeCloseTo(1, 1);
    }
    for (const owner of [theirAdam, ourAdam, theirFlat, ourFlat, theirs, ours]) owner.dispose();
  });

  it("small, starts from z of mean square 1", () => {
    expect(resolveConfig("stylegan2-minimal-small", facts(32))).toMatchObject({
      batch: 16,
      penalty: { r1Gamma: 1, interval: 4 },
      styleMixing: 0,
      optimizer: { gLr: 0.01, dLr: 0.01, maxGradientNorm: 1 },
      ema: { kimg: 1 },
      network: {
        architecture: "stylegan2-minimal",
        config: { latentDim: 64, mappingLayers: 2, maxFeatures: 64, zNorm: "rms" },
      },
    });
  });
});

describe("resolveConfig", () => {
  it("lets the user's choices win; a batch changes nothing else, as in NVIDIA's program", () => {
    const config = resolveConfig("stylegan2", facts(256), { batch: 8, lr: 0.1, plWeight: 0, seed: 7 });
    expect(config.penalty.r1Gamma).toBeCloseTo((0.0002 * 256 ** 2) / 16, 10);
    expect(config.ema.kimg).toBeCloseTo(5, 10);
    expect(config).toMatchObject({ batch: 8, seed: 7, pathLength: { weight: 0 } });
    expect(config).toMatchObject({ optimizer: { gLr: 0.1, dLr: 0.1 } });
    expect(resolveConfig("stylegan2", facts(256), { batch: 8, gamma: 3 }).penalty.r1Gamma).toBe(3);
  });

  it.each([
    [1, 1],
    [2, 2],
    [3, 3],
    [5, 1],
    [6, 3],
    [7, 1],
    [8, 4],
    [10, 2],
  ])("a batch of %i takes its standard deviation over %i, so that groups fill the batch", (batch, group) => {
    expect(resolveConfig("stylegan2", facts(64), { batch }).network.config).toMatchObject({
      mbstdGroupSize: group,
    });
  });

  it("sizes z and w together", () => {
    const { network } = resolveConfig("stylegan2", facts(64), { latentDim: 48 });
    expect(network.config).toMatchObject({ zDim: 48, wDim: 48 });
    const minimal = resolveConfig("stylegan2-minimal", facts(64), { latentDim: 48 });
    expect(minimal.network.config).toMatchObject({ latentDim: 48 });
  });

  it("counts the classes", () => {
    expect(resolveConfig("stylegan2", facts(64, ["a", "b"])).network.config).toMatchObject({ cDim: 2 });
  });

  it("makes what its own schema accepts, and survives JSON", () => {
    const config = resolveConfig("stylegan2", facts(64));
    expect(trainingConfigSchema.parse(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  it("never makes a network that cannot be built: at 4 pixels it refuses with one line", () => {
    let network: unknown;
    try {
      network = resolveConfig("stylegan2", facts(4)).network;
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      return;
    }
    expect(stylegan2ConfigSchema.safeParse(network).success).toBe(true);
  });

  it.each(["stylegan3", "", "toString", "__proto__"])(
    "refuses the configuration %j and lists those there are",
    (cfg) => {
      expect(() => presetNamed(cfg)).toThrow(UserError);
      expect(() => presetNamed(cfg)).toThrow(/stylegan2, .*stylegan2-small/);
    },
  );
});

describe("gridSize", () => {
  it.each([
    // A long run: as many as fill 7680 x 4320, from 7 x 4 to 32 x 32.
    { resolution: 1024, nimg: 25_000_000, columns: 7, rows: 4 },
    { resolution: 512, nimg: 25_000_000, columns: 15, rows: 8 },
    { resolution: 256, nimg: 25_000_000, columns: 30, rows: 16 },
    { resolution: 32, nimg: 25_000_000, columns: 32, rows: 32 },
    // A small one: no more than about a hundredth of the pictures shown, but 7 x 4 in any case.
    { resolution: 32, nimg: 22_000, columns: 15, rows: 15 },
    { resolution: 32, nimg: 200, columns: 7, rows: 4 },
  ])("$resolution pixels and $nimg images: $columns x $rows", ({ resolution, nimg, columns, rows }) => {
    expect(gridSize(resolution, nimg)).toEqual({ columns, rows });
  });
});
