// What growing means, for both architectures that grow.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { r1Penalty } from "../../src/losses/penalties.js";
import { ProGanDiscriminator, ProGanGenerator } from "../../src/networks/progan.js";
import {
  growthSchema,
  isProgressive,
  type ProgressiveDiscriminator,
  type ProgressiveGenerator,
} from "../../src/networks/progressive.js";
import { StyleGan1Discriminator, StyleGan1Generator } from "../../src/networks/stylegan1.js";
import { avgPool2d, upsampleNearest2d } from "../../src/torch/ops.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import {
  checkGradients,
  doubles,
  expectNear,
  inDoublePrecision,
  leaf,
  sampleTensor,
} from "../torch/numeric.js";

const shared = {
  resolution: 16,
  zDim: 3,
  cDim: 0,
  channelBase: 32,
  channelMax: 4,
  mbstdGroupSize: 2,
  mbstdNumFeatures: 1,
  fromRgbActivation: "lrelu",
} as const;
const stylegan1 = { ...shared, wDim: 3, mappingLayers: 2, mappingLrMultiplier: 0.01, wAvgBeta: 0.9 };

const architectures = {
  progan: {
    makeG: (): ProgressiveGenerator => new ProGanGenerator(shared),
    makeD: (): ProgressiveDiscriminator => new ProGanDiscriminator(shared),
  },
  stylegan1: {
    makeG: (): ProgressiveGenerator => new StyleGan1Generator(stylegan1),
    makeD: (): ProgressiveDiscriminator => new StyleGan1Discriminator(stylegan1),
  },
};

describe.each(Object.entries(architectures))("growing %s", (_, { makeG, makeD }) => {
  let G: ProgressiveGenerator;
  let D: ProgressiveDiscriminator;
  let before: number;

  beforeAll(() => {
    before = liveTensors();
    G = inDoublePrecision(scope(makeG), 1);
    D = inDoublePrecision(scope(makeD), 100);
  });

  afterAll(() => {
    G.dispose();
    D.dispose();
    expect(liveTensors()).toBe(before);
  });

  const ws = (seed = 5) => G.map(sampleTensor([2, 3], seed), null);
  const draw = (level: number, alpha: number) => {
    G.setGrowth({ level, alpha });
    return G.synthesize(ws(), { noiseMode: "const" });
  };
  const judge = (images: Tensor, level: number, alpha: number) => {
    D.setGrowth({ level, alpha });
    return D.forward(images, null);
  };
  /** `f` with another value of some parameters. */
  function changed(network: ProgressiveGenerator | ProgressiveDiscriminator, names: RegExp, f: () => Tensor) {
    const parameters = network.namedParameters().filter(([name]) => names.test(name));
    expect(parameters.length).toBeGreaterThan(0);
    for (const [, parameter] of parameters) parameter.detach().add_(sampleTensor(parameter.shape, 77));
    const result = f();
    for (const [, parameter] of parameters) parameter.detach().add_(sampleTensor(parameter.shape, 77), -1);
    return result;
  }

  it("begins fully grown", () =>
    scope(() => {
      expect(
        scope(() => {
          const fresh = makeG();
          const { growth, maxLevel } = fresh;
          fresh.dispose();
          return { growth, maxLevel };
        }),
      ).toEqual({ growth: { level: 4, alpha: 1 }, maxLevel: 4 });
      expect([isProgressive(G), isProgressive(D)]).toEqual([true, true]);
    }));

  it.each([2, 3, 4])("level %i has images of 2^level pixels, in channels-last layout", (level) =>
    scope(() => {
      const size = 2 ** level;
      const images = draw(level, 0.5);
      expect(images.shape).toEqual([2, 3, size, size]);
      expect(images.strides).toEqual([3 * size * size, 1, 3 * size, 3]);
      expect(judge(images, level, 0.5).shape).toEqual([2, 1]);
    }),
  );

  it("alpha 0 is the enlarged older image, alpha 1 does not see it, between them it fades", () =>
    scope(() => {
      const old = doubles(upsampleNearest2d(draw(3, 1), 2));
      expect(doubles(draw(4, 0))).toEqual(old);
      const full = doubles(draw(4, 1));
      expect(doubles(changed(G, /^(synthesis\.)?to_rgb\.1\./, () => draw(4, 1)))).toEqual(full);
      expectNear(
        doubles(draw(4, 0.3)),
        old.map((value, i) => 0.7 * value + 0.3 * (full[i] as number)),
        1e-12,
      );
    }));

  it("the discriminator with alpha 0 sees the reduced image only, with alpha 1 the new block only", () =>
    scope(() => {
      const images = sampleTensor([4, 3, 16, 16], 6);
      const reduced = doubles(judge(avgPool2d(images, 2), 3, 1));
      expect(doubles(judge(images, 4, 0))).toEqual(reduced);
      const full = doubles(judge(images, 4, 1));
      expect(full).not.toEqual(reduced);
      expect(doubles(changed(D, /^from_rgb\.1\./, () => judge(images, 4, 1)))).toEqual(full);
      expect(doubles(changed(D, /^from_rgb\.1\./, () => judge(images, 4, 0.5)))).not.toEqual(
        doubles(judge(images, 4, 0.5)),
      );
    }));

  it("alpha has no effect at the first level", () =>
    scope(() => {
      const images = draw(2, 1);
      expect(doubles(draw(2, 0))).toEqual(doubles(images));
      expect(doubles(judge(images, 2, 0))).toEqual(doubles(judge(images, 2, 1)));
    }));

  it("higher levels take no part in a lower one", () =>
    scope(() => {
      const images = doubles(draw(3, 0.5));
      expect(doubles(changed(G, /blocks\.1\.|to_rgb\.2\./, () => draw(3, 0.5)))).toEqual(images);
      const reals = sampleTensor([4, 3, 8, 8], 6);
      const logits = doubles(judge(reals, 3, 0.5));
      expect(doubles(changed(D, /^(blocks|from_rgb)\.0\./, () => judge(reals, 3, 0.5)))).toEqual(logits);
    }));

  it("gradients of the generator in a fade, first and second order", () =>
    scope(() => {
      const latents = leaf(G.map(sampleTensor([2, 3], 5), null).shape, 8);
      const weights = G.namedParameters()
        .filter(([name]) => /blocks\.0\.(conv0_up|epi1)|to_rgb\.[01]\.weight/.test(name))
        .map(([, parameter]) => parameter);
      G.setGrowth({ level: 3, alpha: 0.4 });
      const images = () => G.synthesize(latents, { noiseMode: "const" });
      checkGradients(images, [latents], { order: 2, tolerance: 1e-5 });
      checkGradients(images, weights, { order: 1, elements: 4, tolerance: 1e-5 });
    }));

  it("gradients of the discriminator and of R1 in a fade", () =>
    scope(() => {
      const images = leaf([4, 3, 8, 8], 6);
      D.setGrowth({ level: 3, alpha: 0.4 });
      checkGradients(() => D.forward(images, null), [images], { order: 2, tolerance: 1e-5 });
      const weights = D.namedParameters()
        .filter(([name]) => /weight$/.test(name) && !/\.0\./.test(name))
        .map(([, parameter]) => parameter);
      const penalty = () => r1Penalty(D.forward(images, null), images);
      checkGradients(penalty, weights, { order: 1, elements: 4, tolerance: 1e-5 });
    }));

  it("leaves no tensors behind", () => {
    const live = liveTensors();
    scope(() => {
      judge(draw(4, 0.5), 4, 0.5);
    });
    expect(liveTensors()).toBe(live);
  });

  it("says what is wrong with a growth, an image, classes or latents", () =>
    scope(() => {
      for (const level of [1, 5, 2.5, Number.NaN])
        expect(() => G.setGrowth({ level, alpha: 1 })).toThrow(
          `growth: level is ${level}, expected a whole number from 2 to 4`,
        );
      for (const alpha of [-0.1, 1.1, Number.NaN])
        expect(() => D.setGrowth({ level: 3, alpha })).toThrow(
          `growth: alpha is ${alpha}, expected a number from 0 to 1`,
        );
      expect(growthSchema.safeParse({ level: 1, alpha: 0 }).success).toBe(false);
      expect(growthSchema.safeParse({ level: 3, alpha: 0.5 }).success).toBe(true);
      expect(() => judge(sampleTensor([4, 3, 16, 16], 6), 3, 1)).toThrow(
        "images has shape [4, 3, 16, 16], expected [N, 3, 8, 8]",
      );
      const c = sampleTensor([2, 1], 1);
      expect(() => G.map(sampleTensor([2, 3], 5), c)).toThrow(
        "c: this network is unconditional, expected null",
      );
      expect(() => D.forward(sampleTensor([2, 3, 8, 8], 5), c)).toThrow("c: this network is unconditional");
      expect(() => G.map(sampleTensor([2, 4], 5), null)).toThrow("z has shape [2, 4], expected [N, 3]");
      expect(() => G.synthesize(sampleTensor([2, 9, 3], 5), { noiseMode: "none" })).toThrow(
        `ws has shape [2, 9, 3], expected [N, ${G.numWs}, 3]`,
      );
    }));
});
