// What a step of training consists of.

import { penaltiesIn } from "../losses/penalties.js";
import type { TrainingConfig } from "./configSchema.js";

/** What one forward pass is minimized for; `objective.ts` has a method of each name. */
export type Term =
  /** Fakes that D takes for real. */
  | "generatorLoss"
  /** Path length regularization of G. */
  | "pathLength"
  /** Telling fakes from reals. */
  | "discriminatorLoss"
  /** The gradient penalties of D. */
  | "penalties"
  | "discriminatorLossWithPenalties";

/** G, D: the network that steps; main, reg: its adversarial loss, its regularization; both: the two in one step. */
export type PhaseName = "Gmain" | "Greg" | "Gboth" | "Dmain" | "Dreg" | "Dboth";

/** Some terms whose gradients are added up, and one step of the optimizer of the network that they train. */
export interface Phase {
  name: PhaseName;
  network: "G" | "D";
  terms: readonly Term[];
  /** The network has its turn in every so many-th step of the trainer. */
  every: number;
  /** The phase runs in every so many-th turn, with its loss times as many (lazy regularization). */
  interval: number;
  /** The first turn in which it runs. */
  startStep: number;
}

/**
 * The phases of a step in their order. Regularization in every step is part of the one loss; every k steps it is a phase of
 * its own. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), section 3.1.
 */
export function phasesOf({ pathLength, penalty, dRepeats }: TrainingConfig): Phase[] {
  const G = { network: "G", every: dRepeats, interval: 1, startStep: 0 } as const;
  const D = { network: "D", every: 1, interval: 1, startStep: 0 } as const;
  const { weight, interval, startSteps: startStep } = pathLength;
  const phases: Phase[] = [];
  if (weight > 0 && interval === 1 && startStep === 0) {
    phases.push({ ...G, name: "Gboth", terms: ["generatorLoss", "pathLength"] });
  } else {
    phases.push({ ...G, name: "Gmain", terms: ["generatorLoss"] });
    if (weight > 0) phases.push({ ...G, name: "Greg", terms: ["pathLength"], interval, startStep });
  }
  const penalized = penaltiesIn(penalty).length > 0;
  if (penalized && penalty.interval === 1) {
    phases.push({ ...D, name: "Dboth", terms: ["discriminatorLossWithPenalties"] });
  } else {
    phases.push({ ...D, name: "Dmain", terms: ["discriminatorLoss"] });
    if (penalized) phases.push({ ...D, name: "Dreg", terms: ["penalties"], interval: penalty.interval });
  }
  return phases;
}

/** Whether the phase runs in the trainer's step of that number, counted from 0. */
export function isDue({ every, interval, startStep }: Phase, step: number): boolean {
  const turn = step / every;
  return Number.isInteger(turn) && turn >= startStep && turn % interval === 0;
}

/** k of lazy regularization: every how many steps the network is regularized in a phase of its own; 1 without one. */
export function lazyInterval(phases: readonly Phase[], network: Phase["network"]): number {
  return Math.max(...phases.filter((phase) => phase.network === network).map(({ interval }) => interval));
}
