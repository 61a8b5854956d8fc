// Adversarial losses on the discriminator's logits. Each returns one value per sample; the caller averages.

import { softplus } from "../torch/ops.js";
import type { Tensor } from "../torch/tensor.js";

/** The two sides of an adversarial loss, on logits [N, 1]. */
export interface AdversarialLoss {
  /** What the generator minimizes, for each fake. */
  generator(fakeLogits: Tensor): Tensor;
  /** What the discriminator minimizes, for each fake. */
  discriminatorFake(fakeLogits: Tensor): Tensor;
  /** What the discriminator minimizes, for each real. */
  discriminatorReal(realLogits: Tensor): Tensor;
}

/**
 * The logistic loss with the non-saturating generator side.
 * Goodfellow et al., "Generative Adversarial Nets" (2014), section 3, with D(x) = sigmoid(logit).
 */
export const logistic: AdversarialLoss = {
  // -log sigmoid(f) = softplus(-f)
  generator: (fakeLogits) => softplus(fakeLogits.neg()),
  // -log(1 - sigmoid(f)) = softplus(f)
  discriminatorFake: (fakeLogits) => softplus(fakeLogits),
  // -log sigmoid(f) = softplus(-f)
  discriminatorReal: (realLogits) => softplus(realLogits.neg()),
};
