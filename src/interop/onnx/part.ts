// A part of a network on its way to ONNX: the graph, and the tensors of a state dictionary under one prefix.

import type { Tensor } from "../../torch/tensor.js";
import type { Graph, Value } from "./graph.js";

export class Part {
  readonly g: Graph;
  readonly #state: ReadonlyMap<string, Tensor>;
  readonly #prefix: string;

  /** @param state a network's own state dictionary; nothing in it changes */
  constructor(g: Graph, state: ReadonlyMap<string, Tensor>, prefix = "") {
    this.g = g;
    this.#state = state;
    this.#prefix = prefix;
  }

  /** Adds what a module of this name computes. */
  within<T>(name: string, body: (part: Part) => T): T {
    return this.g.within(name, () => body(new Part(this.g, this.#state, `${this.#prefix}${name}.`)));
  }

  /** A tensor of the state dictionary, which keeps it. */
  tensor(name: string): Tensor {
    const tensor = this.#state.get(this.#prefix + name);
    if (!tensor) throw new Error(`onnx: the network has no ${this.#prefix}${name}`);
    return tensor;
  }

  /** `values` as a constant, which takes the name of what it was made of. */
  constant(name: string, values: Tensor, type: "float32" | "float16" = "float32"): Value {
    return this.g.constant(name, values, type);
  }
}
