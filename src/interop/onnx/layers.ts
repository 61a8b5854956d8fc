// What several networks of the family have, as ONNX. Each function computes what its namesake in src/layers does,
// with weights that are constants: scales that depend on weights alone are already in them.
//
// Numbers of one sample (styles, demodulation) are float32 always; activations and the weights of convolutions have
// the graph's precision.

import { leakySlope } from "../../layers/activation.js";
import { conv2d, oneHot, ones } from "../../torch/ops.js";
import { type Tensor, tensor } from "../../torch/tensor.js";
import type { Value } from "./graph.js";
import * as ops from "./ops.js";
import type { Part } from "./part.js";

const eps = 1e-8;

/** Sizes that the caller chooses. */
export const batch = "batch";

export interface LinearOptions {
  weightGain: number;
  biasGain?: number;
}

/** `weight` and `bias` of the part: x [N, I] · (weight · weightGain)ᵀ + bias · biasGain. */
export function linear(part: Part, x: Value, { weightGain, biasGain = 1 }: LinearOptions): Value {
  return ops.linear(part.g, x, {
    weight: part.constant("weight", part.tensor("weight").mul(weightGain)),
    bias: part.constant("bias", part.tensor("bias").mul(biasGain)),
  });
}

export function lrelu(part: Part, x: Value): Value {
  return ops.leakyRelu(part.g, x, leakySlope);
}

/** x / √(mean(x²) + ε) over dimension 1, in float32. */
export function pixelNorm(part: Part, x: Value): Value {
  const { g } = part;
  const full = ops.cast(g, x, "float32");
  const meanSquare = ops.reduce(g, "ReduceMean", { x: ops.mul(g, full, full), axes: [1] });
  return ops.cast(g, ops.div(g, full, ops.sqrt(g, ops.add(g, meanSquare, g.scalar(eps)))), floatType(x));
}

function floatType(x: Value): "float32" | "float16" {
  return x.type === "float16" ? "float16" : "float32";
}

/** [N, C] to [N, C, 1, 1]. */
export function perChannel(part: Part, x: Value): Value {
  return ops.unsqueeze(part.g, x, 2, 3);
}

/** One of the w vectors: ws [N, L, wDim] to [N, wDim]. */
export function wOfLayer(part: Part, ws: Value, index: number): Value {
  return ops.select(part.g, ws, { axis: 1, index });
}

export interface ModulatedOptions {
  /** Scale of each input channel [N, I], float32. */
  styles: Value;
  /** [O, I, k, k]. */
  weight: Tensor;
  /** Double the resolution, smoothed with this filter [4, 4]. */
  upFilter?: Tensor;
}

/**
 * Modulated and demodulated convolution: x [N, I, H, W] to gain · demodulation · conv(x), in the graph's precision.
 *
 * As in src/layers/modulatedConv.ts, the styles scale the input and the demodulation scales the output of one
 * convolution whose weight is a constant.
 */
export function demodulatedConv(
  part: Part,
  x: Value,
  { gain = 1, ...options }: ModulatedOptions & { gain?: number },
): Value {
  const { g } = part;
  const { styles, weight } = options;
  const energy = part.constant("weight_energy", weight.square().sum([2, 3])); // [O, I]
  const bias = part.constant("demodulation_eps", ones([weight.size(0)]).mul(eps));
  const sum = ops.linear(g, ops.mul(g, styles, styles), { weight: energy, bias });
  const deviation = ops.sqrt(g, sum); // [N, O]
  if (g.precision === "float32") {
    const y = modulatedConv(part, x, options);
    return ops.mul(g, y, perChannel(part, ops.div(g, g.scalar(gain), deviation)));
  }
  // Half precision ends at 65504, so that styles are brought to at most 1 and the sums of weights as well; the
  // demodulation, in float32, takes both scales away again.
  const [, i, k] = weight.shape as [number, number, number];
  const weightScale = largestMagnitude(weight) * Math.sqrt(i * k * k);
  const styleScale = ops.add(
    g,
    ops.reduce(g, "ReduceMax", { x: ops.abs(g, styles), axes: [1] }),
    g.scalar(eps),
  );
  const y = modulatedConv(part, x, {
    ...options,
    styles: ops.div(g, styles, styleScale),
    weight: weight.mul(1 / weightScale),
  });
  const scale = ops.div(g, ops.mul(g, styleScale, g.scalar(gain * weightScale)), deviation);
  return ops.mul(g, y, perChannel(part, ops.cast(g, scale, g.precision)));
}

function largestMagnitude(weight: Tensor): number {
  return weight.toFloat32Array().reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}

/** Modulated, not demodulated convolution: [N, I, H, W] to [N, O, H, W], or twice that size with `upFilter`. */
export function modulatedConv(part: Part, x: Value, { styles, weight, upFilter }: ModulatedOptions): Value {
  const { g } = part;
  const { precision } = g;
  const modulated = ops.mul(g, x, perChannel(part, ops.cast(g, styles, precision)));
  if (!upFilter) {
    const padding = (weight.size(2) - 1) / 2;
    return ops.conv(g, modulated, { weight: part.constant("weight", weight, precision), padding });
  }
  const transposed = part.constant("weight", weight.permute([1, 0, 2, 3]), precision); // [I, O, 3, 3]
  const up = ops.convTranspose(g, modulated, { weight: transposed, stride: 2 }); // [N, O, 2H + 1, 2W + 1]
  return blur(part, up, { filter: upFilter.mul(4), padding: 1 });
}

/** Every channel filtered with `filter` [K, K], plus its bias [C]. */
export function blur(
  part: Part,
  x: Value,
  { filter, padding, bias }: { filter: Tensor; padding: number; bias?: Tensor },
): Value {
  const { g } = part;
  const channels = x.shape[1] as number;
  const k = filter.size(0);
  const kernel = filter.reshape([1, 1, k, k]).expand([channels, -1, -1, -1]);
  return ops.conv(g, x, {
    weight: part.constant("filter", kernel, floatType(x)),
    ...(bias ? { bias: part.constant("bias", bias, floatType(x)) } : {}),
    padding,
    groups: channels,
  });
}

/**
 * Twice the resolution, in polyphase form: each of the four output phases is a filter [3, 3] of the input.
 * @param upsample what to compute: any filter [N, C, H, W] to [N, C, 2H, 2W] that sees the nearest pixels alone
 * @param edges what lies outside of the picture
 */
export function upsample(
  part: Part,
  x: Value,
  { upsample, edges }: { upsample: (x: Tensor) => Tensor; edges: "zero" | "replicate" },
): Value {
  const { g } = part;
  const channels = x.shape[1] as number;
  // The response to each of nine single pixels, in the four pixels that the middle one becomes.
  const pixels = oneHot(
    tensor(
      BigInt64Array.from({ length: 9 }, (_, i) => BigInt(i)),
      [9],
    ),
    9,
  );
  const kernel = upsample(pixels.reshape([9, 1, 3, 3])) // [9, 1, 6, 6]
    .narrow(2, 2, 2)
    .narrow(3, 2, 2)
    .permute([1, 2, 3, 0]) // [1, 2, 2, 9]
    .reshape([1, 4, 1, 3, 3])
    .expand([channels, -1, -1, -1, -1])
    .reshape([channels * 4, 1, 3, 3]);
  const y = ops.conv(g, edges === "replicate" ? ops.replicateEdges(g, x) : x, {
    weight: part.constant("upsample", kernel, floatType(x)),
    padding: edges === "replicate" ? 0 : 1,
    groups: channels,
  });
  return ops.pixelShuffle(g, y);
}

export interface NoiseOptions {
  /** What the stored map is multiplied by; the model's input, [], float32. */
  noise: Value;
  /** The stored map [H, W]. */
  map: Tensor;
  /** Strength, [] or [C]. */
  strength: Tensor;
}

/** noise · strength · map: [1, 1, H, W], or [1, C, H, W] with a strength for each channel. */
export function storedNoise(part: Part, { noise, map, strength }: NoiseOptions): Value {
  const { g } = part;
  const [h, w] = map.shape as [number, number];
  const channels = strength.numel;
  const shared = map.reshape([1, 1, h, w]);
  const scaled = channels === 1 ? shared.mul(strength.reshape([1, 1, 1, 1])) : shared;
  const value = ops.mul(g, part.constant("noise", scaled, g.precision), ops.cast(g, noise, g.precision));
  if (channels === 1) return value;
  const perMap = part.constant("noise_strength", strength.reshape([1, channels, 1, 1]), g.precision);
  return ops.mul(g, value, perMap);
}

/**
 * Each channel normalized over its pixels and styled, in float32: x [N, C, H, W] and styles of two halves,
 * y_s - 1 and y_b, that `weight` [2 C, wDim] and `bias` [2 C] make of w [N, wDim].
 */
export function adaptiveInstanceNorm(
  part: Part,
  x: Value,
  { w, weight, bias }: { w: Value; weight: Tensor; bias: Tensor },
): Value {
  const { g } = part;
  const channels = x.shape[1] as number;
  const half = (name: string, start: number, shift: number) =>
    perChannel(
      part,
      ops.linear(g, w, {
        weight: part.constant(`${name}.weight`, weight.narrow(0, start, channels)),
        bias: part.constant(`${name}.bias`, bias.narrow(0, start, channels).add(shift)),
      }),
    );
  const ys = half("scale", 0, 1);
  const yb = half("shift", channels, 0);
  // Not InstanceNormalization: its implementations lose a mean that is large against the deviation.
  const full = ops.cast(g, x, "float32");
  const centred = ops.sub(g, full, ops.reduce(g, "ReduceMean", { x: full, axes: [2, 3] }));
  const variance = ops.reduce(g, "ReduceMean", { x: ops.mul(g, centred, centred), axes: [2, 3] });
  const scale = ops.div(g, ys, ops.sqrt(g, ops.add(g, variance, g.scalar(eps)))); // [N, C, 1, 1]
  return ops.cast(g, ops.add(g, ops.mul(g, centred, scale), yb), floatType(x));
}

export interface HeConvOptions {
  gain?: number;
  resample?: "up" | "up-smooth";
}

/** `weight` and `bias` of the part, as `EqualizedConv` with He's gain and `ResamplingConv` use them. */
export function heConv(part: Part, x: Value, options: HeConvOptions = {}): Value {
  const { g } = part;
  const { gain = Math.SQRT2, resample } = options;
  const stored = part.tensor("weight");
  const [o, i, k] = stored.shape as [number, number, number];
  const weight = stored.mul(gain / Math.sqrt(i * k * k));
  const padding = (k - 1) / 2;
  if (!resample)
    return ops.conv(g, x, {
      weight: part.constant("weight", weight, g.precision),
      bias: part.constant("bias", part.tensor("bias"), g.precision),
      padding,
    });
  // A convolution of doubled pixels: each tap is seen by two neighbours in each direction.
  const doubling = conv2d(weight.flip([2, 3]).reshape([o * i, 1, k, k]), ones([1, 1, 2, 2]), { padding: 1 })
    .reshape([o, i, k + 1, k + 1])
    .permute([1, 0, 2, 3]);
  const up = ops.convTranspose(g, x, {
    weight: part.constant("weight", doubling, g.precision),
    ...(resample === "up" ? { bias: part.constant("bias", part.tensor("bias"), g.precision) } : {}),
    stride: 2,
    padding,
  });
  if (resample === "up") return up;
  return part.within("intermediate", (inner) =>
    blur(inner, up, {
      filter: inner.tensor("kernel").reshape([3, 3]),
      padding: 1,
      bias: part.tensor("bias"),
    }),
  );
}
