// What the phases of training minimize. Values only: the trainer steps the optimizers.

import type { AdversarialLoss } from "../losses/adversarial.js";
import {
  interpolate,
  pathLengthPenalty,
  r1Penalty,
  r2Penalty,
  wganGpPenalty,
} from "../losses/regularizers.js";
import type { Discriminator, Generator } from "../networks/network.js";
import { layersInUse } from "../networks/progressive.js";
import { noGrad } from "../torch/autograd.js";
import { cat, zeros } from "../torch/ops.js";
import { randn, randomInteger, uniform } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import type { TrainingConfig } from "./configSchema.js";

/** A batch of latents and classes. */
export interface Latents {
  /** [N, zDim] */
  z: Tensor;
  /** [N, cDim], or null when unconditional. */
  c: Tensor | null;
}

/** A batch of real pictures and their classes. */
export interface Reals {
  /** [N, 3, H, W] in [-1, 1] */
  images: Tensor;
  c: Tensor | null;
}

/** What a phase minimizes, and what it reports: the mean of each named tensor goes into the statistics. */
export interface PhaseResult {
  loss: Tensor; // []
  stats: Record<string, Tensor>;
}

export class Objective {
  /** Running mean of the path lengths, []. */
  readonly plMean: Tensor;
  /** How often the mean has been updated. */
  plUpdates = 0;
  readonly #G: Generator;
  readonly #D: Discriminator;
  readonly #adversarial: AdversarialLoss;
  #config: TrainingConfig;

  constructor(
    networks: { G: Generator; D: Discriminator },
    adversarial: AdversarialLoss,
    config: TrainingConfig,
  ) {
    this.#G = networks.G;
    this.#D = networks.D;
    this.#adversarial = adversarial;
    this.#config = config;
    const [parameter] = networks.G.parameters();
    this.plMean = zeros([], parameter ? { device: parameter.device } : {}).keep();
  }

  changeConfig(config: TrainingConfig): void {
    this.#config = config;
  }

  /** Make fakes that the discriminator takes for real. */
  generatorMain(reals: Reals, { z, c }: Latents): PhaseResult {
    return scope(() => {
      const fake = this.#D.forward(this.#synthesize(this.#mixedWs(z, c)), c);
      const real = this.#adversarial.needsReals
        ? noGrad(() => this.#D.forward(reals.images, reals.c))
        : undefined;
      const loss = this.#adversarial.generator({ fake, real });
      return { loss: loss.mean(), stats: { "Loss/G/loss": loss, "Loss/scores/fake": fake } };
    });
  }

  /** Path length regularization, on a part of the batch. */
  generatorReg({ z, c }: Latents): PhaseResult {
    const { weight, decay, batchShrink, biasCorrection } = this.#config.pathLength;
    return scope(() => {
      const n = Math.max(Math.floor(z.size(0) / batchShrink), 1);
      const ws = this.#mixedWs(z.narrow(0, 0, n), c?.narrow(0, 0, n) ?? null);
      const images = this.#synthesize(ws);
      if (!biasCorrection) {
        const { penalty, mean, lengths } = pathLengthPenalty({ images, ws, mean: this.plMean, decay });
        noGrad(() => this.plMean.copy_(mean));
        this.plUpdates += 1;
        return pathLengthResult(penalty, lengths, weight);
      }
      // a = mean / (1 - (1 - decay)^updates) is without the pull of the mean's start at 0; before the first
      // update there is none, and the penalty is left out.
      const correction = 1 - (1 - decay) ** this.plUpdates;
      const mean = noGrad(() => (this.plUpdates > 0 ? this.plMean.div(correction) : this.plMean.clone()));
      const { penalty, lengths } = pathLengthPenalty({ images, ws, mean, decay: 0 });
      const result = pathLengthResult(penalty, lengths, this.plUpdates > 0 ? weight : 0);
      noGrad(() => this.plMean.lerp_(lengths.detach().mean(), decay));
      this.plUpdates += 1;
      return result;
    });
  }

  /** Tell fakes from reals. */
  discriminatorMain({ images, c }: Reals, latents: Latents): PhaseResult {
    return scope(() => {
      const fakes = this.#fakes(latents);
      const classes = c && latents.c ? cat([latents.c, c], 0) : null;
      const logits = this.#D.forward(cat([fakes, images], 0), classes, { batches: 2 });
      const n = images.size(0);
      const [fake, real] = [logits.narrow(0, 0, n), logits.narrow(0, n, n)];
      const loss = this.#adversarial.discriminator({ real, fake });
      const stats = { "Loss/D/loss": loss, "Loss/scores/real": real, "Loss/signs/real": real.sign() };
      return { loss: loss.mean(), stats };
    });
  }

  /** The gradient penalties that have a weight: R1 on reals, R2 on fakes, WGAN-GP between them. */
  discriminatorReg({ images, c }: Reals, latents: Latents): PhaseResult {
    const { r1Gamma, r2Gamma, gpLambda, gpTarget } = this.#config.penalty;
    return scope(() => {
      const stats: Record<string, Tensor> = {};
      const terms: Tensor[] = [];
      if (r1Gamma > 0) {
        const inputs = images.detach().setRequiresGrad(true);
        const penalty = r1Penalty(this.#D.forward(inputs, c), inputs);
        stats["Loss/r1_penalty"] = penalty;
        terms.push(penalty.mean().mul(r1Gamma / 2));
      }
      if (r2Gamma > 0) {
        const inputs = this.#fakes(latents).setRequiresGrad(true);
        const penalty = r2Penalty(this.#D.forward(inputs, latents.c), inputs);
        stats["Loss/r2_penalty"] = penalty;
        terms.push(penalty.mean().mul(r2Gamma / 2));
      }
      if (gpLambda > 0) {
        const inputs = interpolate({ real: images, fake: this.#fakes(latents) });
        const penalty = wganGpPenalty({
          logits: this.#D.forward(inputs, c),
          images: inputs,
          target: gpTarget,
        });
        stats["Loss/gradient_penalty"] = penalty;
        terms.push(penalty.mean().mul(gpLambda / gpTarget ** 2));
      }
      return { loss: sum(terms), stats };
    });
  }

  dispose(): void {
    this.plMean.dispose();
  }

  /** Fakes that no gradient reaches the generator through. */
  #fakes({ z, c }: Latents): Tensor {
    return noGrad(() => this.#synthesize(this.#mixedWs(z, c)));
  }

  #synthesize(ws: Tensor): Tensor {
    return this.#G.synthesize(ws, { noiseMode: "random" });
  }

  /**
   * ws [N, numWs, wDim] of z, with style mixing: with some probability all layers from a random one on follow a
   * second latent. The crossing lies among the layers in use, so that both latents have an effect.
   * Karras et al., "A Style-Based Generator Architecture" (2019), section 3.1.
   */
  #mixedWs(z: Tensor, c: Tensor | null): Tensor {
    const { numWs } = this.#G;
    const ws = this.#G.map(z, c);
    this.#G.updateWAvg(ws.select(1, 0));
    const probability = this.#config.styleMixing;
    if (probability === 0 || uniform() >= probability) return ws;
    const cutoff = randomInteger(1, layersInUse(this.#G));
    const other = this.#G.map(randn(z.shape, { device: z.device }), c);
    return cat([ws.narrow(1, 0, cutoff), other.narrow(1, cutoff, numWs - cutoff)], 1);
  }
}

/** Two parts of one network's loss as one. */
export function combined(a: PhaseResult, b: PhaseResult): PhaseResult {
  return { loss: a.loss.add(b.loss), stats: { ...a.stats, ...b.stats } };
}

function pathLengthResult(penalty: Tensor, lengths: Tensor, weight: number): PhaseResult {
  const stats = { "Loss/pl_penalty": penalty, "Loss/pl_length": lengths };
  return { loss: penalty.mean().mul(weight), stats };
}

function sum(terms: readonly Tensor[]): Tensor {
  const [first, ...others] = terms;
  if (!first) throw new Error("discriminatorReg: no penalty has a weight");
  return others.reduce((total, term) => total.add(term), first);
}
