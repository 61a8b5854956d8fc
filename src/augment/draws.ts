// Where augmentations take their random numbers from: a generator of their own, so that a run without augmentation draws
// the same latents and noise as one with it, and so that their whole state is how often they have been applied.

import { createRandom, gaussian } from "../system/random.js";

export interface Draws {
  /** Whether what has the probability `p` happens. */
  chance(p: number): boolean;
  /** A sample of U[0, 1). */
  uniform(): number;
  /** A sample of N(0, 1). */
  normal(): number;
}

/** The draws of the `call`-th application under a seed: the same on any machine. */
export function drawsOf(seed: number, call: number): Draws {
  const random = createRandom(seed, call);
  return {
    chance: (p) => random() < p,
    uniform: random,
    normal: () => gaussian(random),
  };
}
