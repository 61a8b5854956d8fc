// The precision of convolutions.

import { UserError } from "../system/errors.js";
import { engine } from "./engine.js";
import type { Tensor } from "./tensor.js";

export const precisions = ["float32", "bfloat16"] as const;

/**
 * What the products inside of convolutions are computed in. bfloat16: operands are rounded to it (8 significant bits) and
 * summed in float32; everything between convolutions, weights included, stays float32. Convolutions from and to images
 * are not touched. (`withPrecision` goes further when told to.)
 */
export type Precision = (typeof precisions)[number];

let halfActivations = false;

/**
 * Runs `body`, gradients that it takes included, with convolutions of this precision. With `halfActivations`, bfloat16 also
 * is what the networks that know of it keep in their largest layers (`activationsFor`).
 */
export function withPrecision<T>(
  precision: Precision,
  body: () => T,
  options: { halfActivations?: boolean } = {},
): T {
  const before = { convolutions: engine.setReducedConvolutions(precision === "bfloat16"), halfActivations };
  halfActivations = precision === "bfloat16" && (options.halfActivations ?? false);
  try {
    return body();
  } finally {
    engine.setReducedConvolutions(before.convolutions);
    halfActivations = before.halfActivations;
  }
}

/**
 * Activations as the layers of a resolution take them: bfloat16 in the four largest resolutions of a network, 4x4 never
 * among them, when that is asked for; float32 in the others. bfloat16 has float32's range: none of float16's safeguards are needed.
 * Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix C: mixed precision.
 */
export function activationsFor(x: Tensor, { resolution, of }: { resolution: number; of: number }): Tensor {
  if (!halfActivations) return x;
  return x.to(resolution >= 8 && resolution * 8 >= of ? "bfloat16" : "float32");
}

/** @throws UserError where that precision would be slower than float32 */
export function checkPrecision(precision: Precision, device: string): void {
  if (precision === "bfloat16" && device === "cpu" && !engine.hasFastBfloat16())
    throw new UserError(
      "this processor has no instructions for bfloat16 and would be slower with it; leave it at float32",
    );
}
