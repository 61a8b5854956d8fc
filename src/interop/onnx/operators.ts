// libtorch's operators as ONNX's.

import { batch } from "./graph.js";
import type { Dim } from "./schema.js";
import type { Operand, Traced, Translator } from "./translator.js";

// biome-ignore lint/suspicious/noExplicitAny: what an operator takes is its own; each rule knows.
type Rule = (t: Translator, args: any[], shapes: readonly (readonly Dim[])[]) => Traced | Traced[];

/** -1 and 1 stand for the batch, whose size the caller chooses. */
const sizes = (t: Translator, shape: readonly Dim[] | undefined, unknown: -1 | 1) =>
  t.g.integers(...(shape as readonly Dim[]).map((size) => (size === batch ? unknown : (size as number))));

/** What leaves the elements as they are, in their order. */
const alias: Rule = (_, [x]) => x as Traced;

const reshape: Rule = (t, [x], [shape]) => t.node("Reshape", [x, sizes(t, shape, -1)], shape);

const elementwise =
  (opType: string): Rule =>
  (t, [a, b], [shape]) =>
    t.node(opType, t.alike(a, b), shape);
const withNumber =
  (opType: string): Rule =>
  (t, [x, number], [shape]) => {
    const value = t.valueOf(x);
    return t.node(opType, [value, t.g.scalar(number, t.floatType(value))], shape);
  };
const ofFloat32 =
  (opType: string): Rule =>
  (t, [x], [shape]) =>
    t.node(opType, [t.float32(x)], shape);

const reduce =
  (opType: "ReduceMean" | "ReduceSum"): Rule =>
  (t, [x, dims, keepDims], [shape]) => {
    const value = t.float32(x);
    const keepdims = keepDims ? 1 : 0;
    // ReduceSum already takes its axes as an input in this operator set, ReduceMean as an attribute.
    return opType === "ReduceSum"
      ? t.node(opType, [value, t.g.integers(...dims)], shape, { keepdims })
      : t.node(opType, [value], shape, { axes: dims, keepdims });
  };

/** By the names that libtorch gives its operators. */
export const rules: Readonly<Record<string, Rule>> = {
  "aten::contiguous": alias,
  "aten::detach": alias,
  "aten::to.dtype": alias,
  "aten::add.Tensor": (t, [a, b], shapes) => t.biased(a, b) ?? elementwise("Add")(t, [a, b], shapes),
  "aten::sub.Tensor": elementwise("Sub"),
  "aten::div.Tensor": elementwise("Div"),
  "aten::add.Scalar": withNumber("Add"),
  "aten::sub.Scalar": withNumber("Sub"),
  "aten::div.Scalar": withNumber("Div"),
  "aten::mul.Scalar": (t, [x, number], shapes) =>
    t.scaledBy(x, number) ?? withNumber("Mul")(t, [x, number], shapes),
  "aten::mul.Tensor": (t, [a, b], shapes) => t.styled(a, b, shapes) ?? elementwise("Mul")(t, [a, b], shapes),
  "aten::addcmul": (t, [base, a, b, value], shapes) => {
    if (value !== undefined && value !== 1) throw new Error("onnx: addcmul with a factor");
    return elementwise("Add")(t, [base, elementwise("Mul")(t, [a, b], [t.broadcast(a, b)])], shapes);
  },
  "aten::lerp.Scalar": (t, [from, to, weight], shapes) => {
    const part = (x: Operand, share: number) => withNumber("Mul")(t, [x, share], [t.shapeOf(x)]);
    return elementwise("Add")(t, [part(from, 1 - weight), part(to, weight)], shapes);
  },
  "aten::square": (t, [x], [shape]) => {
    const value = t.float32(x);
    return t.node("Mul", [value, value], shape);
  },
  "aten::sqrt": ofFloat32("Sqrt"),
  "aten::rsqrt": (t, [x], [shape]) => {
    const root = t.node("Sqrt", [t.float32(x)], shape);
    return t.node("Div", [t.g.scalar(1), root.value], shape);
  },
  "aten::mean.dim": reduce("ReduceMean"),
  "aten::sum.dim_IntList": reduce("ReduceSum"),
  "aten::leaky_relu": (t, [x, slope], [shape]) =>
    t.node("LeakyRelu", [t.valueOf(x)], shape, { alpha: { float: slope } }),
  "aten::clamp": (t, [x, min, max], [shape]) => {
    const value = t.valueOf(x);
    const limit = (number: number) => t.g.scalar(number, t.floatType(value));
    if (min === null || max === null)
      return t.node(min === null ? "Min" : "Max", [value, limit(min ?? max)], shape);
    return t.node("Clip", [value, limit(min), limit(max)], shape);
  },

  "aten::reshape": reshape,
  "aten::unsqueeze": reshape,
  "aten::squeeze.dim": reshape,
  // A size of 1 leaves a dimension as it is.
  "aten::expand": (t, [x], [shape]) => t.node("Expand", [x, sizes(t, shape, 1)], shape),
  "aten::permute": (t, [x, perm], [shape]) => t.node("Transpose", [x], shape, { perm }),
  "aten::narrow": (t, [x, dim, start, length], [shape]) =>
    t.node("Slice", [x, ...[start, start + length, dim].map((number) => t.g.integers(number))], shape),
  "aten::select.int": (t, [x, axis, index], [shape]) =>
    t.node("Gather", [x, t.g.integer(index)], shape, { axis }),
  "aten::unbind.int": (t, [x, axis], shapes) =>
    shapes.map((shape, index) => t.node("Gather", [x, t.g.integer(index)], shape, { axis })),
  "aten::cat": (t, [parts, axis], [shape]) => t.node("Concat", t.alike(...parts), shape, { axis }),
  "aten::pixel_shuffle": (t, [x, blocksize], [shape]) =>
    t.node("DepthToSpace", [x], shape, { blocksize, mode: "CRD" }),
  // Four copies of all channels, which become the pixels of a square.
  "aten::upsample_nearest2d": (t, [x], [shape]) => {
    const value = t.valueOf(x);
    const [n, c, h, w] = value.shape as [Dim, number, number, number];
    const copies = t.node("Concat", [value, value, value, value], [n, 4 * c, h, w], { axis: 1 });
    return t.node("DepthToSpace", [copies], shape, { blocksize: 2, mode: "DCR" });
  },

  "aten::linear": (t, [x, weight, bias], [shape]) => t.linear(x, weight, { bias, shape }),
  "aten::matmul": (t, [a, b], [shape]) => t.node("MatMul", [t.float32(a), t.float32(b)], shape),
  "stylegan::conv2d": (t, [x, weight, stride, padding], [shape]) =>
    t.convolution(x, { opType: "Conv", weight, stride, padding, groups: 1, shape }),
  "stylegan::conv_transpose2d": (t, [x, weight, stride, padding], [shape]) =>
    t.convolution(x, { opType: "ConvTranspose", weight, stride, padding, groups: 1, shape }),
  // What comes here has groups: a filter of each channel.
  "aten::convolution": (t, [x, weight, bias, [stride], [padding], , , , groups], [shape]) => {
    if (bias) throw new Error("onnx: a convolution in groups with a bias");
    return t.convolution(x, { opType: "Conv", weight, stride, padding, groups, shape });
  },
};
