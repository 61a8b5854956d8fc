// ProGAN's generator as ONNX, as far as it has grown; mirrors src/networks/progan.ts.

import type { ProGanConfig } from "../../networks/progan.js";
import { type Growth, minLevel } from "../../networks/progressive.js";
import type { Value } from "./graph.js";
import { batch, heConv, lrelu, pixelNorm, wOfLayer } from "./layers.js";
import { imageOutput, wsInput, wsOutput, zInput } from "./mapping.js";
import * as ops from "./ops.js";
import type { Part } from "./part.js";
import { toRgb } from "./progressive.js";

/** There is no mapping network: w is z. */
export function proganMapping(root: Part, config: ProGanConfig): void {
  const { g } = root;
  const z = zInput(g, config.zDim);
  wsOutput(g, ops.unsqueeze(g, z, 1));
}

export function proganSynthesis(root: Part, config: ProGanConfig, growth: Growth): void {
  const { g } = root;
  const ws = wsInput(g, { numWs: 1, wDim: config.zDim });
  const activated = (part: Part, x: Value) => pixelNorm(part, lrelu(part, x));
  const convolved = (block: Part, name: string, x: Value, resample?: "up") =>
    block.within(name, (conv) => activated(conv, heConv(conv, x, resample ? { resample } : {})));

  let x = root.within("init_block", (block) => {
    const z = pixelNorm(block, wOfLayer(block, ws, 0));
    const start = block.within("dense", (part) => dense(part, z));
    return convolved(block, "conv", activated(block, start));
  });
  const features = [x];
  for (let level = minLevel + 1; level <= growth.level; level++) {
    x = root.within(`blocks.${level - minLevel - 1}`, (block) =>
      convolved(block, "conv1", convolved(block, "conv0_up", x, "up")),
    );
    features.push(x);
  }
  imageOutput(
    g,
    root.within("to_rgb", (part) => toRgb(part, features, growth)),
  );
}

/** z [N, zDim] to [N, C, 4, 4]; its weight [16 C, zDim] counts pixels before channels. */
function dense(part: Part, z: Value): Value {
  const { g } = part;
  const size = 2 ** minLevel;
  const pixels = size * size;
  const stored = part.tensor("weight");
  const [features, zDim] = stored.shape as [number, number];
  const channels = features / pixels;
  const weight = stored
    .mul(Math.SQRT2 / Math.sqrt(zDim * pixels))
    .reshape([pixels, channels, zDim])
    .permute([1, 0, 2])
    .reshape([features, zDim]); // channels before pixels, as the result has to be
  const bias = part.tensor("bias").reshape([channels, 1]).expand([-1, pixels]).reshape([features]);
  const y = ops.linear(g, z, { weight: part.constant("weight", weight), bias: part.constant("bias", bias) });
  return ops.cast(g, ops.reshape(g, y, [batch, channels, size, size]), g.precision);
}
