// What the translations of operators have in common: how tensors become values of a graph, in which type, and what is kept
// back to be multiplied in where it costs nothing.
//
// In a float16 model activations and the weights of convolutions are float16; numbers of one sample (styles,
// demodulation), means over pixels and pictures are float32 always.

import type { Tensor } from "../../torch/tensor.js";
import { batch, type Graph, type NodeOptions, type Value } from "./graph.js";
import { rules } from "./operators.js";
import type { Dim } from "./schema.js";

/** A tensor that depends on the inputs. */
export interface Traced {
  value: Value;
  /** What it is still to be multiplied by, [batch, 1, 1, 1] times a number: half precision would not hold the product. */
  scale?: { value: Value; factor: number };
  /** A number that it is still to be multiplied by: the weight of a linear layer takes it over. */
  factor?: number;
  /** What it is the result of. */
  convolution?: Convolution;
}

export interface Convolution {
  opType: "Conv" | "ConvTranspose";
  input: Value;
  weight: Constant;
  /** What the weight is multiplied by. */
  factor: number;
  bias?: Constant;
  stride: number;
  padding: number;
  groups: number;
  shape: readonly Dim[] | undefined;
}

/** A tensor that does not, and the name of what it was made of. */
export interface Constant {
  constant: Tensor;
  name: string;
}

export type Operand = Traced | Constant;

export function isTraced(known: unknown): known is Traced {
  return typeof known === "object" && known !== null && "value" in known;
}

type FloatType = "float32" | "float16";

const imageChannels = 3;

export class Translator {
  readonly g: Graph;
  /** The layer of the network whose tensors came last. */
  #place: string | undefined;

  readonly #held: Tensor[] = [];

  constructor(g: Graph) {
    this.g = g;
  }

  /** Call it when all is translated. */
  dispose(): void {
    for (const tensor of this.#held.splice(0)) tensor.dispose();
  }

  /** The nodes of one operator. */
  translate(name: string, args: readonly unknown[], shapes: readonly (readonly Dim[])[]): Traced[] {
    const rule = rules[name];
    if (!rule) throw new Error(`onnx: there is no translation of ${name}`);
    return [rule(this, [...args], shapes)].flat();
  }

  node(
    opType: string,
    inputs: readonly (Operand | Value)[],
    shape: readonly Dim[] | undefined,
    attributes: NodeOptions["attributes"] = {},
  ): Traced {
    const values = inputs.map((input) =>
      "name" in input && "shape" in input ? input : this.valueOf(input as Operand),
    );
    return {
      value: this.g.node(opType, values, { shape: shape as readonly Dim[], attributes, place: this.#place }),
    };
  }

  shapeOf(operand: Operand): readonly Dim[] {
    return isTraced(operand) ? operand.value.shape : operand.constant.shape;
  }

  broadcast(a: Operand, b: Operand): Dim[] {
    const shapes = [this.shapeOf(a), this.shapeOf(b)];
    const rank = Math.max(...shapes.map((shape) => shape.length));
    return Array.from({ length: rank }, (_, i) => {
      const [first, second] = shapes.map((shape) => shape[i - rank + shape.length] ?? 1) as [Dim, Dim];
      return first === 1 ? second : first;
    });
  }

  /** In one type: float32 if one of them is that and has a number of its own for each pixel of each sample. */
  alike(...operands: readonly Operand[]): Value[] {
    const values = operands.map((operand) => (isTraced(operand) ? this.#settled(operand) : operand));
    const traced = values.filter((value): value is Value => "type" in value);
    const half = traced.some(({ type }) => type === "float16");
    const full = traced.some(
      ({ type, shape }) => type === "float32" && shape[0] === batch && shape.length === 4 && shape[3] !== 1,
    );
    const type = half && !full ? "float16" : "float32";
    return values.map((value) => ("type" in value ? this.cast(value, type) : this.constant(value, type)));
  }

  floatType({ type }: Value): FloatType {
    if (type === "int64") throw new Error("onnx: whole numbers where there must be floats");
    return type;
  }

  /** In the type that it has. */
  valueOf(operand: Operand): Value {
    return isTraced(operand) ? this.#settled(operand) : this.constant(operand, "float32");
  }

  float32(operand: Operand): Value {
    return isTraced(operand)
      ? this.cast(this.#settled(operand), "float32")
      : this.constant(operand, "float32");
  }

  /** A tensor of the network times what the caller gives. */
  product(constant: Constant, factor: Value): Value {
    const { precision } = this.g;
    const operands = [this.constant(constant, precision), this.cast(factor, precision)];
    return this.node("Mul", operands, constant.constant.shape).value;
  }

  constant({ constant, name }: Constant, type: FloatType): Value {
    if (name.includes(".")) this.#place = name.slice(0, name.lastIndexOf("."));
    return this.g.constant(name, constant, type);
  }

  cast(value: Value, type: FloatType): Value {
    if (value.type === type) return value;
    const attributes = { to: type === "float32" ? 1 : 10 };
    return this.g.node("Cast", [value], { attributes, shape: value.shape, type });
  }

  // ---- float16 ----

  /** What is still to be multiplied by its scale, in float32. */
  #settled({ value, scale, factor: number = 1 }: Traced): Value {
    if (!scale) return this.#times(value, number);
    const factor = this.#times(scale.value, scale.factor);
    return this.g.node("Mul", [this.cast(value, "float32"), factor], { shape: value.shape });
  }

  #times(value: Value, factor: number): Value {
    return factor === 1 ? value : this.g.node("Mul", [value, this.g.scalar(factor)], { shape: value.shape });
  }

  /** A number times a tensor: where it can be, in what is multiplied anyhow; undefined where it cannot. */
  scaledBy(x: Operand, number: number): Traced | undefined {
    if (!isTraced(x)) return undefined;
    if (x.scale) return { ...x, scale: { ...x.scale, factor: x.scale.factor * number } };
    if (x.convolution) return this.#convolve({ ...x.convolution, factor: x.convolution.factor * number });
    return x.value.shape.length === 2 ? { value: x.value, factor: (x.factor ?? 1) * number } : undefined;
  }

  /** A convolution that has its own bias; undefined for anything else. */
  biased(x: Operand, bias: Operand): Traced | undefined {
    if (!isTraced(x) || !x.convolution || x.scale || isTraced(bias)) return undefined;
    const channels = x.value.shape[1] as number;
    if (String(bias.constant.shape) !== `1,${channels},1,1`) return undefined;
    return { value: this.#convolve({ ...x.convolution, bias }).value };
  }

  /**
   * Features times a number for each channel of each sample, in a float16 model: half precision ends at 65504, so that the
   * numbers are brought to at most 1, and the product keeps what they were divided by as its scale. Where it has one
   * already (this is the demodulation of what styles have multiplied), the numbers take it away.
   */
  styled(x: Operand, styles: Operand, [shape]: readonly (readonly Dim[])[]): Traced | undefined {
    const { g } = this;
    if (g.precision !== "float16" || !isTraced(styles)) return undefined;
    const [n, , h, w] = styles.value.shape;
    if (styles.value.shape.length !== 4 || n !== batch || h !== 1 || w !== 1) return undefined;
    const numbers = this.float32(styles);
    if (isTraced(x) && x.scale) {
      const scale = g.node("Mul", [numbers, this.#times(x.scale.value, x.scale.factor)], {
        shape: numbers.shape,
      });
      return this.node("Mul", [x.value, this.cast(scale, this.floatType(x.value))], shape);
    }
    const magnitudes = g.node("Abs", [numbers], { shape: numbers.shape });
    const one = [batch, 1, 1, 1];
    const largest = g.node("ReduceMax", [magnitudes], { attributes: { axes: [1], keepdims: 1 }, shape: one });
    const scale = g.node("Add", [largest, g.scalar(1e-8)], { shape: one });
    const small = this.cast(g.node("Div", [numbers, scale], { shape: numbers.shape }), "float16");
    const features = isTraced(x) ? this.cast(this.#settled(x), "float16") : this.constant(x, "float16");
    return { ...this.node("Mul", [features, small], shape), scale: { value: scale, factor: 1 } };
  }

  /** x [N, I] · weightᵀ + bias for weight [O, I] and bias [O]. */
  linear(
    x: Traced,
    weight: Constant,
    { bias, shape }: { bias: Operand | null | undefined; shape: readonly Dim[] | undefined },
  ): Traced {
    if (isTraced(weight)) throw new Error("onnx: a linear layer whose weight depends on the inputs");
    const { factor = 1, ...input } = x;
    const scaled = factor === 1 ? weight.constant : weight.constant.mul(factor);
    const operands = [this.float32(input), this.constant({ ...weight, constant: scaled }, "float32")];
    if (bias) operands.push(this.float32(bias));
    return this.node("Gemm", operands, shape, { transB: 1 });
  }

  convolution(
    x: Traced,
    { weight, groups, ...options }: Omit<Convolution, "input" | "scale" | "factor">,
  ): Traced {
    if (isTraced(weight)) throw new Error("onnx: a convolution whose weight depends on the inputs");
    const isPicture = x.value.shape[1] === imageChannels;
    const input = isPicture ? this.float32(x) : this.cast(x.value, this.g.precision);
    // Scopes of the network end before it is known what the convolution is multiplied by.
    const held = weight.constant.detach().keep();
    this.#held.push(held);
    const convolution = { ...options, weight: { ...weight, constant: held }, groups, input, factor: 1 };
    const scale = isPicture ? undefined : x.scale;
    if (!scale || groups > 1) return { ...this.#convolve(convolution), ...(scale ? { scale } : {}) };
    // Sums of products within half precision.
    const { constant } = weight;
    const largest = largestMagnitude(constant) * Math.sqrt(constant.numel / constant.size(0)) || 1;
    const { value } = this.#convolve({ ...convolution, factor: 1 / largest });
    return { value, scale: { ...scale, factor: scale.factor * largest } };
  }

  /** Adds it to the graph. What is found out later (a factor, a bias) adds it anew; the graph drops what nothing takes. */
  #convolve(convolution: Convolution): Traced {
    const { opType, input, weight, factor, bias, stride, padding, groups, shape } = convolution;
    const k = weight.constant.size(2);
    const type = this.floatType(input);
    const scaled = factor === 1 ? weight.constant : weight.constant.mul(factor);
    const operands = [input, this.constant({ ...weight, constant: scaled }, type)];
    if (bias) operands.push(this.constant({ ...bias, constant: bias.constant.reshape([-1]) }, type));
    const attributes = {
      kernel_shape: [k, k],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
      group: groups,
    };
    const { value } = this.node(opType, operands, shape, attributes);
    // Pictures are sums over all resolutions: they keep their precision.
    const result = value.shape[1] === imageChannels ? this.cast(value, "float32") : value;
    return { value: result, convolution };
  }
}

function largestMagnitude(weight: Tensor): number {
  return weight.toFloat32Array().reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}
