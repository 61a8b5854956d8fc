// Builds an ONNX graph: named inputs and outputs, constants, and nodes whose shapes are known as they are added.

import { scope } from "../../torch/scope.js";
import { type Tensor, tensor } from "../../torch/tensor.js";
import type { Precision } from "./precision.js";
import {
  type Attribute,
  attributeProto,
  type Dim,
  type ElementType,
  elementTypes,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
  valueInfo,
} from "./schema.js";

/**
 * Operator set 17 with IR version 8 (2022): every operator that the networks need is in it, and all that onnxruntime
 * has released since 1.12 reads it, as do most other runtimes.
 */
const opsetVersion = 17;
const irVersion = 8;

/** The name of the dimension whose size the caller chooses. */
export const batch = "batch";

/** What a node computes or takes, by name. */
export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dim[];
}

export interface NodeOptions {
  attributes?: Readonly<Record<string, Attribute>>;
  /** Of the output; type: as the first input. */
  shape: readonly Dim[];
  type?: ElementType;
  /** What its name begins with. */
  place?: string | undefined;
}

export class Graph {
  readonly precision: Precision;
  readonly #name: string;
  readonly #nodes: NodeProto[] = [];
  /** By what they are made of. */
  readonly #constantsMadeOf = new Map<string, TensorProto[]>();
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #intermediates: ValueInfoProto[] = [];
  readonly #taken = new Set<string>();

  constructor(name: string, precision: Precision) {
    this.#name = name;
    this.precision = precision;
  }

  /** What the caller gives; `meaning` is kept in the file. */
  input(name: string, shape: readonly Dim[], meaning: string): Value {
    const value: Value = { name: this.#free(name), type: "float32", shape };
    this.#inputs.push(valueInfo(value, meaning));
    return value;
  }

  /** A result, under a name of its own. */
  output(name: string, value: Value, meaning: string): void {
    const result: Value = { ...value, name: this.#free(name) };
    // A value of another name: nothing else would give the result its name.
    this.#nodes.push({
      name: `${name}/Identity`,
      opType: "Identity",
      input: [value.name],
      output: [name],
      attribute: [],
    });
    this.#outputs.push(valueInfo(result, meaning));
  }

  /** A constant with the elements of a tensor, which stays the caller's. */
  constant(name: string, values: Tensor, type: "float32" | "float16" = "float32"): Value {
    const bytes = scope(() => values.detach().to(type).toBytes());
    return this.#constant(name, { type, shape: values.shape, bytes });
  }

  /** A constant number, []. Equal ones are stored once. */
  scalar(value: number, type: "float32" | "float16" = "float32"): Value {
    return scope(() => {
      const bytes = tensor([value], []).to(type).toBytes();
      return this.#constant(`${type}.${value}`, { type, shape: [], bytes });
    });
  }

  /** A constant list of whole numbers, for what ONNX takes as an input (axes, shapes). Equal ones are stored once. */
  integers(...values: readonly number[]): Value {
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.#constant(`int64.${values.join(".")}`, { type: "int64", shape: [values.length], bytes });
  }

  /** A constant whole number, []. */
  integer(value: number): Value {
    const bytes = new Uint8Array(BigInt64Array.of(BigInt(value)).buffer);
    return this.#constant(`int64.scalar.${value}`, { type: "int64", shape: [], bytes });
  }

  /** One operator with one result. */
  node(opType: string, inputs: readonly Value[], options: NodeOptions): Value {
    const { attributes = {}, shape, type = inputs[0]?.type ?? "float32", place } = options;
    const name = this.#free(place ? `${place}.${opType}` : opType);
    this.#nodes.push({
      name,
      opType,
      input: inputs.map((input) => input.name),
      output: [name],
      attribute: Object.entries(attributes).map(([key, value]) => attributeProto(key, value)),
    });
    const value: Value = { name, type, shape };
    this.#intermediates.push(valueInfo(value));
    return value;
  }

  /** The model, with `metadata` in its properties. */
  finish(options: { version: string; doc: string; metadata: Readonly<Record<string, string>> }): ModelProto {
    // What nothing else takes is left out.
    const used = new Set(this.#outputs.map(({ name }) => name));
    const nodes: NodeProto[] = [];
    for (const node of [...this.#nodes].reverse()) {
      if (!node.output.some((name) => used.has(name))) continue;
      for (const name of node.input) used.add(name);
      nodes.unshift(node);
    }
    return {
      irVersion,
      producerName: "stylegan.ts",
      producerVersion: options.version,
      docString: options.doc,
      opsetImport: [{ domain: "", version: opsetVersion }],
      metadataProps: Object.entries(options.metadata).map(([key, value]) => ({ key, value })),
      graph: {
        name: this.#name,
        node: nodes,
        initializer: [...this.#constantsMadeOf.values()].flat().filter(({ name }) => used.has(name)),
        input: this.#inputs,
        output: this.#outputs,
        valueInfo: this.#intermediates.filter(({ name }) => used.has(name)),
      },
    };
  }

  #constant(
    name: string,
    { type, shape, bytes }: { type: ElementType; shape: readonly number[]; bytes: Uint8Array },
  ): Value {
    const dataType = elementTypes[type];
    const isIt = (known: TensorProto) =>
      known.dataType === dataType &&
      String(known.dims) === String(shape) &&
      Buffer.compare(known.rawData, bytes) === 0;
    const known = this.#constantsMadeOf.get(name)?.find(isIt);
    if (known) return { name: known.name, type, shape };
    const constant = { name: this.#free(name), dataType, dims: shape, rawData: bytes };
    this.#constantsMadeOf.set(name, [...(this.#constantsMadeOf.get(name) ?? []), constant]);
    return { name: constant.name, type, shape };
  }

  /** `name`, or with a number after it where that is taken. */
  #free(name: string): string {
    let free = name;
    for (let i = 2; this.#taken.has(free); i++) free = `${name}.${i}`;
    this.#taken.add(free);
    return free;
  }
}
