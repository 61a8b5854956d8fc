// Operators that are functions rather than methods: convolutions, resizing, combination, activations.

import { type Argument, op, opMany } from "./dispatch.js";
import type { DType } from "./dtype.js";
import { dtypes } from "./dtype.js";
import { type Device, type MemoryFormat, type Shape, Tensor, wrapAll } from "./tensor.js";

const ops = {
  convolution: op("convolution"),
  conv2d: op("stylegan::conv2d"),
  convTranspose2d: op("stylegan::conv_transpose2d"),
  linear: op("linear"),
  matmul: op("matmul"),
  cat: op("cat"),
  stack: op("stack"),
  addcmul: op("addcmul"),
  leakyRelu: op("leaky_relu"),
  softplus: op("softplus"),
  constantPad: op("constant_pad_nd"),
  reflectionPad2d: op("reflection_pad2d"),
  pixelShuffle: op("pixel_shuffle"),
  upsampleNearest: op("upsample_nearest2d"),
  avgPool: op("avg_pool2d"),
  indexSelect: op("index_select"),
  gather: op("gather"),
  oneHot: op("one_hot"),
  empty: op("empty", "memory_format"),
  emptyStrided: op("empty_strided"),
  linalgEigh: opMany("linalg_eigh"),
  zeros: op("zeros"),
  ones: op("ones"),
  expand: op("expand"),
};

// ---- creation ----

export interface CreationOptions {
  dtype?: DType;
  device?: Device;
}

const channelsLastCode = 2;

/** libtorch's device of tensors that have a shape and a type but no elements. */
const shapesOnly: Device = "meta";
let usualDevice: Device = "cpu";

/** Where new tensors lie unless their maker says otherwise. */
export function defaultDevice(): Device {
  return usualDevice;
}

/** What `make` makes, with tensors that take no memory: of networks of any size, the shapes. */
export function withoutElements<T>(make: () => T): T {
  const before = usualDevice;
  usualDevice = shapesOnly;
  try {
    return make();
  } finally {
    usualDevice = before;
  }
}

/** A tensor with undefined elements. */
export function empty(shape: Shape, options: CreationOptions & { memoryFormat?: MemoryFormat } = {}): Tensor {
  const { dtype = "float32", device = usualDevice, memoryFormat } = options;
  const format = memoryFormat === "channelsLast" ? channelsLastCode : undefined;
  return new Tensor(ops.empty(shape, dtypes[dtype].code, null, device, null, format));
}

/** Ones of the type with libtorch's number `dtype` that lie in memory by `strides`; stride 0 repeats along a dimension. */
export function onesStrided({
  shape,
  strides,
  dtype,
}: {
  shape: Shape;
  strides: Shape;
  dtype: number;
}): Tensor {
  const stored = shape.map((size, i) => (strides[i] === 0 ? 1 : size));
  const values = new Tensor(ops.emptyStrided(stored, strides, dtype));
  values.fill_(1);
  return new Tensor(ops.expand(values, shape));
}

export function zeros(
  shape: Shape,
  { dtype = "float32", device = usualDevice }: CreationOptions = {},
): Tensor {
  return new Tensor(ops.zeros(shape, dtypes[dtype].code, null, device));
}

export function ones(
  shape: Shape,
  { dtype = "float32", device = usualDevice }: CreationOptions = {},
): Tensor {
  return new Tensor(ops.ones(shape, dtypes[dtype].code, null, device));
}

/** One row of `classes` columns for each index in `indices` [N] (int64), as floats [N, classes]. */
export function oneHot(indices: Tensor, classes: number): Tensor {
  const rows = new Tensor(ops.oneHot(indices, classes));
  return rows.to("float32");
}

// ---- convolution ----

export interface ConvolutionOptions {
  bias?: Tensor;
  stride?: number;
  padding?: number;
  groups?: number;
}

/** 2-D convolution (cross-correlation) of `x` [N, I, H, W] with `weight` [O, I / groups, kH, kW]. */
export function conv2d(x: Tensor, weight: Tensor, options: ConvolutionOptions = {}): Tensor {
  const { bias, stride = 1, padding = 0, groups = 1 } = options;
  if (groups === 1) {
    const y = new Tensor(ops.conv2d(x, weight, stride, padding));
    return bias ? y.add(bias.reshape([1, -1, 1, 1])) : y;
  }
  return new Tensor(
    ops.convolution(x, weight, bias, pair(stride), pair(padding), pair(1), false, pair(0), groups),
  );
}

/**
 * Transposed 2-D convolution of `x` [N, O, H, W] with `weight` [O, I, kH, kW]: the gradient of `conv2d` with
 * respect to its input, of size [N, I, (H - 1) * stride - 2 * padding + kH, …].
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  { stride = 1, padding = 0 }: { stride?: number; padding?: number } = {},
): Tensor {
  return new Tensor(ops.convTranspose2d(x, weight, stride, padding));
}

function pair(n: number): readonly [number, number] {
  return [n, n];
}

/** What is added at each edge, in pixels. */
export interface Edges {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Zeros around the last two dimensions; negative numbers cut away. */
export function pad2d(x: Tensor, edges: Edges): Tensor {
  return new Tensor(ops.constantPad(x, [edges.left, edges.right, edges.top, edges.bottom]));
}

/** Pixels mirrored at the edges of `x` [N, C, H, W], the edge itself not repeated; less than its side. */
export function reflectionPad2d(x: Tensor, edges: Edges): Tensor {
  return new Tensor(ops.reflectionPad2d(x, [edges.left, edges.right, edges.top, edges.bottom]));
}

/** [N, C r², H, W] to [N, C, r H, r W]: each group of r² channels becomes a square of pixels. */
export function pixelShuffle(x: Tensor, factor: number): Tensor {
  return new Tensor(ops.pixelShuffle(x, factor));
}

/** [N, C, H, W] to [N, C, factor H, factor W]: each pixel becomes a square. */
export function upsampleNearest2d(x: Tensor, factor: number): Tensor {
  return new Tensor(ops.upsampleNearest(x, [x.size(2) * factor, x.size(3) * factor]));
}

/** [N, C, H, W] to [N, C, H / factor, W / factor]: the mean of each square. */
export function avgPool2d(x: Tensor, factor: number): Tensor {
  return new Tensor(ops.avgPool(x, pair(factor), pair(factor)));
}

// ---- linear algebra ----

/** x @ weightᵀ + bias for `x` [N, I], `weight` [O, I], `bias` [O]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return new Tensor(ops.linear(x, weight, bias));
}

export function matmul(a: Tensor, b: Tensor): Tensor {
  return new Tensor(ops.matmul(a, b));
}

/**
 * Eigenvalues [n], smallest first, and unit eigenvectors [n, n], one a column, of a symmetric matrix [n, n]; only
 * its lower triangle is read.
 */
export function symmetricEigen(matrix: Tensor): { values: Tensor; vectors: Tensor } {
  const [values, vectors] = wrapAll(ops.linalgEigh(matrix, "L"));
  return { values: values as Tensor, vectors: vectors as Tensor };
}

/** base + value * a * b in one pass. */
export function addcmul(base: Tensor, a: Tensor, b: Tensor, value = 1): Tensor {
  return new Tensor(ops.addcmul(base, a, b, value));
}

// ---- combination ----

export function cat(tensors: readonly Tensor[], dim: number): Tensor {
  return new Tensor(ops.cat(tensors, dim));
}

export function stack(tensors: readonly Tensor[], dim: number): Tensor {
  return new Tensor(ops.stack(tensors, dim));
}

/** The slices of `x` along `dim` that `indices` (int64, [K]) name. */
export function indexSelect(x: Tensor, dim: number, indices: Tensor): Tensor {
  return new Tensor(ops.indexSelect(x, dim, indices));
}

/** Along `dim`, the elements of `x` that `indices` (int64, as many dimensions as x) name. */
export function gather(x: Tensor, dim: number, indices: Tensor): Tensor {
  return new Tensor(ops.gather(x, dim, indices));
}

// ---- activations ----

export function leakyRelu(x: Tensor, negativeSlope: number): Tensor {
  return new Tensor(ops.leakyRelu(x, negativeSlope));
}

/** log(1 + exp(x)) */
export function softplus(x: Tensor): Tensor {
  return new Tensor(ops.softplus(x));
}

// ---- replay ----

/** Calls an operator with raw arguments, for a benchmark that repeats recorded calls. Frees the results. */
export function replay(operator: keyof typeof replayable, args: readonly Argument[]): void {
  const results = replayable[operator](...args);
  for (const result of [results].flat()) if (result !== 0) new Tensor(result).dispose();
}

const replayable = {
  _convolution: op("_convolution"),
  convolution_backward: opMany("convolution_backward"),
  conv2d: op("stylegan::conv2d"),
  conv2d_backward: opMany("stylegan::conv2d_backward"),
};
