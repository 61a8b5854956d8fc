// Adversarial losses on the discriminator's logits, and the table from their names to them.
//
// In the formulas r and f are the logits of a real and of a fake picture, and σ is the logistic function;
// -log σ(x) = softplus(-x) and -log(1 - σ(x)) = softplus(x). Everything is minimized.

import { UserError } from "../system/errors.js";
import { softplus } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

/** Logits of as many reals as fakes. */
export interface DiscriminatorLogits {
  real: Tensor; // [N, 1]
  fake: Tensor; // [N, 1]
}

/** What the generator's side reads: `real` only if the loss needs reals. */
export interface GeneratorLogits {
  fake: Tensor; // [N, 1]
  real?: Tensor | undefined; // [N, 1]
}

/** The two sides of an adversarial loss. Each returns one value per sample, [N, 1]; the caller averages. */
export interface AdversarialLoss {
  /** Whether the generator needs the logits of reals as well. They are constants to it: `noGrad` will do. */
  readonly needsReals: boolean;
  /** What the generator minimizes. */
  generator(logits: GeneratorLogits): Tensor;
  /** What the discriminator minimizes, for each pair of a real and a fake. */
  discriminator(logits: DiscriminatorLogits): Tensor;
}

export interface LossSettings {
  /** Every loss: factor of the generator's side. The discriminator's is always 1. */
  generatorWeight: number;
  /** `vanilla`, `lsgan`: what the discriminator should answer for a real, and the generator wants for its fakes. */
  realLabel: number;
  /** `vanilla`, `lsgan`: what the discriminator should answer for a fake. */
  fakeLabel: number;
  /** `wgan`: weight of r². */
  driftEpsilon: number;
}

export type LossOptions = { [Name in keyof LossSettings]?: LossSettings[Name] | undefined };

/** What `createLoss` takes for an option that is not given. */
export const lossDefaults: Readonly<LossSettings> = {
  generatorWeight: 1,
  realLabel: 1,
  fakeLabel: 0,
  driftEpsilon: 0.001, // Karras et al., "Progressive Growing of GANs" (2018), appendix A.1
};

interface AdversarialLossEntry {
  /** One line for help texts. */
  readonly description: string;
  /** The settings that it reads besides `generatorWeight`, which `createLoss` applies to all. */
  readonly options: readonly Exclude<keyof LossSettings, "generatorWeight">[];
  readonly needsReals: boolean;
  generator(logits: GeneratorLogits, settings: LossSettings): Tensor;
  discriminator(logits: DiscriminatorLogits, settings: LossSettings): Tensor;
}

/**
 * Goodfellow et al., "Generative Adversarial Nets" (2014): the discriminator's side of equation 1, and the
 * generator's side that section 3 trains instead.
 */
const logistic: AdversarialLossEntry = {
  description: "non-saturating logistic loss, StyleGAN's and StyleGAN2's",
  options: [],
  needsReals: false,
  // -log σ(f)
  generator: ({ fake }) => softplus(fake.neg()),
  // -log σ(r) - log(1 - σ(f))
  discriminator: ({ real, fake }) => softplus(real.neg()).add(softplus(fake)),
};

/** Goodfellow et al. (2014), equation 1 on both sides: the zero-sum game. */
const logisticSaturating: AdversarialLossEntry = {
  description: "logistic loss with the generator's side of the original zero-sum game",
  options: [],
  needsReals: false,
  // log(1 - σ(f))
  generator: ({ fake }) => softplus(fake).neg(),
  discriminator: logistic.discriminator,
};

/**
 * Lim and Ye, "Geometric GAN" (2017); Miyato et al., "Spectral Normalization for Generative Adversarial
 * Networks" (2018), equations 16 and 17.
 */
const hinge: AdversarialLossEntry = {
  description: "hinge loss: only reals below 1 and fakes above -1 train the discriminator",
  options: [],
  needsReals: false,
  // -f
  generator: ({ fake }) => fake.neg(),
  // max(0, 1 - r) + max(0, 1 + f)
  discriminator: ({ real, fake }) => real.neg().add(1).relu().add(fake.add(1).relu()),
};

/**
 * Arjovsky et al., "Wasserstein GAN" (2017), as Gulrajani et al., "Improved Training of Wasserstein GANs" (2017),
 * equation 2, write it; the drift term is that of "Progressive Growing of GANs" (2018), appendix A.1. It needs a
 * penalty that bounds the discriminator's slope.
 */
const wgan: AdversarialLossEntry = {
  description: "Wasserstein loss with a drift term, ProGAN's together with the penalty wgan-gp",
  options: ["driftEpsilon"],
  needsReals: false,
  // -f
  generator: ({ fake }) => fake.neg(),
  // f - r + ε r²
  discriminator: ({ real, fake }, { driftEpsilon }) => fake.sub(real).add(real.square().mul(driftEpsilon)),
};

/**
 * Mao et al., "Least Squares Generative Adversarial Networks" (2017), equation 2, with a = fakeLabel and
 * b = c = realLabel.
 * Differs from the paper: without its factors 1/2, as in the implementations (mean squared error) whose loss
 * weights people use.
 */
const lsgan: AdversarialLossEntry = {
  description: "least squares: the squared distance of the logits to their labels",
  options: ["realLabel", "fakeLabel"],
  needsReals: false,
  // (f - c)²
  generator: ({ fake }, { realLabel }) => fake.sub(realLabel).square(),
  // (r - b)² + (f - a)²
  discriminator: ({ real, fake }, { realLabel, fakeLabel }) =>
    real.sub(realLabel).square().add(fake.sub(fakeLabel).square()),
};

/**
 * Goodfellow et al. (2014) as binary cross-entropy with labels; with the labels 1 and 0 it is `logistic`. A
 * realLabel below 1 is the one-sided label smoothing of Salimans et al., "Improved Techniques for Training GANs"
 * (2016), section 3.4.
 */
const vanilla: AdversarialLossEntry = {
  description: "binary cross-entropy of the logits with their labels",
  options: ["realLabel", "fakeLabel"],
  needsReals: false,
  generator: ({ fake }, { realLabel }) => crossEntropy(fake, realLabel),
  discriminator: ({ real, fake }, { realLabel, fakeLabel }) =>
    crossEntropy(real, realLabel).add(crossEntropy(fake, fakeLabel)),
};

/** -y log σ(x) - (1 - y) log(1 - σ(x)); the shorter softplus(x) - y x would cancel for large x. */
function crossEntropy(logits: Tensor, label: number): Tensor {
  return softplus(logits.neg())
    .mul(label)
    .add(softplus(logits).mul(1 - label));
}

/**
 * Jolicoeur-Martineau, "The relativistic discriminator" (2018), as RSGAN; Huang et al., "The GAN is dead; long
 * live the GAN! A Modern GAN Baseline" (2024), equation 2. The i-th fake is compared with the i-th real.
 */
const relativistic: AdversarialLossEntry = {
  description: "relativistic pairing: each fake is compared with a real, R3GAN's together with r1 and r2",
  options: [],
  needsReals: true,
  // -log σ(f - r)
  generator: ({ real, fake }) => {
    if (!real) throw new Error("the relativistic loss's generator side needs the logits of reals");
    return softplus(real.sub(fake));
  },
  // -log σ(r - f)
  discriminator: ({ real, fake }) => softplus(fake.sub(real)),
};

/** Every adversarial loss by the name that `--loss` takes. */
export const adversarialLosses = {
  logistic,
  "logistic-saturating": logisticSaturating,
  hinge,
  wgan,
  lsgan,
  vanilla,
  relativistic,
} satisfies Record<string, AdversarialLossEntry>;

export type AdversarialLossName = keyof typeof adversarialLosses;

/**
 * Other names for rows of the table. MMEditing and its relatives call StyleGAN2's loss `wgan-logistic-ns`: WGAN's
 * signs in their dispatch, but softplus of the logits, so it is `logistic` and has nothing of Wasserstein.
 */
export const lossAliases: Readonly<Record<string, AdversarialLossName>> = {
  "wgan-logistic-ns": "logistic",
};

/**
 * The loss of that name.
 * @throws UserError when there is none, or when it does not read one of `options` or cannot use its value
 */
export function createLoss(name: string, options: LossOptions = {}): AdversarialLoss {
  const entry: AdversarialLossEntry = adversarialLosses[resolveLossName(name)];
  const settings = checkedSettings(name, entry, options);
  const { generatorWeight } = settings;
  return {
    needsReals: entry.needsReals,
    generator: (logits) =>
      scope(() => {
        if (logits.real) checkShapes(logits.real, logits.fake);
        const loss = entry.generator(logits, settings);
        return generatorWeight === 1 ? loss : loss.mul(generatorWeight);
      }),
    discriminator: (logits) =>
      scope(() => {
        checkShapes(logits.real, logits.fake);
        return entry.discriminator(logits, settings);
      }),
  };
}

/** The name as it stands in the table, aliases resolved. */
export function resolveLossName(name: string): AdversarialLossName {
  if (Object.hasOwn(adversarialLosses, name)) return name as AdversarialLossName;
  const meant = Object.hasOwn(lossAliases, name) ? lossAliases[name] : undefined;
  if (meant) return meant;
  const names = Object.keys(adversarialLosses).join(", ");
  const aliases = Object.entries(lossAliases).map(([alias, to]) => `${alias} for ${to}`);
  throw new UserError(`There is no loss ${name}. There are ${names} (and ${aliases.join(", ")}).`);
}

function checkedSettings(name: string, entry: AdversarialLossEntry, options: LossOptions): LossSettings {
  const settings: LossSettings = { ...lossDefaults };
  const readable: readonly string[] = ["generatorWeight", ...entry.options];
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!readable.includes(option)) {
      throw new UserError(`The loss ${name} does not read ${option}. It reads ${readable.join(", ")}.`);
    }
    if (!Number.isFinite(value)) throw new UserError(`${option} ${value} is not a number.`);
    settings[option as keyof LossSettings] = value;
  }
  const { generatorWeight, realLabel, fakeLabel, driftEpsilon } = settings;
  if (generatorWeight <= 0) throw new UserError(`generatorWeight ${generatorWeight} is not above 0.`);
  if (driftEpsilon < 0) throw new UserError(`driftEpsilon ${driftEpsilon} is below 0.`);
  if (entry === vanilla && [realLabel, fakeLabel].some((label) => label < 0 || label > 1)) {
    // Outside, the cross-entropy has no minimum and the logits run away.
    throw new UserError(`The labels ${realLabel} and ${fakeLabel} of vanilla must lie between 0 and 1.`);
  }
  return settings;
}

/** Broadcasting would make [N, N] of [N, 1] and [N] without a word. */
function checkShapes(real: Tensor, fake: Tensor): void {
  if (String(real.shape) !== String(fake.shape)) {
    throw new Error(
      `the logits of reals have shape [${real.shape}], those of fakes [${fake.shape}]: expected one`,
    );
  }
}
