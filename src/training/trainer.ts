// One training step: the phases that are due, each followed by its optimizer, then the moving average.

import { logistic } from "../losses/adversarial.js";
import type { Discriminator, Generator } from "../networks/network.js";
import { createDiscriminator, createGenerator, type NetworkDescription } from "../networks/registry.js";
import { Adam, type AdamOptions } from "../torch/adam.js";
import { backward, noGrad } from "../torch/autograd.js";
import { FlatParameters, layFlat } from "../torch/flat.js";
import type { Module } from "../torch/module.js";
import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Device, Tensor } from "../torch/tensor.js";
import type { TrainingConfig } from "./config.js";
import { type Latents, Objective, type PhaseResult, type Reals } from "./objective.js";
import { Statistics } from "./statistics.js";

export type PhaseName = "Gmain" | "Greg" | "Dmain" | "Dreg";

/** One network in training: its parameters in one buffer and their optimizer. */
interface Trained {
  module: Module;
  flat: FlatParameters;
  optimizer: Adam;
}

interface Phase {
  name: PhaseName;
  trained: Trained;
  /** The phase runs in every so many-th step, with its loss times as many (lazy regularization). */
  interval: number;
  evaluate(reals: Reals, latents: Latents): PhaseResult;
}

export class Trainer {
  readonly config: TrainingConfig;
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

  /** Fresh networks; seed libtorch's random generator before. */
  constructor(config: TrainingConfig, device: Device = "cpu") {
    this.config = config;
    this.device = device;
    const description = describeNetworks(config);
    this.G = createGenerator(description).to(device);
    this.D = createDiscriminator(description).to(device);
    this.gEma = createGenerator(description).to(device);
    this.gEma.loadStateDict(this.G.stateDict());
    this.gEma.setRequiresGrad(false);

    const { r1, pathLength, optimizer } = config;
    const gReg = pathLength.weight > 0 ? pathLength.interval : null;
    const dReg = r1.gamma > 0 ? r1.interval : null;
    this.#g = prepare(this.G, adamOptions(optimizer.gLr, gReg, config));
    this.#d = prepare(this.D, adamOptions(optimizer.dLr, dReg, config));
    this.gOptimizer = this.#g.optimizer;
    this.dOptimizer = this.#d.optimizer;
    this.#gBuffers = layFlat(this.G.buffers());
    this.#emaParameters = new FlatParameters(this.gEma);
    this.#emaBuffers = layFlat(this.gEma.buffers());

    const objective = new Objective({ G: this.G, D: this.D }, logistic, config);
    this.objective = objective;
    const phases: Phase[] = [
      { name: "Gmain", trained: this.#g, interval: 1, evaluate: (_, z) => objective.generatorMain(z) },
    ];
    if (gReg)
      phases.push({
        name: "Greg",
        trained: this.#g,
        interval: gReg,
        evaluate: (_, z) => objective.generatorReg(z),
      });
    phases.push({
      name: "Dmain",
      trained: this.#d,
      interval: 1,
      evaluate: (reals, z) => objective.discriminatorMain(reals, z),
    });
    if (dReg)
      phases.push({
        name: "Dreg",
        trained: this.#d,
        interval: dReg,
        evaluate: (reals) => objective.discriminatorReg(reals),
      });
    this.phases = phases;
  }

  /**
   * One step on a batch of real pictures.
   * @throws DivergenceError when a loss is not finite; the networks are as they were before that phase
   */
  step(reals: Reals): void {
    for (const phase of this.phases) {
      if (this.batchIndex % phase.interval === 0) this.runPhase(phase, reals);
    }
    this.#updateEma();
    this.curNimg += this.config.batch;
    this.batchIndex += 1;
  }

  /** Evaluates one phase, and steps the optimizer of the network it trains. */
  runPhase(phase: Phase, reals: Reals): void {
    const { trained, name, interval } = phase;
    scope(() => {
      for (const { module } of [this.#g, this.#d]) module.setRequiresGrad(module === trained.module);
      trained.flat.gradients.zero_();
      const { loss, stats } = phase.evaluate(reals, this.#drawLatents(reals));
      this.statistics.add(name, { ...stats, [`Phase/${name}`]: loss });
      // Reading a value makes a GPU wait; there the values are read once per tick.
      if (this.device === "cpu") this.statistics.collect();
      backward(loss.mul(interval), trained.flat.parameters);
      trained.flat.gradients.nanToNum_({ nan: 0, posinf: 1e5, neginf: -1e5 }).clamp_(-1e5, 1e5);
      trained.optimizer.step();
    });
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
  #drawLatents({ c }: Reals): Latents {
    const { batch, network } = this.config;
    return { z: randn([batch, network.zDim], { device: this.device }), c };
  }

  /** θ_ema = β θ_ema + (1 - β) θ, with a half-life in images: β = 0.5^(batch / half-life). */
  #updateEma(): void {
    const { batch, ema } = this.config;
    const ramped = ema.rampup === null ? Number.POSITIVE_INFINITY : this.curNimg * ema.rampup;
    const halfLifeNimg = Math.min(ema.kimg * 1000, ramped);
    const beta = 0.5 ** (batch / Math.max(halfLifeNimg, 1e-8));
    noGrad(() => {
      this.#emaParameters.values.lerp_(this.#g.flat.values, 1 - beta);
      this.#emaBuffers.copy_(this.#gBuffers);
    });
  }
}

/** What a snapshot needs to rebuild the networks of a run. */
export function describeNetworks(config: TrainingConfig): NetworkDescription {
  return { architecture: "stylegan2", config: config.network };
}

/**
 * Adam for a network whose regularization runs every `interval` steps: c = k / (k + 1), lr c, β^c.
 * Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), appendix B.
 */
function adamOptions(lr: number, interval: number | null, { optimizer }: TrainingConfig): AdamOptions {
  const c = interval === null ? 1 : interval / (interval + 1);
  const { beta1, beta2, eps } = optimizer;
  return { lr: lr * c, beta1: beta1 ** c, beta2: beta2 ** c, eps };
}

function prepare(module: Module, options: AdamOptions): Trained {
  const flat = new FlatParameters(module);
  return { module, flat, optimizer: new Adam(flat, options) };
}
