import { describe, expect, it } from "vitest";
import { createLoss } from "../../src/losses/adversarial.js";
import { interpolate, r1Penalty, r2Penalty, wganGpPenalty } from "../../src/losses/penalties.js";
import { backward } from "../../src/torch/autograd.js";
import { matmul, softplus, zeros } from "../../src/torch/ops.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { checkGradients, doubles, expectNear, leaf, sampleTensor } from "../torch/numeric.js";
import { lossFixture, tensorOf } from "./fixture.js";

describe("the reference values on a critic with a closed form", () => {
  const { critic, expected } = lossFixture;
  const { penalties } = expected;
  const [a, b] = [tensorOf(critic.a).keep(), tensorOf(critic.b).keep()];
  /** D(x) = Σ (a x² + b x), whose gradient is 2 a x + b. */
  const D = (x: Tensor) =>
    x
      .square()
      .mul(a)
      .add(x.mul(b))
      .sum([1, 2, 3])
      .reshape([x.size(0), 1]);
  const reals = () => tensorOf(critic.real).setRequiresGrad(true);
  const fakes = () => tensorOf(critic.fake).setRequiresGrad(true);

  function gp(): Tensor {
    const images = interpolate({ real: reals(), fake: fakes(), mix: tensorOf(critic.mix) });
    return wganGpPenalty({ logits: D(images), images, target: 1 });
  }

  /** A discriminator's loss with R1 and R2 of their own weights γ, both from one pass through D each. */
  function withGradientPenalties(name: string, { r1, r2 }: { r1: number; r2: number }): Tensor {
    const [real, fake] = [reals(), fakes()];
    const logits = { real: D(real), fake: D(fake) };
    return createLoss(name)
      .discriminator(logits)
      .mean()
      .add(
        r1Penalty(logits.real, real)
          .mean()
          .mul(r1 / 2),
      )
      .add(
        r2Penalty(logits.fake, fake)
          .mean()
          .mul(r2 / 2),
      );
  }

  const withGp = (name: string) =>
    createLoss(name)
      .discriminator({ real: D(reals()), fake: D(fakes()) })
      .mean()
      .add(gp().mean().mul(10));

  const rows: Record<string, () => Tensor> = {
    r1_mean: () => {
      const real = reals();
      return r1Penalty(D(real), real).mean();
    },
    r2_mean: () => {
      const fake = fakes();
      return r2Penalty(D(fake), fake).mean();
    },
    logistic_simplegp_r1_10_r2_0: () => withGradientPenalties("logistic", { r1: 10, r2: 0 }),
    logistic_simplegp_r1_10_r2_3: () => withGradientPenalties("logistic", { r1: 10, r2: 3 }),
    wgan_gp_lambda10_eps1e3_target1: () => withGp("wgan"),
    hinge_gp_lambda10_target1: () => withGp("hinge"),
  };

  it.each(Object.entries(penalties))("%s = %f", (row, wanted) =>
    scope(() => {
      const actual = (rows[row] as () => Tensor)().item();
      expect(Math.abs(actual - wanted)).toBeLessThan(1e-10);
    }),
  );

  it("leaves out no row", () => expect(Object.keys(rows).sort()).toEqual(Object.keys(penalties).sort()));

  it("measures each image's own gradient", () =>
    scope(() => {
      const real = reals();
      const [x, p, q] = [doubles(real), doubles(a), doubles(b)];
      const wanted = [0, 1, 2, 3].map((n) =>
        p.reduce((sum, value, i) => sum + (2 * value * (x[n * 48 + i] as number) + (q[i] as number)) ** 2, 0),
      );
      expectNear(doubles(r1Penalty(D(real), real)), wanted, 1e-12);
    }));
});

describe("the penalties on a smooth critic", () => {
  // D(x) = softplus(x W1 + b1) W2 on images [3, 2, 2, 2].
  const critic = () => [leaf([8, 5], 1), leaf([5], 2), leaf([5, 1], 3)] as const;
  type Critic = ReturnType<typeof critic>;
  const judge = (x: Tensor, [w1, b1, w2]: Critic) =>
    matmul(softplus(matmul(x.reshape([x.size(0), 8]), w1).add(b1)), w2);
  const image = (seed: number) => sampleTensor([3, 2, 2, 2], seed);
  const mix = () => tensor(Float64Array.from([0.1, 0.5, 0.8]));

  const penaltiesOf: Record<string, (parameters: Critic) => Tensor> = {
    r1: (parameters) => {
      const real = image(4).setRequiresGrad(true);
      return r1Penalty(judge(real, parameters), real);
    },
    r2: (parameters) => {
      const fake = image(5).setRequiresGrad(true);
      return r2Penalty(judge(fake, parameters), fake);
    },
    "r1 and r2 with weights of their own": (parameters) => {
      const [real, fake] = [image(4).setRequiresGrad(true), image(5).setRequiresGrad(true)];
      const r1 = r1Penalty(judge(real, parameters), real);
      const r2 = r2Penalty(judge(fake, parameters), fake);
      return r1.mul(10 / 2).add(r2.mul(3 / 2));
    },
    "wgan-gp": (parameters) => {
      const images = interpolate({ real: image(4), fake: image(5), mix: mix() });
      return wganGpPenalty({ logits: judge(images, parameters), images, target: 1 });
    },
    "wgan-gp with another target": (parameters) => {
      const images = interpolate({ real: image(4), fake: image(5), mix: mix() });
      return wganGpPenalty({ logits: judge(images, parameters), images, target: 0.2 });
    },
  };

  // The penalty holds first-order gradients, so that its gradients by the parameters are second-order ones.
  it.each(Object.entries(penaltiesOf))("%s has the gradients of finite differences", (_, penalty) =>
    scope(() => {
      const parameters = critic();
      checkGradients(() => penalty(parameters), parameters.slice(), { order: 1, elements: 40 });
    }),
  );

  it.each(["hinge", "wgan", "relativistic"])("so has %s with wgan-gp, r1 and r2 in one graph", (name) =>
    scope(() => {
      const parameters = critic();
      const total = () => {
        const [real, fake] = [image(4).setRequiresGrad(true), image(5).setRequiresGrad(true)];
        const logits = { real: judge(real, parameters), fake: judge(fake, parameters) };
        const images = interpolate({ real, fake, mix: mix() });
        return createLoss(name)
          .discriminator(logits)
          .reshape([3])
          .add(r1Penalty(logits.real, real))
          .add(r2Penalty(logits.fake, fake))
          .add(wganGpPenalty({ logits: judge(images, parameters), images, target: 1 }));
      };
      checkGradients(total, parameters.slice(), { order: 1, elements: 40 });
    }),
  );

  it("leave no tensor behind, and free what they make on the way at once", () => {
    const before = liveTensors();
    scope(() => {
      const parameters = critic();
      const [real, fake] = [image(4).setRequiresGrad(true), image(5)];
      const realLogits = judge(real, parameters);
      let made = liveTensors();
      r1Penalty(realLogits, real);
      expect(liveTensors()).toBe(made + 1);
      made = liveTensors();
      const images = interpolate({ real, fake });
      expect(liveTensors()).toBe(made + 1);
      const logits = judge(images, parameters);
      made = liveTensors();
      wganGpPenalty({ logits, images, target: 1 });
      expect(liveTensors()).toBe(made + 1);
    });
    expect(liveTensors()).toBe(before);
  });

  it("wgan-gp has finite gradients where the slope is exactly 0", () =>
    scope(() => {
      const [w1, b1] = critic();
      const dead = zeros([5, 1], { dtype: "float64" }).setRequiresGrad(true);
      const images = interpolate({ real: image(4), fake: image(5), mix: mix() });
      const penalty = wganGpPenalty({ logits: judge(images, [w1, b1, dead]), images, target: 1 });
      expectNear(doubles(penalty), [1, 1, 1], 1e-5);
      const slot = zeros([5, 1], { dtype: "float64" });
      dead.setGrad(slot);
      backward(penalty.sum(), [dead]);
      expect(slot.allFinite()).toBe(true);
    }));

  it("reject what does not fit together", () =>
    scope(() => {
      const real = image(4).setRequiresGrad(true);
      const logits = judge(real, critic());
      expect(() => r1Penalty(logits.narrow(0, 0, 2), real)).toThrow("logits [2,1] of images [3,2,2,2]");
      expect(() => r2Penalty(logits, real.reshape([3, 8]))).toThrow("images [3,8], expected");
      expect(() => interpolate({ real, fake: image(5).narrow(0, 0, 1) })).toThrow("fakes [1,2,2,2]");
      expect(() => interpolate({ real, fake: image(5), mix: sampleTensor([3, 1], 1) })).toThrow("mix [3,1]");
    }));
});

describe("interpolate", () => {
  const pair = () => ({ real: sampleTensor([200, 1, 2, 2], 1), fake: sampleTensor([200, 1, 2, 2], 2) });

  it("is fake + m (real - fake) with one m per sample, a leaf of its own", () =>
    scope(() => {
      const { real, fake } = pair();
      const mix = tensor(Float64Array.from({ length: 200 }, (_, i) => i / 199));
      const images = interpolate({ real: real.setRequiresGrad(true), fake, mix });
      const [x, y, z] = [doubles(images), doubles(real), doubles(fake)];
      const m = (i: number) => Math.floor(i / 4) / 199;
      expectNear(
        x,
        z.map((value, i) => value + m(i) * ((y[i] as number) - value)),
        1e-14,
      );
      expect(images.requiresGrad).toBe(true);
      const slot = zeros(images.shape, { dtype: "float64" });
      images.setGrad(slot);
      backward(images.sum(), [images]);
      expect(slot.sum().item()).toBe(800);
    }));

  it("draws m uniformly from [0, 1), the same for every pixel of a sample", () =>
    scope(() => {
      const { real, fake } = pair();
      const [x, y, z] = [doubles(interpolate({ real, fake })), doubles(real), doubles(fake)];
      const drawn = x.map((value, i) => (value - (z[i] as number)) / ((y[i] as number) - (z[i] as number)));
      const perSample = Array.from({ length: 200 }, (_, n) => drawn.slice(4 * n, 4 * n + 4));
      for (const values of perSample) expectNear(values, new Array(4).fill(values[0]), 1e-6);
      const firsts = perSample.map((values) => values[0] as number);
      expect(Math.min(...firsts)).toBeGreaterThanOrEqual(-1e-9);
      expect(Math.max(...firsts)).toBeLessThan(1);
      const mean = firsts.reduce((sum, value) => sum + value / 200, 0);
      expect(Math.abs(mean - 0.5)).toBeLessThan(6 * Math.sqrt(1 / 12 / 200)); // six standard errors
    }));
});
