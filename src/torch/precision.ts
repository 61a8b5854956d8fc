// The precision of convolutions.

import { UserError } from "../errors.js";
import { native } from "./native.js";

export const precisions = ["float32", "bfloat16"] as const;

/**
 * What the products inside of convolutions are computed in. bfloat16: operands are rounded to it (8 significant bits) and
 * summed in float32; everything between convolutions, weights included, stays float32. Convolutions from and to images
 * are not touched.
 */
export type Precision = (typeof precisions)[number];

/** Runs `body`, gradients that it takes included, with convolutions of this precision. */
export function withPrecision<T>(precision: Precision, body: () => T): T {
  const before = native.setReducedConvolutions(precision === "bfloat16");
  try {
    return body();
  } finally {
    native.setReducedConvolutions(before);
  }
}

/** @throws UserError where that precision would be slower than float32 */
export function checkPrecision(precision: Precision, device: string): void {
  if (precision === "bfloat16" && device === "cpu" && !native.hasFastBfloat16())
    throw new UserError(
      "--precision bfloat16: this processor has no instructions for it and would be slower; leave the option out",
    );
}
