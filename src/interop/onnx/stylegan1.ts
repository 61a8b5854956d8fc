// StyleGAN as ONNX, as far as it has grown; mirrors src/networks/stylegan1.ts.

import { type Growth, minLevel } from "../../networks/progressive.js";
import type { StyleGan1Config } from "../../networks/stylegan1.js";
import type { Value } from "./graph.js";
import { adaptiveInstanceNorm, heConv, linear, lrelu, pixelNorm, storedNoise, wOfLayer } from "./layers.js";
import {
  imageOutput,
  noiseInput,
  truncateAndBroadcast,
  truncationInput,
  wsInput,
  wsOutput,
  zInput,
} from "./mapping.js";
import * as ops from "./ops.js";
import type { Part } from "./part.js";
import { toRgb } from "./progressive.js";

export function stylegan1Mapping(root: Part, config: StyleGan1Config, numWs: number): void {
  const { g } = root;
  const { zDim, mappingLayers, mappingLrMultiplier } = config;
  const z = zInput(g, zDim);
  const psi = truncationInput(g, numWs);
  root.within("mapping", (part) => {
    let x = pixelNorm(part, z);
    for (let i = 0; i < mappingLayers; i++) {
      const weightGain = (Math.SQRT2 * mappingLrMultiplier) / Math.sqrt(x.shape[1] as number);
      const options = { weightGain, biasGain: mappingLrMultiplier };
      x = part.within(`map.dense${i}`, (layer) => lrelu(layer, linear(layer, x, options)));
    }
    wsOutput(g, truncateAndBroadcast(part, { w: x, psi }));
  });
}

export interface GrownOptions {
  numWs: number;
  growth: Growth;
}

export function stylegan1Synthesis(
  root: Part,
  config: StyleGan1Config,
  { numWs, growth }: GrownOptions,
): void {
  const { g } = root;
  const ws = wsInput(g, { numWs, wDim: config.wDim });
  const noise = noiseInput(g);
  root.within("synthesis", (part) => {
    let layer = 0;
    const styled = (block: Part, name: string, x: Value) =>
      block.within(name, (inner) => epilogue(inner, x, { w: wOfLayer(part, ws, layer++), noise }));
    const convolved = (block: Part, name: string, x: Value, resample?: "up-smooth") =>
      block.within(name, (inner) => heConv(inner, x, resample ? { resample } : {}));

    let x = part.within("init_block", (block) => {
      const start = block.tensor("const").add(block.tensor("bias").reshape([1, -1, 1, 1]));
      const first = styled(block, "epi1", block.constant("const", start, g.precision));
      return styled(block, "epi2", convolved(block, "conv", first));
    });
    const features = [x];
    for (let level = minLevel + 1; level <= growth.level; level++) {
      x = part.within(`blocks.${level - minLevel - 1}`, (block) => {
        const first = styled(block, "epi1", convolved(block, "conv0_up", x, "up-smooth"));
        return styled(block, "epi2", convolved(block, "conv1", first));
      });
      features.push(x);
    }
    imageOutput(
      g,
      part.within("to_rgb", (end) => toRgb(end, features, growth)),
    );
  });
}

/** Noise, leaky ReLU and AdaIN. */
function epilogue(part: Part, x: Value, { w, noise }: { w: Value; noise: Value }): Value {
  const { g } = part;
  const map = part.tensor("top_epi.noise.const");
  const strength = part.tensor("top_epi.noise.weight");
  const noisy = ops.add(g, x, storedNoise(part, { noise, map, strength }));
  const style = (name: string) => part.tensor(`style_mod.lin.${name}`);
  const weight = style("weight").mul(1 / Math.sqrt(w.shape[1] as number));
  return adaptiveInstanceNorm(part, lrelu(part, noisy), { w, weight, bias: style("bias") });
}
