// One training step: the phases that are due, each followed by its optimizer, then the moving average.

import { z } from "zod";
import { largestP } from "../augment/ada.js";
import { Augmentation } from "../augment/augmentation.js";
import { createLoss } from "../losses/adversarial.js";
import type { Discriminator, Generator } from "../networks/network.js";
import { setGrowth } from "../networks/progressive.js";
import { createDiscriminator, createGenerator } from "../networks/registry.js";
import { UserError } from "../system/errors.js";
import { Adam, type AdamOptions } from "../torch/adam.js";
import { backward, noGrad } from "../torch/autograd.js";
import { FlatParameters, layFlat } from "../torch/flat.js";
import { approachKernel, hasKernels } from "../torch/kernels.js";
import type { Module } from "../torch/module.js";
import { checkPrecision, withPrecision } from "../torch/precision.js";
import { randomGenerators } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { State, Stateful } from "../torch/state.js";
import type { Device, Tensor } from "../torch/tensor.js";
import type { Reals } from "./batch.js";
import type { TrainingConfig } from "./configSchema.js";
import { Objective, type Observations } from "./objective.js";
import { isDue, lazyInterval, type Phase, phasesOf } from "./phases.js";
import { type SchedulePoint, schedulePointAt } from "./schedule.js";
import { Statistics } from "./statistics.js";

/** One network in training: its parameters in one buffer and their optimizer. */
interface Trained {
  flat: FlatParameters;
  optimizer: Adam;
  /** What a learning rate is multiplied by for lazy regularization. */
  lrFactor: number;
  /** The parameters that are not frozen. */
  trainable: readonly Tensor[];
}

export interface TrainerOptions {
  /** Default `cpu`. */
  device?: Device;
  /** The classes of the training set's pictures, for networks with classes: fakes are as often of each. */
  labels?: ArrayLike<number>;
}

export class Trainer implements Stateful {
  config: TrainingConfig;
  readonly device: Device;
  readonly G: Generator;
  readonly D: Discriminator;
  /** The moving average of G: what snapshots are judged by. */
  readonly gEma: Generator;
  readonly gOptimizer: Adam;
  readonly dOptimizer: Adam;
  /** What is done to every picture before D sees it. */
  readonly augmentation: Augmentation;
  readonly objective: Objective;
  readonly statistics = new Statistics();
  readonly phases: readonly Phase[];
  /** Real images shown so far. */
  curNimg = 0;
  /** Steps taken so far. */
  batchIndex = 0;
  /** What the person who trains should know, and has not been told. */
  #notices: string[] = [];
  readonly #trained: Readonly<Record<Phase["network"], Trained>>;
  readonly #gBuffers: Tensor;
  readonly #emaParameters: FlatParameters;
  readonly #emaBuffers: Tensor;
  /** Images shown when the schedule was looked at, and what it said. */
  #scheduleNimg = 0;
  #point: SchedulePoint;

  /**
   * Fresh networks; seed libtorch's random generator before.
   * @throws UserError where this machine has no use for the configuration's precision, or a pass has no room for the
   *   discriminator's groups
   */
  constructor(config: TrainingConfig, { device = "cpu", labels }: TrainerOptions = {}) {
    checkPrecision(config.precision, device);
    this.config = config;
    this.device = device;
    this.G = createGenerator(config.network).to(device);
    this.D = createDiscriminator(config.network).to(device);
    this.gEma = createGenerator(config.network).to(device);
    this.gEma.loadStateDict(this.G.stateDict());
    this.gEma.setRequiresGrad(false);

    checkPasses(config, this.D.groupSize);
    this.phases = phasesOf(config);
    const { gLr, dLr, ...adam } = config.optimizer;
    const frozen = this.D.layersFromImage().slice(0, config.transfer?.freezeD ?? 0);
    this.#trained = {
      G: prepare(this.G, { ...adam, lr: gLr, interval: lazyInterval(this.phases, "G") }),
      D: prepare(this.D, { ...adam, lr: dLr, interval: lazyInterval(this.phases, "D"), frozen }),
    };
    this.gOptimizer = this.#trained.G.optimizer;
    this.dOptimizer = this.#trained.D.optimizer;
    this.#gBuffers = layFlat(this.G.buffers());
    this.#emaParameters = new FlatParameters(this.gEma);
    this.#emaBuffers = layFlat(this.gEma.buffers());
    const loss = createLoss(config.loss.name, config.loss.options);
    this.augmentation = new Augmentation(config.augment, config.seed);
    const { augmentation } = this;
    this.objective = new Objective({ G: this.G, D: this.D, loss, config, augmentation, labels });
    this.#point = this.#goTo(0);
  }

  // ---- a step ----

  /**
   * One step on a batch of real pictures. With `dRepeats`, the generator has its turn in every so many-th step only.
   * @throws DivergenceError when a loss is not finite. On a CPU the networks are then as they were before that phase; on a
   *   GPU losses are read once per tick, and the steps until then have been taken.
   */
  step(reals: Reals): void {
    for (const phase of this.phases) if (isDue(phase, this.batchIndex)) this.runPhase(phase, reals);
    const batch = reals.images.size(0);
    this.updateEma(batch);
    this.#adjustAugmentation(batch);
    this.curNimg += batch;
    this.batchIndex += 1;
    const { minibatchRepeats, dRepeats } = this.config;
    if (this.batchIndex % (minibatchRepeats * dRepeats) === 0) this.#followSchedule();
  }

  /** Gradients of one phase on the batch, and a step of the optimizer of the network it trains. */
  runPhase(phase: Phase, reals: Reals): void {
    const { flat, optimizer } = this.#trained[phase.network];
    const train = () =>
      scope(() => {
        const observed = this.#addGradients(phase, reals);
        const { maxGradientNorm } = this.config.optimizer;
        const gradientScale = maxGradientNorm === null ? 1 : flat.clipScale(maxGradientNorm);
        optimizer.step({ gradientScale });
        this.objective.observe(observed);
      });
    // On a CPU our kernels, which are faster than half of the memory would be, want float32.
    withPrecision(this.config.precision, train, { halfActivations: this.device !== "cpu" });
  }

  /** From now on gradients are recorded for the parameters of this network alone. */
  trainOnly(network: Phase["network"]): void {
    for (const [name, { trainable }] of Object.entries(this.#trained))
      for (const parameter of trainable) parameter.setRequiresGrad(name === network);
  }

  /** Adds up the gradients of a phase's terms over the parts of the batch, and says what the running means have to know. */
  #addGradients(phase: Phase, reals: Reals): Observations[] {
    const { flat, trainable } = this.#trained[phase.network];
    const observed: Observations[] = [];
    const losses: Tensor[] = [];
    this.trainOnly(phase.network);
    try {
      for (const term of phase.terms) {
        const batch = this.objective.draw(term, reals);
        for (const { part, share } of this.objective.parts(term, batch, this.#point.batchGpu)) {
          const evaluated = scope(() => {
            const { loss, stats, observed } = this.objective.evaluate(term, part);
            this.statistics.add(phase.name, stats);
            backward(loss.mul(phase.interval * share), trainable);
            return { loss: loss.detach().mul(share), observed };
          });
          losses.push(evaluated.loss);
          observed.push(evaluated.observed);
        }
      }
      const loss = losses.reduce((sum, part) => sum.add(part));
      this.statistics.add(phase.name, { [`Phase/${phase.name}`]: loss });
      // Reading a value makes a GPU wait; there the values are read once per tick.
      if (this.device === "cpu") this.statistics.collect();
      return observed;
    } catch (error) {
      flat.dropGradients();
      throw error;
    }
  }

  #adjustAugmentation(batch: number): void {
    if (this.augmentation.endStep(batch))
      this.#notices.push(
        `augmentation has reached its largest probability, ${largestP}: there are too few pictures, or they are too much alike, for a run of this length. Add more pictures, or end the run while its pictures are good`,
      );
    if (this.config.augment.mode === "ada")
      this.statistics.addNumber("Progress/augment", this.augmentation.p);
  }

  /** θ_ema = β θ_ema + (1 - β) θ, with a half-life in images: β = 0.5^(batch / half-life). */
  updateEma(batch: number): void {
    const { ema } = this.config;
    const ramped = ema.rampup === null ? Number.POSITIVE_INFINITY : this.curNimg * ema.rampup;
    const halfLifeNimg = Math.min(ema.kimg * 1000, ramped);
    const beta = 0.5 ** (batch / Math.max(halfLifeNimg, 1e-8));
    noGrad(() => {
      const ours = this.#emaParameters.values;
      const theirs = this.#trained.G.flat.values;
      if (hasKernels(ours)) approachKernel(ours, theirs, 1 - beta);
      else ours.lerp_(theirs, 1 - beta);
      this.#emaBuffers.copy_(this.#gBuffers);
    });
  }

  /** What has come up since the last call that the person who trains should know. */
  takeNotices(): string[] {
    const notices = this.#notices;
    this.#notices = [];
    return notices;
  }

  // ---- the schedule ----

  /** What the next step does, as the schedule said when it was last looked at. */
  get schedulePoint(): SchedulePoint {
    return this.#point;
  }

  /** Images of the next step. */
  get batch(): number {
    return this.#point.batch;
  }

  /** Begins, or goes on, after so many images: the size that the networks have there is no new one. */
  startAt(curNimg: number): void {
    this.curNimg = curNimg;
    this.#goTo(curNimg);
  }

  /** Goes on with other values of what can be changed while a run trains. */
  changeConfig(config: TrainingConfig): void {
    this.config = config;
    this.objective.changeConfig(config);
    this.augmentation.changeConfig(config.augment);
    this.#goTo(this.#scheduleNimg);
  }

  /**
   * Looks at the schedule again. The moments of both optimizers start afresh at each new resolution, and when its block is
   * fully in: before and after, the gradients are those of other networks.
   */
  #followSchedule(): void {
    const before = this.#point.growth;
    const { growth } = this.#goTo(this.curNimg);
    if (!before || !growth) return;
    const isFullyIn = before.alpha < 1 && growth.alpha === 1;
    if (growth.level === before.level && !isFullyIn) return;
    for (const { optimizer } of Object.values(this.#trained)) optimizer.reset();
  }

  /** Sizes and learning rates of that point of the schedule. */
  #goTo(nimg: number): SchedulePoint {
    const point = schedulePointAt(this.config, nimg);
    const { G, D } = this.#trained;
    G.optimizer.lr = point.gLr * G.lrFactor;
    D.optimizer.lr = point.dLr * D.lrFactor;
    if (point.growth) for (const network of [this.G, this.D, this.gEma]) setGrowth(network, point.growth);
    this.#scheduleNimg = nimg;
    this.#point = point;
    return point;
  }

  // ---- state ----

  /** Everything that a resumed training needs as it was, by the names that a saved state has for it. */
  get stateful(): Readonly<Record<string, Stateful>> {
    const { G, D, gEma, gOptimizer, dOptimizer, objective, statistics } = this;
    return {
      ...{ G: weightsOf(G), D: weightsOf(D), G_ema: weightsOf(gEma) },
      ...{ "adam.G": gOptimizer, "adam.D": dOptimizer },
      ...(this.config.augment.mode === "none" ? {} : { augmentation: this.augmentation }),
      ...{ objective, statistics, trainer: this, random: randomGenerators(this.device) },
    };
  }

  state(): State {
    const { curNimg, batchIndex } = this;
    return { tensors: new Map(), values: { curNimg, batchIndex, scheduleNimg: this.#scheduleNimg } };
  }

  restore({ values }: State): void {
    const { curNimg, batchIndex, scheduleNimg } = stateSchema.parse(values);
    this.curNimg = curNimg;
    this.batchIndex = batchIndex;
    this.#goTo(scheduleNimg);
  }

  dispose(): void {
    for (const network of [this.G, this.D, this.gEma]) network.dispose();
    for (const { flat, optimizer } of Object.values(this.#trained)) {
      flat.dispose();
      optimizer.dispose();
    }
    this.objective.dispose();
    this.augmentation.dispose();
    this.#emaParameters.dispose();
    this.#gBuffers.dispose();
    this.#emaBuffers.dispose();
  }
}

/** @throws UserError when a pass has no room for a group of samples that the discriminator takes together */
function checkPasses({ batchGpu, growth }: TrainingConfig, groupSize: number): void {
  const byResolution = growth?.batchGpu;
  const limits = byResolution ? [byResolution.base, ...Object.values(byResolution.at)] : [batchGpu];
  for (const limit of limits)
    if (limit !== null && limit < groupSize)
      throw new UserError(
        `batchGpu ${limit}: the discriminator takes pictures together in groups of ${groupSize}; give at least ${groupSize}`,
      );
}

const count = z.number().int().nonnegative();
const stateSchema = z.strictObject({ curNimg: count, batchIndex: count, scheduleNimg: count });

function weightsOf(network: Module): Stateful {
  return {
    state: () => ({ tensors: network.stateDict(), values: {} }),
    restore: ({ tensors }) => network.loadStateDict(tensors),
  };
}

/**
 * Adam for a network whose regularization runs every k = `interval` steps: c = k / (k + 1), lr c, β^c. Regularization
 * in every step is part of the one loss and changes nothing. Frozen parameters have no gradient and therefore no
 * moments: Adam's steps leave them bit for bit.
 * Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), appendix B.
 */
function prepare(
  module: Module,
  {
    lr,
    beta1,
    beta2,
    eps,
    interval,
    frozen = [],
  }: AdamOptions & { interval: number; frozen?: readonly Module[] },
): Trained {
  const c = interval === 1 ? 1 : interval / (interval + 1);
  const flat = new FlatParameters(module);
  const optimizer = new Adam(flat, { lr: lr * c, beta1: beta1 ** c, beta2: beta2 ** c, eps });
  const fixed = new Set(frozen.flatMap((layer) => layer.parameters()));
  for (const parameter of fixed) parameter.setRequiresGrad(false);
  const trainable = flat.parameters.filter((parameter) => !fixed.has(parameter));
  return { flat, optimizer, lrFactor: c, trainable };
}
