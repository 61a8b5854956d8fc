// What the four phases of StyleGAN2 training minimize. Values only: the loop steps the optimizers.

import type { AdversarialLoss } from "../losses/adversarial.js";
import { pathLengthPenalty, r1Penalty } from "../losses/regularizers.js";
import type { Discriminator, Generator } from "../networks/network.js";
import { noGrad } from "../torch/autograd.js";
import { cat, zeros } from "../torch/ops.js";
import { randn, randomInteger, uniform } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import type { TrainingConfig } from "./config.js";

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
  readonly #G: Generator;
  readonly #D: Discriminator;
  readonly #adversarial: AdversarialLoss;
  readonly #config: TrainingConfig;

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

  /** Make fakes that the discriminator takes for real. */
  generatorMain({ z, c }: Latents): PhaseResult {
    return scope(() => {
      const logits = this.#D.forward(this.#synthesize(this.#mixedWs(z, c)), c);
      const loss = this.#adversarial.generator(logits);
      return { loss: loss.mean(), stats: { "Loss/G/loss": loss, "Loss/scores/fake": logits } };
    });
  }

  /** Path length regularization, on a part of the batch. */
  generatorReg({ z, c }: Latents): PhaseResult {
    const { weight, decay, batchShrink } = this.#config.pathLength;
    return scope(() => {
      const n = Math.max(Math.floor(z.size(0) / batchShrink), 1);
      const ws = this.#mixedWs(z.narrow(0, 0, n), c?.narrow(0, 0, n) ?? null);
      const images = this.#synthesize(ws);
      const { penalty, mean, lengths } = pathLengthPenalty({ images, ws, mean: this.plMean, decay });
      noGrad(() => this.plMean.copy_(mean));
      return {
        loss: penalty.mean().mul(weight),
        stats: { "Loss/pl_penalty": penalty, "Loss/pl_length": lengths },
      };
    });
  }

  /** Tell fakes from reals. */
  discriminatorMain({ images, c }: Reals, latents: Latents): PhaseResult {
    return scope(() => {
      const fakes = noGrad(() => this.#synthesize(this.#mixedWs(latents.z, latents.c)));
      const fakeLogits = this.#D.forward(fakes, latents.c);
      const realLogits = this.#D.forward(images, c);
      const loss = this.#adversarial
        .discriminatorFake(fakeLogits)
        .mean()
        .add(this.#adversarial.discriminatorReal(realLogits).mean());
      const stats = {
        "Loss/D/loss": loss,
        "Loss/scores/real": realLogits,
        "Loss/signs/real": realLogits.sign(),
      };
      return { loss, stats };
    });
  }

  /** R1 regularization. */
  discriminatorReg({ images, c }: Reals): PhaseResult {
    return scope(() => {
      const inputs = images.detach().setRequiresGrad(true);
      const penalty = r1Penalty(this.#D.forward(inputs, c), inputs);
      return { loss: penalty.mean().mul(this.#config.r1.gamma / 2), stats: { "Loss/r1_penalty": penalty } };
    });
  }

  dispose(): void {
    this.plMean.dispose();
  }

  #synthesize(ws: Tensor): Tensor {
    return this.#G.synthesize(ws, { noiseMode: "random" });
  }

  /**
   * ws [N, numWs, wDim] of z, with style mixing: with some probability all layers from a random one on follow a
   * second latent. Karras et al., "A Style-Based Generator Architecture" (2019), section 3.1.
   */
  #mixedWs(z: Tensor, c: Tensor | null): Tensor {
    const { numWs } = this.#G;
    const ws = this.#G.map(z, c);
    this.#G.updateWAvg(ws.select(1, 0));
    const probability = this.#config.styleMixing;
    if (probability === 0 || uniform() >= probability) return ws;
    const cutoff = randomInteger(1, numWs);
    const other = this.#G.map(randn(z.shape, { device: z.device }), c);
    return cat([ws.narrow(1, 0, cutoff), other.narrow(1, cutoff, numWs - cutoff)], 1);
  }
}
