// Weights of convolutions, in the memory layout that they are read in.

import { randn } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";

/**
 * N(0, 1) as [O, I, kH, kW]. Channels-last like the activations, or else every convolution would begin by copying its
 * weight; `transposed`: in the layout of [I, O, kH, kW], for a transposed convolution.
 */
export function randomConvWeight(
  [o, i, kH, kW]: readonly [number, number, number, number],
  { transposed = false }: { transposed?: boolean } = {},
): Tensor {
  return scope(() => {
    const weight = randn([o, i, kH, kW]);
    if (!transposed) return weight.contiguous("channelsLast");
    return weight.permute([1, 0, 2, 3]).contiguous("channelsLast").permute([1, 0, 2, 3]);
  });
}
