// StyleGAN2 as ONNX; mirrors src/networks/stylegan2.ts, whose comments say where the formulas are from.

import { activationGain } from "../../layers/activation.js";
import { upsample2d } from "../../layers/resample.js";
import type { StyleGan2Config } from "../../networks/stylegan2.js";
import type { Graph, Value } from "./graph.js";
import {
  batch,
  demodulatedConv,
  linear,
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

export function stylegan2Mapping(root: Part, config: StyleGan2Config, numWs: number): void {
  const { g } = root;
  const { zDim, cDim, mappingLayers, mappingLrMultiplier } = config;
  const z = zInput(g, zDim);
  const c = cDim > 0 ? g.input("c", [batch, cDim], "classes, one-hot") : undefined;
  const psi = truncationInput(g, numWs);
  root.within("mapping", (part) => {
    let x = pixelNorm(part, z);
    if (c) {
      const embedded = part.within("embed", (embed) => linear(embed, c, { weightGain: 1 / Math.sqrt(cDim) }));
      x = ops.concat(g, [x, pixelNorm(part, embedded)], 1);
    }
    const gain = mappingLrMultiplier * activationGain.lrelu;
    for (let i = 0; i < mappingLayers; i++) {
      const options = { weightGain: gain / Math.sqrt(x.shape[1] as number), biasGain: gain };
      x = part.within(`fc${i}`, (layer) => lrelu(layer, linear(layer, x, options)));
    }
    wsOutput(g, truncateAndBroadcast(part, { w: x, psi }));
  });
}

export function stylegan2Synthesis(root: Part, config: StyleGan2Config, numWs: number): void {
  const { g } = root;
  const ws = wsInput(g, { numWs, wDim: config.wDim });
  const noise = noiseInput(g);
  root.within("synthesis", (part) => {
    let x: Value | undefined;
    let image: Value | undefined;
    let layer = 0;
    const w = (index: number) => wOfLayer(part, ws, index);
    for (let resolution = 4; resolution <= config.resolution; resolution *= 2) {
      part.within(`b${resolution}`, (block) => {
        if (x) {
          const input = x;
          x = block.within("conv0", (conv) =>
            synthesisLayer(conv, input, { w: w(layer++), noise, up: true, config }),
          );
        }
        const input = x ?? block.constant("const", block.tensor("const").unsqueeze(0), g.precision);
        x = block.within("conv1", (conv) =>
          synthesisLayer(conv, input, { w: w(layer++), noise, up: false, config }),
        );
        // Its w is the one of the next block's first layer.
        const features = x;
        const rgb = block.within("torgb", (torgb) => toRgb(torgb, features, { w: w(layer), config }));
        const filter = block.tensor("resample_filter");
        image = image
          ? ops.add(
              g,
              upsample(block, image, { upsample: (pixels) => upsample2d(pixels, filter), edges: "zero" }),
              rgb,
            )
          : rgb;
      });
    }
    imageOutput(g, image as unknown as Value);
  });
}

interface SynthesisLayerOptions {
  w: Value;
  noise: Value;
  up: boolean;
  config: StyleGan2Config;
}

function affine(part: Part, w: Value, weightGain: number): Value {
  return part.within("affine", (layer) => {
    const gain = weightGain / Math.sqrt(w.shape[1] as number);
    return linear(layer, w, { weightGain: gain, biasGain: weightGain });
  });
}

/** clamp(lrelu(gain · (demodulated convolution + noise + bias))). */
function synthesisLayer(part: Part, x: Value, { w, noise, up, config }: SynthesisLayerOptions): Value {
  const { g } = part;
  const gain = activationGain.lrelu;
  const y = demodulatedConv(part, x, {
    styles: affine(part, w, 1),
    weight: part.tensor("weight"),
    gain,
    ...(up ? { upFilter: part.tensor("resample_filter") } : {}),
  });
  const map = part.tensor("noise_const");
  const strength = part.tensor("noise_strength").mul(gain);
  const bias = part.constant("bias", part.tensor("bias").mul(gain).reshape([1, -1, 1, 1]), g.precision);
  const shift = ops.add(g, storedNoise(part, { noise, map, strength }), bias);
  return clamped(g, lrelu(part, ops.add(g, y, shift)), config);
}

/** Modulated 1x1 convolution to an image, in float32. */
function toRgb(part: Part, x: Value, { w, config }: { w: Value; config: StyleGan2Config }): Value {
  const { g } = part;
  const styles = affine(part, w, 1 / Math.sqrt(x.shape[1] as number));
  const y = ops.cast(g, modulatedConv(part, x, { styles, weight: part.tensor("weight") }), "float32");
  const bias = part.constant("bias", part.tensor("bias").reshape([1, -1, 1, 1]));
  return clamped(g, ops.add(g, y, bias), config);
}

function clamped(g: Graph, x: Value, { convClamp }: StyleGan2Config): Value {
  return convClamp === null ? x : ops.clamp(g, x, convClamp);
}
