// What a network computes, as an ONNX graph: one forward pass on one sample, whose operators are translated as they are
// called. What does not depend on the inputs is computed then and there and becomes a constant.

import { noGrad } from "../../torch/autograd.js";
import { enableKernels } from "../../torch/kernels.js";
import type { Module } from "../../torch/module.js";
import { recordOperators } from "../../torch/record.js";
import { type Shape, Tensor } from "../../torch/tensor.js";
import { batch, type Graph, type Value } from "./graph.js";
import { type Constant, isTraced, type Operand, type Traced, Translator } from "./translator.js";

export class Trace {
  readonly #translator: Translator;
  /** Values of the graph, and constants, which are named after the tensor of the network that they were made of. */
  readonly #known = new WeakMap<Tensor, Traced | string>();

  constructor(g: Graph, network: Module) {
    this.#translator = new Translator(g);
    for (const [name, tensor] of network.stateDict()) this.#known.set(tensor, name);
  }

  /** From now on `tensor` stands for a value of the graph. */
  bind(tensor: Tensor, value: Value): void {
    this.#known.set(tensor, { value });
  }

  /** `tensor`, one of the network's, times `factor`. */
  product(tensor: Tensor, factor: Value): Value {
    return this.#translator.product(this.#operand(tensor) as Constant, factor);
  }

  /** What `body` returns, as a value of the graph. */
  run(body: () => Tensor): Value {
    // A kernel is one operator for what is several in ONNX; the composition that stands beside it computes the same.
    const kernels = enableKernels(false);
    try {
      const result = recordOperators(
        {
          called: (name, args, shapes) => this.#called(name, args, shapes),
          made: (tensor, known) => this.#known.set(tensor, known),
        },
        () => noGrad(body),
      );
      return this.#translator.float32(this.#operand(result) as Operand);
    } finally {
      enableKernels(kernels);
      this.#translator.dispose();
    }
  }

  #called(name: string, args: readonly unknown[], sizes: readonly Shape[]): (Traced | string | undefined)[] {
    const tensors = args.flat().filter((argument) => argument instanceof Tensor);
    const known = tensors.map((tensor) => this.#known.get(tensor));
    if (!known.some(isTraced)) {
      const madeOf = known.find((entry) => entry !== undefined);
      return sizes.map(() => madeOf);
    }
    // The size of the batch is the caller's: it is the first dimension of all that depends on a sample.
    const perSample = known.some((entry) => isTraced(entry) && entry.value.shape[0] === batch);
    const shapes = sizes.map(([n = 1, ...others]) => [perSample ? batch : n, ...others]);
    const operands = args.map((argument) =>
      Array.isArray(argument) ? argument.map((part) => this.#operand(part)) : this.#operand(argument),
    );
    return this.#translator.translate(name, operands, shapes);
  }

  #operand<T>(argument: T): T | Operand {
    if (!(argument instanceof Tensor)) return argument;
    const known = this.#known.get(argument);
    return isTraced(known) ? known : { constant: argument, name: known ?? "constant" };
  }
}
