// Adaptive discriminator augmentation: how strongly to augment, by how sure the discriminator is of the reals.
// Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), section 3.1.

import { z } from "zod";

export interface AdaOptions {
  /** What r_t = E[sign(D(real))] should be: more means overfitting. */
  target: number;
  /** Thousands of images in which p goes from 0 to 1 at the most. */
  kimg: number;
  /** p at the start. */
  p: number;
}

/** The largest p: beyond, augmentations leak into what the generator makes (section 2.2; figure 4). */
export const largestP = 0.85;

export const adaStateSchema = z.strictObject({
  p: z.number().min(0).max(1),
  /** Sum of sign(D(real)) over the reals since the last adjustment, and their number. */
  signs: z.number(),
  reals: z.number().int().nonnegative(),
  /** Whether p has been held at `largestP`. */
  reachedLargest: z.boolean(),
});

export type AdaState = z.infer<typeof adaStateSchema>;

export class AdaController {
  readonly #options: AdaOptions;
  #state: AdaState;

  constructor(options: AdaOptions) {
    this.#options = options;
    this.#state = { p: options.p, signs: 0, reals: 0, reachedLargest: false };
  }

  get p(): number {
    return this.#state.p;
  }

  /** Sets p from outside; it is adapted from there on. */
  set p(p: number) {
    this.#state.p = p;
  }

  /** What the discriminator said of a batch of reals: the sum of its logits' signs. */
  observe(signs: number, reals: number): void {
    this.#state.signs += signs;
    this.#state.reals += reals;
  }

  /**
   * p += sign(r_t - target) · images / (1000 kimg), by what has been observed since the last call.
   * @param images shown since the last call
   * @returns whether p has just been held back at its largest value for the first time
   */
  adjust(images: number): boolean {
    const { signs, reals, p, reachedLargest } = this.#state;
    if (reals === 0) return false;
    const { target, kimg } = this.#options;
    const wanted = p + (Math.sign(signs / reals - target) * images) / (kimg * 1000);
    const isOver = wanted > largestP;
    this.#state = {
      p: Math.min(Math.max(wanted, 0), largestP),
      signs: 0,
      reals: 0,
      reachedLargest: reachedLargest || isOver,
    };
    return isOver && !reachedLargest;
  }

  state(): AdaState {
    return { ...this.#state };
  }

  restore(state: AdaState): void {
    this.#state = { ...state };
  }
}
