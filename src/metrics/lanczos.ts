// The window that makes the ideal low-pass filter finite.
// Duchon, "Lanczos Filtering in One and Two Dimensions" (1979).

import { sinc } from "../torch/numeric.js";
import type { Tensor } from "../torch/tensor.js";

/** Zero crossings of the filter to each side. */
export const lobes = 3;

/** sinc(x / lobes) between -lobes and lobes, 0 beyond. */
export function lanczosWindow(x: Tensor): Tensor {
  const inside = x.abs().neg().add(lobes).sign().clamp(0, 1);
  return sinc(x.div(lobes)).mul(inside);
}
