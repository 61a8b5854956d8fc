// Gradients, in the terms of torch.autograd.

import { engine } from "./engine.js";
import { scope } from "./scope.js";
import { Tensor } from "./tensor.js";

export interface GradOptions {
  /** What each output's gradient is multiplied by; needed for outputs with more than one element. */
  gradOutputs?: readonly Tensor[];
  /** Keep the graph and make the gradients differentiable themselves (for second-order gradients). */
  createGraph?: boolean;
}

/**
 * Gradients of the sum of `outputs` with respect to each of `inputs`, in the same order.
 * @throws when an input does not take part in the outputs
 */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions = {},
): Tensor[] {
  const handles = engine.grad(
    outputs.map((output) => output.handle),
    inputs.map((input) => input.handle),
    options.gradOutputs?.map((gradient) => gradient.handle) ?? null,
    options.createGraph ?? false,
  );
  return handles.map((handle) => new Tensor(handle));
}

/**
 * Adds the gradients of the scalar `output` to the gradient tensor of each of `inputs` (`Tensor.setGrad`), and
 * to nothing else. Inputs that take no part in the output are left as they are. Frees the graph.
 */
export function backward(output: Tensor, inputs: readonly Tensor[]): void {
  engine.backward(
    [output.handle],
    inputs.map((input) => input.handle),
  );
}

/** Runs `body` in a scope of its own without recording a graph. */
export function noGrad<T>(body: () => T): T {
  const before = engine.setGradEnabled(false);
  try {
    return scope(body);
  } finally {
    engine.setGradEnabled(before);
  }
}
