// What the terms of training minimize. Values only: the trainer steps the optimizers.

import { z } from "zod";
import type { Augmentation } from "../augment/augmentation.js";
import type { AdversarialLoss } from "../losses/adversarial.js";
import { movedMean, pathLengths, unbiasedMean } from "../losses/pathLength.js";
import { interpolate, penaltiesIn } from "../losses/penalties.js";
import type { Discriminator, DiscriminatorOptions, Generator } from "../networks/network.js";
import { layersInUse } from "../networks/progressive.js";
import { classRows } from "../synthesis/latents.js";
import { noGrad } from "../torch/autograd.js";
import { cat, zeros } from "../torch/ops.js";
import { rand, randn, randomInteger, uniform } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import { type State, type Stateful, tensorIn } from "../torch/state.js";
import type { Device, Tensor } from "../torch/tensor.js";
import { type Batch, batchSize, firstOf, type Latents, partsOf, type Reals } from "./batch.js";
import type { TrainingConfig } from "./configSchema.js";
import type { Term } from "./phases.js";

/** What the running means move towards. */
export interface Observations {
  /** The w of the fakes [N, wDim]. */
  w?: Tensor;
  /** [N] */
  pathLengths?: Tensor;
  /** D's logits of reals [N, 1]. */
  realLogits?: Tensor;
}

/** A term's value on a batch, and what it reports: the mean of each named tensor goes into the statistics. */
export interface Evaluation {
  loss: Tensor; // []
  stats: Record<string, Tensor>;
  observed: Observations;
}

/** Images, and D's logits of them. */
interface Pass {
  images: Tensor; // [N, 3, H, W]
  logits: Tensor; // [N, 1]
}

export interface ObjectiveOptions {
  G: Generator;
  D: Discriminator;
  loss: AdversarialLoss;
  config: TrainingConfig;
  /** What is done to every picture before D sees it. */
  augmentation: Augmentation;
  /** The classes of the training set's pictures; networks with classes need them. */
  labels?: ArrayLike<number> | undefined;
}

export class Objective implements Stateful {
  /** Running mean of the path lengths, []. */
  readonly plMean: Tensor;
  /** How often the mean has been updated. */
  plUpdates = 0;
  readonly #G: Generator;
  readonly #D: Discriminator;
  readonly #adversarial: AdversarialLoss;
  readonly #augmentation: Augmentation;
  readonly #labels: ArrayLike<number>;
  #config: TrainingConfig;

  constructor({ G, D, loss, config, augmentation, labels = [] }: ObjectiveOptions) {
    if (G.cDim > 0 && labels.length === 0)
      throw new Error(`the networks have ${G.cDim} classes: expected the labels of the training set`);
    this.#G = G;
    this.#D = D;
    this.#adversarial = loss;
    this.#augmentation = augmentation;
    this.#labels = labels;
    this.#config = config;
    const [parameter] = G.parameters();
    this.plMean = zeros([], parameter ? { device: parameter.device } : {}).keep();
  }

  changeConfig(config: TrainingConfig): void {
    this.#config = config;
  }

  /** All that is random in a term but noise, so that the parts of a batch add up to the whole. */
  draw(term: Term, reals: Reals): Batch {
    return scope(() => {
      const { device } = reals.images;
      const n = reals.images.size(0);
      const first = randn([n, this.#G.zDim], { device });
      const latents = { z: first, c: this.#drawClasses(n, device), mixing: null };
      const whole: Batch = { reals, latents, between: null };
      // Gradients of path lengths take much memory, and a part of the batch tells enough.
      const { batchShrink } = this.#config.pathLength;
      const batch = term === "pathLength" ? firstOf(whole, Math.max(Math.floor(n / batchShrink), 1)) : whole;
      const reads = (images: "fakes" | "between") =>
        isPenalized(term) && this.#penaltiesInUse().some((penalty) => penalty.images === images);
      const makesFakes = term !== "penalties" || reads("fakes") || reads("between");
      const mixing = makesFakes ? this.#drawMixing(batch.latents.z) : null;
      const between = reads("between") ? rand([n], { device }) : null;
      return { ...batch, latents: { ...batch.latents, mixing }, between };
    });
  }

  /** The batch of a term as parts for as many forward passes, of at most `largest` samples each (null: no limit). */
  parts(term: Term, batch: Batch, largest: number | null): { part: Batch; share: number }[] {
    const limit = largest ?? Number.POSITIVE_INFINITY;
    // Path lengths are each sample's own.
    const group = term === "pathLength" ? 1 : Math.min(this.#D.groupSize, batchSize(batch));
    return partsOf(batch, { largest: limit, group });
  }

  /** The value of a term as a graph that gradients pass through. */
  evaluate(term: Term, batch: Batch): Evaluation {
    return scope(() => this[term](batch));
  }

  /** Moves the running means towards what all parts of a phase's batches have shown, each once. */
  observe(observations: readonly Observations[]): void {
    const all = (name: keyof Observations) => observations.flatMap((observed) => observed[name] ?? []);
    noGrad(() => {
      const [w, lengths] = [all("w"), all("pathLengths")];
      for (const logits of all("realLogits")) this.#augmentation.observe(logits);
      if (w.length > 0) this.#G.updateWAvg(cat(w, 0));
      if (lengths.length === 0) return;
      this.plMean.lerp_(cat(lengths, 0).mean(), this.#config.pathLength.decay);
      this.plUpdates += 1;
    });
  }

  // ---- the terms ----

  generatorLoss({ reals, latents }: Batch): Evaluation {
    const { images, w } = this.#runG(latents);
    const fake = this.#runD(images, latents.c);
    const real = this.#adversarial.needsReals ? noGrad(() => this.#runD(reals.images, reals.c)) : undefined;
    const loss = this.#adversarial.generator({ fake, real });
    return {
      loss: loss.mean(),
      stats: { "Loss/G/loss": loss, "Loss/scores/fake": fake },
      observed: { w },
    };
  }

  /** Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), equation 4. */
  pathLength({ latents }: Batch): Evaluation {
    const { weight, decay, biasCorrection, meanInGradient } = this.#config.pathLength;
    const [mean, updates] = [this.plMean, this.plUpdates];
    const { images, ws, w } = this.#runG(latents);
    const lengths = pathLengths({ images, ws });
    // Before the first update there is no unbiased mean, and the penalty is left out.
    const isOff = biasCorrection && updates === 0;
    const target = () =>
      biasCorrection
        ? unbiasedMean({ mean, decay, updates })
        : movedMean({ mean, lengths, decay, inGradient: meanInGradient });
    const penalty = lengths.sub(isOff ? mean : target()).square();
    return {
      loss: penalty.mean().mul(isOff ? 0 : weight),
      stats: { "Loss/pl_penalty": penalty, "Loss/pl_length": lengths },
      observed: { w, pathLengths: lengths.detach() },
    };
  }

  discriminatorLoss({ reals, latents }: Batch): Evaluation {
    const { images, w } = this.#fakes(latents);
    const logits = this.#runDOnBoth({ ...latents, images }, reals);
    return { ...this.#tellApart(logits), observed: { w, realLogits: logits.real.detach() } };
  }

  penalties(batch: Batch): Evaluation {
    const passes = this.#passesOf(batch);
    const penalty = this.#penalize(passes);
    const makesFakes = this.#penaltiesInUse().some(({ images }) => images !== "reals");
    return { ...penalty, observed: makesFakes ? { w: passes.generated().w } : {} };
  }

  /** Both in one phase. Images whose slope is penalized go through D once for the two. */
  discriminatorLossWithPenalties(batch: Batch): Evaluation {
    const passes = this.#passesOf(batch);
    const isShared = this.#penaltiesInUse().some(({ images }) => images !== "between");
    const logits = isShared
      ? { real: passes.reals().logits, fake: passes.fakes().logits }
      : this.#runDOnBoth({ ...batch.latents, images: passes.generated().images }, batch.reals);
    const [loss, penalty] = [this.#tellApart(logits), this.#penalize(passes)];
    return {
      loss: loss.loss.add(penalty.loss),
      stats: { ...loss.stats, ...penalty.stats },
      observed: { w: passes.generated().w, realLogits: logits.real.detach() },
    };
  }

  dispose(): void {
    this.plMean.dispose();
  }

  // ---- state ----

  state(): State {
    return { tensors: new Map([["pl_mean", this.plMean]]), values: { plUpdates: this.plUpdates } };
  }

  restore(state: State): void {
    const { plUpdates } = stateSchema.parse(state.values);
    this.plMean.copy_(tensorIn(state, "pl_mean"));
    this.plUpdates = plUpdates;
  }

  // ---- G and D ----

  /** Images of latents [N, 3, H, W], the ws that they are made from, and the w of the first latents [N, wDim]. */
  #runG({ z, c, mixing }: Latents): { images: Tensor; ws: Tensor; w: Tensor } {
    const mapped = this.#G.map(z, c);
    const ws = mixing ? this.#mixed(mapped, this.#G.map(mixing.z, c), mixing.firstLayer) : mapped;
    const images = this.#G.synthesize(ws, { noiseMode: "random" });
    return { images, ws, w: mapped.select(1, 0).detach() };
  }

  /**
   * D's logits [N, 1] of images in any phase, real ones and fakes: what is to be done to every picture before D sees it is
   * done here. Gradients of both orders pass through.
   */
  #runD(images: Tensor, c: Tensor | null, options: DiscriminatorOptions = {}): Tensor {
    return this.#D.forward(this.#augmentation.apply(images) ?? images, c, options);
  }

  /** Fakes that no gradient reaches the generator through. */
  #fakes(latents: Latents): { images: Tensor; w: Tensor } {
    return noGrad(() => {
      const { images, w } = this.#runG(latents);
      return { images, w };
    });
  }

  /** Reals and fakes in one pass, each with statistics of their own: every weight is read once. */
  #runDOnBoth(fakes: Reals, reals: Reals): { real: Tensor; fake: Tensor } {
    const n = reals.images.size(0);
    const classes = reals.c && fakes.c ? cat([fakes.c, reals.c], 0) : null;
    const logits = this.#runD(cat([fakes.images, reals.images], 0), classes, { batches: 2 });
    return { fake: logits.narrow(0, 0, n), real: logits.narrow(0, n, n) };
  }

  // ---- the discriminator's terms ----

  #tellApart({ real, fake }: { real: Tensor; fake: Tensor }): Omit<Evaluation, "observed"> {
    const loss = this.#adversarial.discriminator({ real, fake });
    const stats = { "Loss/D/loss": loss, "Loss/scores/real": real, "Loss/signs/real": real.sign() };
    return { loss: loss.mean(), stats };
  }

  #penalize(passes: Passes): Omit<Evaluation, "observed"> {
    const settings = this.#config.penalty;
    const stats: Record<string, Tensor> = {};
    const terms = this.#penaltiesInUse().map(({ images, statistic, weight, values }) => {
      const penalty = values(passes[images](), settings);
      stats[statistic] = penalty;
      return penalty.mean().mul(weight(settings));
    });
    return { loss: terms.reduce((sum, term) => sum.add(term)), stats };
  }

  /** Passes of D over the images whose slope can be penalized. */
  #passesOf({ reals, latents, between: mix }: Batch): Passes {
    const generated = once(() => this.#fakes(latents));
    const passOver = (images: Tensor, c: Tensor | null): Pass => {
      const inputs = images.detach().setRequiresGrad(true);
      return { images: inputs, logits: this.#runD(inputs, c) };
    };
    return {
      generated,
      reals: once(() => passOver(reals.images, reals.c)),
      fakes: once(() => passOver(generated().images, latents.c)),
      between: once(() => {
        if (!mix) throw new Error("no places between reals and fakes have been drawn");
        return passOver(interpolate({ real: reals.images, fake: generated().images, mix }), reals.c);
      }),
    };
  }

  #penaltiesInUse() {
    return penaltiesIn(this.#config.penalty);
  }

  // ---- what is drawn ----

  /**
   * Classes of fakes [n, cDim], as often as the training set has them: a draw of their own in each phase, so that D cannot
   * tell from the classes which pictures are the fakes of which reals.
   */
  #drawClasses(n: number, device: Device): Tensor | null {
    const { cDim } = this.#G;
    if (cDim === 0) return null;
    const labels = this.#labels;
    const drawn = Array.from(
      rand([n], { device: "cpu" }).toFloat32Array(),
      (u) => labels[Math.floor(u * labels.length)] as number,
    );
    return classRows(drawn, cDim, device);
  }

  /**
   * With some probability all layers from a random one on follow a second latent. The crossing lies among the layers in
   * use, so that both latents have an effect.
   * Karras et al., "A Style-Based Generator Architecture" (2019), section 3.1.
   */
  #drawMixing(z: Tensor): Latents["mixing"] {
    const probability = this.#config.styleMixing;
    if (probability === 0 || uniform() >= probability) return null;
    const firstLayer = randomInteger(1, layersInUse(this.#G));
    return { z: randn(z.shape, { device: z.device }), firstLayer };
  }

  /** ws [N, numWs, wDim]: those of `first`, from a layer on those of `second`. */
  #mixed(first: Tensor, second: Tensor, firstLayer: number): Tensor {
    const { numWs } = this.#G;
    return cat([first.narrow(1, 0, firstLayer), second.narrow(1, firstLayer, numWs - firstLayer)], 1);
  }
}

const isPenalized = (term: Term) => term === "penalties" || term === "discriminatorLossWithPenalties";

/** What penalties read: each is made once, when it is first asked for. */
interface Passes {
  generated(): { images: Tensor; w: Tensor };
  reals(): Pass;
  fakes(): Pass;
  between(): Pass;
}

const stateSchema = z.strictObject({ plUpdates: z.number().int().nonnegative() });

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
