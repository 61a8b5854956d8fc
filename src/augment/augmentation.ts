// What a training does to every picture before the discriminator sees it.

import { z } from "zod";
import { noGrad } from "../torch/autograd.js";
import { cat } from "../torch/ops.js";
import type { State, Stateful } from "../torch/state.js";
import type { Tensor } from "../torch/tensor.js";
import { AdaController, adaStateSchema } from "./ada.js";
import { diffAugment } from "./diffAugment.js";
import { drawsOf } from "./draws.js";
import type { augmentModes, PipelineName } from "./names.js";
import { augmentImages, pipelineStrengths } from "./pipeline.js";

export interface AugmentConfig {
  mode: (typeof augmentModes)[number];
  /** Which augmentations `fixed` and `ada` apply. */
  pipeline: PipelineName;
  /** Probability of each augmentation; of `ada` where it starts. */
  p: number;
  /** What `ada` wants the mean sign of the discriminator's logits of reals to be. */
  target: number;
  /** Thousands of images in which `ada` takes p from 0 to 1 at the most. */
  kimg: number;
}

/** Steps between two adjustments of p. Karras et al. (2020), section 3.1. */
const adjustmentInterval = 4;

const stateSchema = z.strictObject({
  /** How often pictures have been augmented: which random numbers come next. */
  calls: z.number().int().nonnegative(),
  /** Steps and images since p was last adjusted. */
  steps: z.number().int().nonnegative(),
  images: z.number().int().nonnegative(),
  ada: adaStateSchema,
});

export class Augmentation implements Stateful {
  #config: AugmentConfig;
  readonly #seed: number;
  readonly #ada: AdaController;
  #calls = 0;
  #steps = 0;
  #images = 0;
  /** Signs of logits of reals that have not been read from the device yet, [n]. */
  #signs: Tensor[] = [];

  constructor(config: AugmentConfig, seed: number) {
    this.#config = config;
    this.#seed = seed;
    this.#ada = new AdaController(config);
  }

  /** The probability of each augmentation at present. DiffAugment has none: it augments always. */
  get p(): number {
    const { mode, p } = this.#config;
    if (mode === "ada") return this.#ada.p;
    return mode === "fixed" ? p : 0;
  }

  changeConfig(config: AugmentConfig): void {
    if (config.p !== this.#config.p) this.#ada.p = config.p;
    this.#config = config;
  }

  /** `images` [N, C, H, W] as the discriminator gets them, or null where they stay as they are. */
  apply(images: Tensor): Tensor | null {
    const { mode, pipeline } = this.#config;
    const { p } = this;
    if (mode === "none" || (mode !== "diffaug" && p === 0)) return null;
    const draws = drawsOf(this.#seed, this.#calls);
    this.#calls += 1;
    if (mode === "diffaug") return diffAugment(images, draws);
    return augmentImages(images, { strengths: pipelineStrengths(pipeline), p, draws });
  }

  /** What the discriminator said of reals. @param logits [N, 1] */
  observe(logits: Tensor): void {
    if (this.#config.mode === "ada") this.#signs.push(noGrad(() => logits.sign().reshape([-1])).keep());
  }

  /**
   * After each step: adjusts p when it is due.
   * @param images of the step
   * @returns whether p has just been held back at its largest value for the first time
   */
  endStep(images: number): boolean {
    if (this.#config.mode !== "ada") return false;
    this.#steps += 1;
    this.#images += images;
    if (this.#steps < adjustmentInterval) return false;
    this.#read();
    const isHeld = this.#ada.adjust(this.#images);
    this.#steps = 0;
    this.#images = 0;
    return isHeld;
  }

  state(): State {
    this.#read();
    const values = { calls: this.#calls, steps: this.#steps, images: this.#images, ada: this.#ada.state() };
    return { tensors: new Map(), values };
  }

  restore({ values }: State): void {
    const { calls, steps, images, ada } = stateSchema.parse(values);
    this.#calls = calls;
    this.#steps = steps;
    this.#images = images;
    this.#ada.restore(ada);
  }

  dispose(): void {
    for (const signs of this.#signs) signs.dispose();
    this.#signs = [];
  }

  /** Reads what has been observed, which makes a GPU wait. */
  #read(): void {
    if (this.#signs.length === 0) return;
    const signs = noGrad(() => cat(this.#signs, 0));
    const values = signs.toFloat32Array();
    signs.dispose();
    this.dispose();
    const sum = values.reduce((total, sign) => total + sign, 0);
    this.#ada.observe(sum, values.length);
  }
}
