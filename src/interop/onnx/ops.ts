// ONNX operators as functions that know the shapes of their results and refuse operands that do not fit.

import type { Graph, Value } from "./graph.js";
import type { Dim } from "./schema.js";

/** @throws Error when the operands' types differ or their shapes do not broadcast */
function elementwise(g: Graph, opType: string, a: Value, b: Value): Value {
  if (a.type !== b.type) throw misfit(opType, a, b);
  const rank = Math.max(a.shape.length, b.shape.length);
  const aligned = (value: Value, i: number): Dim => value.shape[i - rank + value.shape.length] ?? 1;
  const shape = Array.from({ length: rank }, (_, i) => {
    const [first, second] = [aligned(a, i), aligned(b, i)];
    if (first !== second && first !== 1 && second !== 1) throw misfit(opType, a, b);
    return first === 1 ? second : first;
  });
  return g.node(opType, [a, b], { shape });
}

function misfit(opType: string, ...operands: Value[]): Error {
  const texts = operands.map(({ name, type, shape }) => `${name} ${type}[${shape.join(", ")}]`);
  return new Error(`onnx: ${opType} does not take ${texts.join(" and ")}`);
}

export function add(g: Graph, a: Value, b: Value): Value {
  return elementwise(g, "Add", a, b);
}

export function sub(g: Graph, a: Value, b: Value): Value {
  return elementwise(g, "Sub", a, b);
}

export function mul(g: Graph, a: Value, b: Value): Value {
  return elementwise(g, "Mul", a, b);
}

export function div(g: Graph, a: Value, b: Value): Value {
  return elementwise(g, "Div", a, b);
}

export function max(g: Graph, a: Value, b: Value): Value {
  return elementwise(g, "Max", a, b);
}

export function abs(g: Graph, x: Value): Value {
  return g.node("Abs", [x], { shape: x.shape });
}

export function sqrt(g: Graph, x: Value): Value {
  return g.node("Sqrt", [x], { shape: x.shape });
}

export function leakyRelu(g: Graph, x: Value, slope: number): Value {
  return g.node("LeakyRelu", [x], { attributes: { alpha: { float: slope } }, shape: x.shape });
}

/** To [-limit, limit]. */
export function clamp(g: Graph, x: Value, limit: number): Value {
  const type = floatType(x);
  return g.node("Clip", [x, g.scalar(-limit, type), g.scalar(limit, type)], { shape: x.shape });
}

export function cast(g: Graph, x: Value, type: "float32" | "float16"): Value {
  if (x.type === type) return x;
  return g.node("Cast", [x], { attributes: { to: type === "float32" ? 1 : 10 }, shape: x.shape, type });
}

function floatType(x: Value): "float32" | "float16" {
  if (x.type === "int64") throw misfit("a floating-point operator", x);
  return x.type;
}

/** Over some dimensions, which stay with size 1. */
export function reduce(
  g: Graph,
  opType: "ReduceMean" | "ReduceSum" | "ReduceMax",
  { x, axes }: { x: Value; axes: readonly number[] },
): Value {
  const shape = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
  // ReduceSum already takes its axes as an input in this operator set, the others as an attribute.
  return opType === "ReduceSum"
    ? g.node(opType, [x, g.integers(...axes)], { attributes: { keepdims: 1 }, shape })
    : g.node(opType, [x], { attributes: { axes, keepdims: 1 }, shape });
}

/**
 * x [N, I] · weightᵀ + bias for weight [O, I] and bias [O]; returns [N, O]. ONNX also has a single number as bias, but
 * onnxruntime-web 1.30 ends with it on WebGPU.
 */
export function linear(g: Graph, x: Value, { weight, bias }: { weight: Value; bias: Value }): Value {
  const [n, i] = x.shape;
  const [o, wanted] = weight.shape;
  if (x.shape.length !== 2 || i !== wanted || bias.shape[0] !== o) throw misfit("Gemm", x, weight, bias);
  return g.node("Gemm", [x, weight, bias], { attributes: { transB: 1 }, shape: [n as Dim, o as Dim] });
}

export function concat(g: Graph, values: readonly Value[], axis: number): Value {
  const [first] = values as [Value];
  const sizes = values.map((value) => value.shape[axis]);
  if (!sizes.every((size) => typeof size === "number")) throw misfit("Concat", ...values);
  const total = (sizes as number[]).reduce((sum, size) => sum + size, 0);
  return g.node("Concat", values, {
    attributes: { axis },
    shape: first.shape.map((size, i) => (i === axis ? total : size)),
  });
}

/** One index of a dimension, which disappears. */
export function select(g: Graph, x: Value, { axis, index }: { axis: number; index: number }): Value {
  const size = x.shape[axis];
  if (typeof size !== "number" || index >= size) throw misfit(`Gather of number ${index}`, x);
  const shape = x.shape.filter((_, i) => i !== axis);
  return g.node("Gather", [x, g.integer(index)], { attributes: { axis }, shape });
}

/** New dimensions of size 1 at these places of the result. */
export function unsqueeze(g: Graph, x: Value, ...axes: readonly number[]): Value {
  const shape = [...x.shape];
  for (const axis of axes) shape.splice(axis, 0, 1);
  return g.node("Unsqueeze", [x, g.integers(...axes)], { shape });
}

/** At most one size may be unknown in advance: give it as a name. */
export function reshape(g: Graph, x: Value, shape: readonly Dim[]): Value {
  const sizes = shape.map((size) => (typeof size === "number" ? size : -1));
  return g.node("Reshape", [x, g.integers(...sizes)], { shape });
}

/** x repeated along dimensions of size 1. */
export function expand(g: Graph, x: Value, shape: readonly Dim[]): Value {
  // A size of 1 leaves the dimension as it is: that is how the unknown ones are written.
  const sizes = shape.map((size) => (typeof size === "number" ? size : 1));
  return g.node("Expand", [x, g.integers(...sizes)], { shape });
}

export interface ConvOptions {
  /** [O, I / groups, kH, kW]; of a transposed convolution [I, O, kH, kW]. */
  weight: Value;
  bias?: Value; // [O]
  stride?: number;
  padding?: number;
  groups?: number;
}

/** x [N, I, H, W] to [N, O, H', W']. */
export function conv(g: Graph, x: Value, options: ConvOptions): Value {
  const { weight, bias, stride = 1, padding = 0, groups = 1 } = options;
  const [n, i, h, w] = x.shape;
  const [o, perGroup, k] = weight.shape as [number, number, number, number];
  if (i !== perGroup * groups || x.type !== weight.type) throw misfit("Conv", x, weight);
  const size = (side: Dim | undefined) => Math.floor(((side as number) + 2 * padding - k) / stride) + 1;
  return g.node("Conv", bias ? [x, weight, bias] : [x, weight], {
    attributes: convAttributes({ k, stride, padding, groups }),
    shape: [n as Dim, o, size(h), size(w)],
  });
}

/** x [N, I, H, W] to [N, O, (H - 1) stride - 2 padding + k, …]. */
export function convTranspose(g: Graph, x: Value, options: Omit<ConvOptions, "groups">): Value {
  const { weight, bias, stride = 1, padding = 0 } = options;
  const [n, i, h, w] = x.shape;
  const [wanted, o, k] = weight.shape as [number, number, number, number];
  if (i !== wanted || x.type !== weight.type) throw misfit("ConvTranspose", x, weight);
  const size = (side: Dim | undefined) => ((side as number) - 1) * stride - 2 * padding + k;
  return g.node("ConvTranspose", bias ? [x, weight, bias] : [x, weight], {
    attributes: convAttributes({ k, stride, padding, groups: 1 }),
    shape: [n as Dim, o, size(h), size(w)],
  });
}

function convAttributes(options: { k: number; stride: number; padding: number; groups: number }) {
  const { k, stride, padding, groups } = options;
  return {
    kernel_shape: [k, k],
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
    group: groups,
  };
}

/** Channels to pixels, as torch's pixel_shuffle: [N, 4 C, H, W] to [N, C, 2H, 2W]. */
export function pixelShuffle(g: Graph, x: Value): Value {
  const [n, c, h, w] = x.shape as [Dim, number, number, number];
  return g.node("DepthToSpace", [x], {
    attributes: { blocksize: 2, mode: "CRD" },
    shape: [n, c / 4, 2 * h, 2 * w],
  });
}

/** The edge pixels once more, all around: [N, C, H, W] to [N, C, H + 2, W + 2]. */
export function replicateEdges(g: Graph, x: Value): Value {
  const [n, c, h, w] = x.shape as [Dim, number, number, number];
  return g.node("Pad", [x, g.integers(0, 0, 1, 1, 0, 0, 1, 1)], {
    attributes: { mode: "edge" },
    shape: [n, c, h + 2, w + 2],
  });
}
