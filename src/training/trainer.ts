// One training step: the phases that are due, each followed by its optimizer, then the moving average.

import { createLoss } from "../losses/adversarial.js";
import type { Discriminator, Generator } from "../networks/network.js";
import { setGrowth } from "../networks/progressive.js";
import { createDiscriminator, createGenerator } from "../networks/registry.js";
import { Adam, type AdamOptions } from "../torch/adam.js";
import { backward, noGrad } from "../torch/autograd.js";
import { FlatParameters, layFlat } from "../torch/flat.js";
import { approachKernel, hasKernels } from "../torch/kernels.js";
import type { Module } from "../torch/module.js";
import { checkPrecision, withPrecision } from "../torch/precision.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Device, Tensor } from "../torch/tensor.js";
import type { TrainingConfig } from "./configSchema.js";
import { combined, type Latents, Objective, type PhaseResult, type Reals } from "./objective.js";
import { type SchedulePoint, scheduleAt } from "./schedule.js";
import { Statistics } from "./statistics.js";

/** G, D: the network that steps; main, reg: its adversarial loss, its regularization; both: the two in one step. */
export type PhaseName = "Gmain" | "Greg" | "Gboth" | "Dmain" | "Dreg" | "Dboth";

/** One network in training: its parameters in one buffer and their optimizer. */
interface Trained {
  module: Module;
  flat: FlatParameters;
  optimizer: Adam;
  /** What a learning rate is multiplied by for lazy regularization. */
  lrFactor: number;
  /** The parameters that are not frozen. */
  trainable: readonly Tensor[];
}

interface Phase {
  name: PhaseName;
  trained: Trained;
  /** The phase runs in every so many-th step, with its loss times as many (lazy regularization). */
  interval: number;
  /** The first step in which it runs. */
  startStep: number;
  evaluate(reals: Reals, latents: Latents): PhaseResult;
}

export class Trainer {
  config: TrainingConfig;
  readonly device: Device;
  readonly G: Generator;
  readonly D: Discriminator;
  /** The moving average of G: what snapshots are judged by. */
  readonly gEma: Generator;
  readonly gOptimizer: Adam;
  readonly dOptimizer: Adam;
  readonly objective: Objective;
  readonly statistics = new Statistics();
  readonly phases: readonly Phase[];
  /** Real images shown so far. */
  curNimg = 0;
  /** Steps taken so far. */
  batchIndex = 0;
  readonly #g: Trained;
  readonly #d: Trained;
  readonly #gBuffers: Tensor;
  readonly #emaParameters: FlatParameters;
  readonly #emaBuffers: Tensor;
  /** The level that the optimizers' moments belong to; undefined before the first step. */
  #level: number | undefined;

  /**
   * Fresh networks; seed libtorch's random generator before.
   * @throws UserError where this machine has no use for the configuration's precision
   */
  constructor(config: TrainingConfig, device: Device = "cpu") {
    checkPrecision(config.precision, device);
    this.config = config;
    this.device = device;
    this.G = createGenerator(config.network).to(device);
    this.D = createDiscriminator(config.network).to(device);
    this.gEma = createGenerator(config.network).to(device);
    this.gEma.loadStateDict(this.G.stateDict());
    this.gEma.setRequiresGrad(false);

    const { penalty, pathLength, optimizer } = config;
    const hasPenalty = penalty.r1Gamma + penalty.r2Gamma + penalty.gpLambda > 0;
    const gRegInterval = pathLength.weight > 0 ? pathLength.interval : null;
    const dRegInterval = hasPenalty ? penalty.interval : null;
    const frozen = this.D.layersFromImage().slice(0, config.transfer?.freezeD ?? 0);
    const frozenParameters = new Set(frozen.flatMap((layer) => layer.parameters()));
    for (const parameter of frozenParameters) parameter.setRequiresGrad(false);
    this.#g = prepare(this.G, { ...optimizer, lr: optimizer.gLr }, { interval: gRegInterval });
    this.#d = prepare(
      this.D,
      { ...optimizer, lr: optimizer.dLr },
      { interval: dRegInterval, frozen: frozenParameters },
    );
    this.gOptimizer = this.#g.optimizer;
    this.dOptimizer = this.#d.optimizer;
    this.#gBuffers = layFlat(this.G.buffers());
    this.#emaParameters = new FlatParameters(this.gEma);
    this.#emaBuffers = layFlat(this.gEma.buffers());

    const objective = new Objective(
      { G: this.G, D: this.D },
      createLoss(config.loss.name, config.loss.options),
      config,
    );
    this.objective = objective;
    this.phases = [
      ...phasesOf("G", this.#g, {
        main: (reals, latents) => objective.generatorMain(reals, latents),
        reg: (_, latents) => objective.generatorReg(latents),
        regInterval: gRegInterval,
        regStart: pathLength.startSteps,
      }),
      ...phasesOf("D", this.#d, {
        main: (reals, latents) => objective.discriminatorMain(reals, latents),
        reg: (reals, latents) => objective.discriminatorReg(reals, latents),
        regInterval: dRegInterval,
        regStart: 0,
      }),
    ];
    this.followSchedule();
  }

  /** Where the run stands in its schedule of growth, or undefined when nothing grows. */
  get schedulePoint(): SchedulePoint | undefined {
    const { growth, network } = this.config;
    return growth ? scheduleAt(growth, this.curNimg, network.config.resolution) : undefined;
  }

  /** Images of the next step. */
  get batch(): number {
    return this.schedulePoint?.batch ?? this.config.batch;
  }

  /** Goes on with other values of what `settings.ts` can change. */
  changeConfig(config: TrainingConfig): void {
    this.config = config;
    this.objective.changeConfig(config);
    this.gOptimizer.lr = config.optimizer.gLr * this.#g.lrFactor;
    this.dOptimizer.lr = config.optimizer.dLr * this.#d.lrFactor;
    this.followSchedule();
  }

  /** After `curNimg` has been set from a saved state: the present resolution is no new one. */
  resumeSchedule(): void {
    this.#level = this.schedulePoint?.growth.level;
    this.followSchedule();
  }

  /**
   * Grows the networks to where the schedule is and sets the learning rate of that resolution. The moments of both
   * optimizers start afresh at each new resolution.
   */
  followSchedule(): void {
    const point = this.schedulePoint;
    if (!point) return;
    for (const network of [this.G, this.D, this.gEma]) setGrowth(network, point.growth);
    this.gOptimizer.lr = point.gLr * this.#g.lrFactor;
    this.dOptimizer.lr = point.dLr * this.#d.lrFactor;
    const { level } = point.growth;
    if (this.#level !== undefined && this.#level !== level) {
      this.gOptimizer.reset();
      this.dOptimizer.reset();
    }
    this.#level = level;
  }

  /**
   * One step on a batch of real pictures.
   * @throws DivergenceError when a loss is not finite; the networks are as they were before that phase
   */
  step(reals: Reals): void {
    const { batchIndex } = this;
    for (const phase of this.phases) {
      if (batchIndex >= phase.startStep && batchIndex % phase.interval === 0) this.runPhase(phase, reals);
    }
    const batch = reals.images.size(0);
    this.updateEma(batch);
    this.curNimg += batch;
    this.batchIndex += 1;
    this.followSchedule();
  }

  /** Evaluates one phase, and steps the optimizer of the network it trains. */
  runPhase(phase: Phase, reals: Reals): void {
    const { trained, name, interval } = phase;
    const train = () =>
      scope(() => {
        const { loss, stats } = this.evaluatePhase(phase, reals);
        this.statistics.add(name, { ...stats, [`Phase/${name}`]: loss });
        // Reading a value makes a GPU wait; there the values are read once per tick.
        if (this.device === "cpu") this.statistics.collect();
        backward(loss.mul(interval), trained.trainable);
        const { maxGradientNorm } = this.config.optimizer;
        const gradientScale = maxGradientNorm === null ? 1 : trained.flat.clipScale(maxGradientNorm);
        trained.optimizer.step({ gradientScale });
      });
    // On a CPU our kernels, which are faster than half of the memory would be, want float32.
    withPrecision(this.config.precision, train, { halfActivations: this.device !== "cpu" });
  }

  /** The loss of a phase as a graph that only the network it trains has gradients in. */
  evaluatePhase(phase: Phase, reals: Reals): PhaseResult {
    for (const { module, trainable } of [this.#g, this.#d])
      for (const parameter of trainable) parameter.setRequiresGrad(module === phase.trained.module);
    return phase.evaluate(reals, this.#drawLatents(reals));
  }

  dispose(): void {
    this.objective.dispose();
    for (const { module, flat, optimizer } of [this.#g, this.#d]) {
      module.dispose();
      flat.dispose();
      optimizer.dispose();
    }
    this.gEma.dispose();
    this.#emaParameters.dispose();
    this.#gBuffers.dispose();
    this.#emaBuffers.dispose();
  }

  /** Latents for one phase, with the classes of the real pictures, so that both sides have the same mix. */
  #drawLatents({ images, c }: Reals): Latents {
    return { z: randn([images.size(0), this.G.zDim], { device: this.device }), c };
  }

  /** θ_ema = β θ_ema + (1 - β) θ, with a half-life in images: β = 0.5^(batch / half-life). */
  updateEma(batch: number): void {
    const { ema } = this.config;
    const ramped = ema.rampup === null ? Number.POSITIVE_INFINITY : this.curNimg * ema.rampup;
    const halfLifeNimg = Math.min(ema.kimg * 1000, ramped);
    const beta = 0.5 ** (batch / Math.max(halfLifeNimg, 1e-8));
    noGrad(() => {
      const ours = this.#emaParameters.values;
      if (hasKernels(ours)) approachKernel(ours, this.#g.flat.values, 1 - beta);
      else ours.lerp_(this.#g.flat.values, 1 - beta);
      this.#emaBuffers.copy_(this.#gBuffers);
    });
  }
}

interface PhaseParts {
  main: Phase["evaluate"];
  reg: Phase["evaluate"];
  /** null: no regularization. 1: in the same step as the main loss. */
  regInterval: number | null;
  regStart: number;
}

function phasesOf(network: "G" | "D", trained: Trained, parts: PhaseParts): Phase[] {
  const { main, reg, regInterval, regStart } = parts;
  const phase = { trained, interval: 1, startStep: 0 };
  if (regInterval === null) return [{ ...phase, name: `${network}main`, evaluate: main }];
  if (regInterval === 1 && regStart === 0) {
    const both: Phase["evaluate"] = (reals, latents) => combined(main(reals, latents), reg(reals, latents));
    return [{ ...phase, name: `${network}both`, evaluate: both }];
  }
  return [
    { ...phase, name: `${network}main`, evaluate: main },
    { ...phase, name: `${network}reg`, interval: regInterval, startStep: regStart, evaluate: reg },
  ];
}

/**
 * Adam for a network whose regularization runs every k = `interval` steps: c = k / (k + 1), lr c, β^c. Regularization
 * in every step is part of the one loss and changes nothing. Frozen parameters have no gradient and therefore no
 * moments: Adam's steps leave them bit for bit.
 * Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), appendix B.
 */
function prepare(
  module: Module,
  options: AdamOptions,
  { interval, frozen }: { interval: number | null; frozen?: ReadonlySet<Tensor> },
): Trained {
  const c = interval === null || interval === 1 ? 1 : interval / (interval + 1);
  const { lr, beta1, beta2, eps } = options;
  const flat = new FlatParameters(module);
  const optimizer = new Adam(flat, { lr: lr * c, beta1: beta1 ** c, beta2: beta2 ** c, eps });
  const trainable = flat.parameters.filter((parameter) => !frozen?.has(parameter));
  return { module, flat, optimizer, lrFactor: c, trainable };
}
