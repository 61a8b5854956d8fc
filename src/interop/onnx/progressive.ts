// The end of a generator that grows, as ONNX; mirrors `ToRgb` of src/networks/progressive.ts.

import type { Growth } from "../../networks/progressive.js";
import type { Value } from "./graph.js";
import * as ops from "./ops.js";
import type { Part } from "./part.js";

/**
 * `features` of the levels from 4x4 on, the newest last, to images of the newest in float32:
 * (1 - α) · up(toRGB(older)) + α · toRGB(newest).
 */
export function toRgb(part: Part, features: readonly Value[], { alpha }: Growth): Value {
  const newest = features.length - 1;
  if (newest === 0 || alpha === 1) return image(part, features, { index: newest, gain: 1 });
  const older = ops.pixelShuffle(
    part.g,
    image(part, features, { index: newest - 1, gain: 1 - alpha, copies: 4 }),
  );
  return ops.add(part.g, older, image(part, features, { index: newest, gain: alpha }));
}

/** gain · toRGB, with each channel `copies` times: four that are shuffled make a square of each pixel. */
function image(
  root: Part,
  features: readonly Value[],
  { index, gain, copies = 1 }: { index: number; gain: number; copies?: number },
): Value {
  return root.within(String(index), (part) => {
    const { g } = root;
    const stored = part.tensor("weight"); // [3, I, 1, 1]
    const [channels, i] = stored.shape as [number, number];
    const weight = stored
      .mul(gain / Math.sqrt(i))
      .reshape([channels, 1, i, 1, 1])
      .expand([-1, copies, -1, -1, -1])
      .reshape([channels * copies, i, 1, 1]);
    const bias = part.tensor("bias").mul(gain).reshape([channels, 1]).expand([-1, copies]);
    const y = ops.conv(g, features[index] as Value, {
      weight: part.constant("weight", weight, g.precision),
      bias: part.constant("bias", bias.reshape([channels * copies]), g.precision),
    });
    return ops.cast(g, y, "float32");
  });
}
