// The minimal StyleGAN2 as ONNX; mirrors src/networks/stylegan2Minimal.ts.

import { upsampleAndSmooth } from "../../layers/smooth.js";
import type { StyleGan2MinimalConfig } from "../../networks/stylegan2Minimal.js";
import type { Value } from "./graph.js";
import {
  demodulatedConv,
  lrelu,
  modulatedConv,
  pixelNorm,
  storedNoise,
  upsample,
  wOfLayer,
} from "./layers.js";
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

/** `weight.weight` and `bias` of the part: x · (weight · lrMultiplier / √I)ᵀ + bias · lrMultiplier. */
function equalizedLinear(part: Part, x: Value, lrMultiplier = 1): Value {
  const weightGain = lrMultiplier / Math.sqrt(x.shape[1] as number);
  return ops.linear(part.g, x, {
    weight: part.constant("weight", part.tensor("weight.weight").mul(weightGain)),
    bias: part.constant("bias", part.tensor("bias").mul(lrMultiplier)),
  });
}

/** z / max(|z|, ε) */
function toLength1({ g }: Part, z: Value): Value {
  const squares = ops.reduce(g, "ReduceSum", { x: ops.mul(g, z, z), axes: [1] });
  return ops.div(g, z, ops.max(g, ops.sqrt(g, squares), g.scalar(1e-12)));
}

export function minimalMapping(root: Part, config: StyleGan2MinimalConfig, numWs: number): void {
  const { g } = root;
  const { latentDim, mappingLayers, mappingLrMultiplier, zNorm } = config;
  const z = zInput(g, latentDim);
  const psi = truncationInput(g, numWs);
  root.within("mapping", (part) => {
    let x = zNorm === "rms" ? pixelNorm(part, z) : toLength1(part, z);
    for (let i = 0; i < mappingLayers; i++)
      x = part.within(`net.${2 * i}`, (layer) =>
        lrelu(layer, equalizedLinear(layer, x, mappingLrMultiplier)),
      );
    wsOutput(g, truncateAndBroadcast(part, { w: x, psi }));
  });
}

export function minimalSynthesis(root: Part, config: StyleGan2MinimalConfig, numWs: number): void {
  const { g } = root;
  const ws = wsInput(g, { numWs, wDim: config.latentDim });
  const noise = noiseInput(g);
  root.within("generator", (part) => {
    const filter = part.tensor("up_sample.smooth.kernel").reshape([3, 3]);
    const up = (block: Part, name: string, x: Value) =>
      block.within(name, (inner) =>
        upsample(inner, x, { upsample: (pixels) => upsampleAndSmooth(pixels, filter), edges: "replicate" }),
      );
    const constant = part.constant("initial_constant", part.tensor("initial_constant"), g.precision);
    const first = wOfLayer(part, ws, 0);
    let x = part.within("style_block", (layer) => styleBlock(layer, constant, { w: first, noise }));
    let image = part.within("to_rgb", (layer) => toRgb(layer, x, first));
    for (let i = 1; i < numWs; i++) {
      const w = wOfLayer(part, ws, i);
      part.within(`blocks.${i - 1}`, (block) => {
        x = up(block, "up_sample", x);
        for (const name of ["style_block1", "style_block2"])
          x = block.within(name, (layer) => styleBlock(layer, x, { w, noise }));
        const rgb = block.within("to_rgb", (layer) => toRgb(layer, x, w));
        image = ops.add(g, up(block, "up_sample_image", image), rgb);
      });
    }
    // From the source's range, about [0, 1].
    imageOutput(g, ops.sub(g, ops.mul(g, image, g.scalar(2)), g.scalar(1)));
  });
}

function toStyle(part: Part, w: Value): Value {
  return part.within("to_style", (layer) => equalizedLinear(layer, w));
}

/** `conv.weight.weight` of the part, scaled. */
function convWeight(part: Part) {
  const stored = part.tensor("conv.weight.weight");
  const [, i, k] = stored.shape as [number, number, number];
  return stored.mul(1 / Math.sqrt(i * k * k));
}

function styleBlock(part: Part, x: Value, { w, noise }: { w: Value; noise: Value }): Value {
  const { g } = part;
  const y = demodulatedConv(part, x, { styles: toStyle(part, w), weight: convWeight(part) });
  const map = part.tensor("noise_const");
  const strength = part.tensor("scale_noise");
  const bias = part.constant("bias", part.tensor("bias").reshape([1, -1, 1, 1]), g.precision);
  const shift = ops.add(g, storedNoise(part, { noise, map, strength }), bias);
  return lrelu(part, ops.add(g, y, shift));
}

/** Modulated 1x1 convolution to an image, with leaky ReLU, in float32. */
function toRgb(part: Part, x: Value, w: Value): Value {
  const { g } = part;
  const y = modulatedConv(part, x, { styles: toStyle(part, w), weight: convWeight(part) });
  const bias = part.constant("bias", part.tensor("bias").reshape([1, -1, 1, 1]));
  return lrelu(part, ops.add(g, ops.cast(g, y, "float32"), bias));
}
