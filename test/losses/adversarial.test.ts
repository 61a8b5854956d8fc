import { describe, expect, it } from "vitest";
import {
  type AdversarialLossName,
  adversarialLosses,
  createLoss,
  type LossOptions,
} from "../../src/losses/adversarial.js";
import { UserError } from "../../src/system/errors.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { type Shape, type Tensor, tensor } from "../../src/torch/tensor.js";
import { checkGradients, doubles, expectNear, leaf, sampleTensor } from "../torch/numeric.js";
import { type LossValues, lossFixture } from "./fixture.js";

const { scores, expected, seed_004: seed } = lossFixture;
const column = (values: readonly number[]) => tensor(Float64Array.from(values), [values.length, 1]);
const real = () => column(scores.real);
const fake = () => column(scores.fake);
const filled = (value: number, shape: Shape) =>
  tensor(new Float64Array(shape.reduce((product, size) => product * size, 1)).fill(value), shape);

/** Logits at which one side of the discriminator's loss is exactly 0, so that the other side stands alone. */
const silent: Record<string, { real: number; fake: number }> = {
  hinge: { real: 1, fake: -1 },
  wgan: { real: 0, fake: 0 },
  lsgan: { real: 1, fake: 0 },
  vanilla: { real: 1000, fake: -1000 },
};

type Role = "G" | "D" | "D_real" | "D_fake";

function value(name: string, role: Role, logits: { real: Tensor; fake: Tensor }, options?: LossOptions) {
  return scope(() => {
    const loss = createLoss(name, options);
    const quiet = (side: "real" | "fake") => filled(silent[name]?.[side] ?? Number.NaN, logits[side].shape);
    switch (role) {
      case "G":
        return loss.generator(loss.needsReals ? logits : { fake: logits.fake }).mean();
      case "D":
        return loss.discriminator(logits).mean();
      case "D_real":
        return loss.discriminator({ real: logits.real, fake: quiet("fake") }).mean();
      case "D_fake":
        return loss.discriminator({ real: quiet("real"), fake: logits.fake }).mean();
    }
  }).item();
}

describe("the reference values on fixed scores", () => {
  const rows: [path: string, wanted: number, name: string, role: Role, options?: LossOptions][] = [
    ["logistic/G_nonsaturating", expected.logistic.G_nonsaturating, "logistic", "G"],
    ["logistic/G_saturating", expected.logistic.G_saturating, "logistic-saturating", "G"],
    ["logistic/D", expected.logistic.D, "logistic", "D"],
    ["logistic/D", expected.logistic.D, "logistic-saturating", "D"],
    ["wgan/G", expected.wgan.G, "wgan", "G"],
    ["wgan/D", expected.wgan.D, "wgan", "D", { driftEpsilon: 0 }],
    ["wgan/D_epsilon", expected.wgan.D_epsilon, "wgan", "D"],
    ["hinge/G", expected.hinge.G, "hinge", "G"],
    ["hinge/D", expected.hinge.D, "hinge", "D"],
    ["lsgan/G", expected.lsgan.G, "lsgan", "G"],
    ["lsgan/D_real", expected.lsgan.D_real, "lsgan", "D_real"],
    ["lsgan/D_fake", expected.lsgan.D_fake, "lsgan", "D_fake"],
    ["vanilla/G", expected.vanilla.G, "vanilla", "G"],
    ["vanilla/D_real", expected.vanilla.D_real, "vanilla", "D_real"],
    ["vanilla/D_fake", expected.vanilla.D_fake, "vanilla", "D_fake"],
    ["relativistic_pairing/G", expected.relativistic_pairing.G, "relativistic", "G"],
    ["relativistic_pairing/D", expected.relativistic_pairing.D, "relativistic", "D"],
  ];

  it.each(rows)("%s = %f (%s, %s)", (_, wanted, name, role, options) => {
    expect(Math.abs(value(name, role, { real: real(), fake: fake() }, options) - wanted)).toBeLessThan(1e-10);
  });

  it("leaves out no row", () => {
    const { penalties: _, ...onScores } = expected; // those are penalties.test.ts's
    expect([...new Set(rows.map(([path]) => path))].sort()).toEqual(pathsOf(onScores).sort());
  });

  it("has in the discriminator's loss the sum of its sides", () => {
    for (const name of ["lsgan", "vanilla"] as const) {
      const sides = expected[name].D_real + expected[name].D_fake;
      expect(value(name, "D", { real: real(), fake: fake() })).toBeCloseTo(sides, 12);
    }
  });
});

describe("the values of seed_004: a weight of 2, which only the generator sees", () => {
  const inputs: [input: keyof typeof seed, rows: LossValues, shape: Shape, logit: number][] = [
    ["ones_1x1", seed.ones_1x1, [1, 1], 1],
    ["twos_1x3x6x6", seed.twos_1x3x6x6, [1, 3, 6, 6], 2],
  ];
  const rows = inputs.flatMap(([input, values, shape, logit]) =>
    Object.entries(values).map(([row, wanted]) => {
      const split = row.indexOf("_");
      const [name, role] = [row.slice(0, split), row.slice(split + 1) as Role];
      return { input, name, role, wanted, shape, logit };
    }),
  );

  it.each(rows)("$input/$name $role = $wanted", ({ name, role, wanted, shape, logit }) =>
    scope(() => {
      const options: LossOptions = { generatorWeight: seed.loss_weight };
      if (name === "wgan") options.driftEpsilon = 0;
      const logits = filled(logit, shape);
      const actual = value(name, role, { real: logits, fake: logits }, options);
      // The seed cuts vanilla's values off after 7 decimals; the others are whole numbers.
      const printed = name === "vanilla" ? Math.floor(actual * 1e7) / 1e7 : actual;
      expect(Math.abs(printed - wanted)).toBeLessThan(1e-10);
    }),
  );

  it("covers every row", () => {
    expect(rows).toHaveLength(12);
    expect(Object.keys(seed).sort()).toEqual(["loss_weight", ...inputs.map(([input]) => input)].sort());
  });

  it("is, for vanilla, 2 log(1 + 1/e), log(1 + 1/e) and log(1 + e) to the last digits", () =>
    scope(() => {
      const one = filled(1, [1, 1]);
      const at = (role: Role) => value("vanilla", role, { real: one, fake: one }, { generatorWeight: 2 });
      expect(at("G")).toBeCloseTo(2 * Math.log1p(Math.exp(-1)), 12);
      expect(at("D_real")).toBeCloseTo(Math.log1p(Math.exp(-1)), 12);
      expect(at("D_fake")).toBeCloseTo(Math.log1p(Math.E), 12);
    }));

  it("takes the name wgan-logistic-ns for logistic", () => {
    for (const role of ["G", "D"] as const) {
      const logits = { real: real(), fake: fake() };
      expect(value("wgan-logistic-ns", role, logits)).toBe(value("logistic", role, logits));
    }
  });
});

const names = Object.keys(adversarialLosses) as AdversarialLossName[];

describe.each(names)("%s", (name) => {
  /** Options other than the defaults, where there are some. */
  const options: LossOptions = { generatorWeight: 1.7 };
  for (const option of adversarialLosses[name].options)
    options[option] = { realLabel: 0.9, fakeLabel: 0.2, driftEpsilon: 0.3 }[option];
  // Constant second derivatives cannot be differentiated again.
  const order = name === "hinge" || name === "wgan" ? 1 : 2;

  it("has the gradients of finite differences by the logits of both sides", () =>
    scope(() => {
      const loss = createLoss(name, options);
      // Twice the samples of [-1, 1), so that some lie beyond hinge's corners (none lies within a step of one).
      const [r, f] = [column([-1.8, -0.3, 0.7, 1.6]), column([1.4, 0.2, -0.6, -1.9])];
      r.setRequiresGrad(true);
      f.setRequiresGrad(true);
      if (loss.needsReals) checkGradients(() => loss.generator({ fake: f, real: r }), [r, f], { order });
      else checkGradients(() => loss.generator({ fake: f }), [f], { order });
      checkGradients(() => loss.discriminator({ real: r, fake: f }), [r, f], { order });
    }));

  it("gives one value per sample, whatever the other samples are, and leaves no tensor behind", () => {
    const before = liveTensors();
    scope(() => {
      const loss = createLoss(name, options);
      const logits = { real: sampleTensor([3, 1], 1), fake: sampleTensor([3, 1], 2) };
      for (const side of ["generator", "discriminator"] as const) {
        const all = loss[side](logits);
        expect(all.shape).toEqual([3, 1]);
        const alone = loss[side]({ real: logits.real.narrow(0, 1, 1), fake: logits.fake.narrow(0, 1, 1) });
        expect(doubles(all)[1]).toBe(doubles(alone)[0]);
      }
    });
    expect(liveTensors()).toBe(before);
  });

  it("frees what it makes on the way at once", () =>
    scope(() => {
      const logits = { real: sampleTensor([3, 1], 1), fake: sampleTensor([3, 1], 2) };
      const loss = createLoss(name, options);
      const before = liveTensors();
      loss.generator(logits);
      loss.discriminator(logits);
      expect(liveTensors()).toBe(before + 2);
    }));

  it("stays finite in float32 far from the decision, and pushes the right way", () =>
    scope(() => {
      const loss = createLoss(name);
      const far = [-500, -60, 60, 500];
      const r = tensor(far, [4, 1]);
      const f = tensor([...far].reverse(), [4, 1]);
      const both = [loss.generator({ fake: f, real: r }), loss.discriminator({ real: r, fake: f })];
      for (const side of both) expect(side.toFloat32Array().every(Number.isFinite)).toBe(true);
      // The generator is better off with the higher logit, the discriminator with a real above the fake.
      const at = (x: number) => filled(x, [1, 1]);
      const g = (x: number) => loss.generator({ fake: at(x), real: at(0) }).item();
      const d = (x: number) => loss.discriminator({ real: at(x), fake: at(-x) }).item();
      expect(g(0.5)).toBeLessThan(g(-0.5));
      expect(d(0.5)).toBeLessThan(d(-0.5));
    }));
});

describe("vanilla", () => {
  it("keeps the small digits that softplus(x) - y x would lose", () =>
    scope(() => {
      const loss = createLoss("vanilla").generator({ fake: tensor([40], [1, 1]) });
      expectNear(loss.toFloat32Array(), [Math.exp(-40)], 1e-5);
    }));

  it("has with soft labels the cross-entropy's minimum where σ(logit) is the label", () =>
    scope(() => {
      const loss = createLoss("vanilla", { realLabel: 0.9 });
      const x = leaf([1, 1], 1);
      x.detach().fill_(Math.log(9)); // σ = 0.9
      const entropy = -(0.9 * Math.log(0.9) + 0.1 * Math.log(0.1));
      expect(loss.generator({ fake: x }).item()).toBeCloseTo(entropy, 12);
    }));
});

describe("createLoss", () => {
  const failure = (make: () => unknown): UserError => {
    try {
      make();
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      expect((error as Error).message).not.toContain("\n");
      return error as UserError;
    }
    throw new Error("nothing was thrown");
  };

  it("names every loss there is when one does not exist", () => {
    for (const name of ["wasserstein", "toString", "", "Hinge"]) {
      const { message } = failure(() => createLoss(name));
      expect(message).toContain(`There is no loss ${name}`);
      for (const known of [...names, "wgan-logistic-ns"]) expect(message).toContain(known);
    }
  });

  it("rejects what the loss does not read, and says what it reads", () => {
    expect(failure(() => createLoss("hinge", { realLabel: 0.9 })).message).toBe(
      "The loss hinge does not read realLabel. It reads generatorWeight.",
    );
    expect(failure(() => createLoss("lsgan", { driftEpsilon: 0.1 })).message).toBe(
      "The loss lsgan does not read driftEpsilon. It reads generatorWeight, realLabel, fakeLabel.",
    );
    expect(failure(() => createLoss("wgan", { colour: 1 } as LossOptions)).message).toContain("colour");
  });

  it("rejects values without meaning", () => {
    failure(() => createLoss("lsgan", { realLabel: Number.NaN }));
    failure(() => createLoss("lsgan", { generatorWeight: 0 }));
    failure(() => createLoss("lsgan", { generatorWeight: Number.POSITIVE_INFINITY }));
    failure(() => createLoss("wgan", { driftEpsilon: -0.001 }));
    failure(() => createLoss("vanilla", { realLabel: 1.1 }));
    failure(() => createLoss("vanilla", { fakeLabel: -1 }));
  });

  it("takes an undefined option for one that is not given, and any label for lsgan", () => {
    const logits = { real: real(), fake: fake() };
    expect(value("wgan", "D", logits, { driftEpsilon: undefined })).toBe(value("wgan", "D", logits));
    createLoss("hinge", { realLabel: undefined });
    // Mao et al. (2017), equation 8: a = -1, b = 1.
    const wanted = scores.fake.reduce((sum, f) => sum + (f + 1) ** 2 / scores.fake.length, 0);
    expect(value("lsgan", "D_fake", logits, { fakeLabel: -1 })).toBeCloseTo(wanted, 12);
  });

  it("rejects logits that do not pair, and the relativistic generator without reals", () =>
    scope(() => {
      const [two, flat] = [sampleTensor([2, 1], 1), sampleTensor([2], 2)];
      const loss = createLoss("hinge");
      expect(() => loss.discriminator({ real: two, fake: flat })).toThrow("[2,1], those of fakes [2]");
      const pairs = createLoss("relativistic");
      expect(() => pairs.generator({ fake: two, real: flat })).toThrow("those of fakes [2,1]");
      expect(() => pairs.generator({ fake: two })).toThrow("needs the logits of reals");
      expect(names.filter((name) => createLoss(name).needsReals)).toEqual(["relativistic"]);
    }));
});

function pathsOf(values: Record<string, LossValues>): string[] {
  return Object.entries(values).flatMap(([group, rows]) => Object.keys(rows).map((row) => `${group}/${row}`));
}
