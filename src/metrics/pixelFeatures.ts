// Small pictures as features, for looking without any network.

import { noGrad } from "../torch/autograd.js";
import { avgPool2d } from "../torch/ops.js";
import type { Tensor } from "../torch/tensor.js";

/** Larger pictures are averaged down to it: what counts is what is where, not each hair. */
const side = 32;

/**
 * Pictures [N, 3, H, H] in 0 to 255 as rows [N, F]. Their Euclidean distance is the root mean square of the difference of
 * pixels.
 */
export function pixelFeatures(pictures: Tensor): Tensor {
  return noGrad(() => {
    const x = pictures.to("float32");
    const factor = Math.max(1, Math.floor(x.size(3) / side));
    const small = factor === 1 ? x : avgPool2d(x, factor);
    const rows = small.reshape([x.size(0), -1]);
    return rows.div(Math.sqrt(rows.size(1)));
  });
}
