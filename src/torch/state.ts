// What an object remembers, so that a training can go on in another process as if it had never stopped.

import type { Tensor } from "./tensor.js";

/** What an object has to remember: tensors, which stay its own, and what JSON can hold. */
export interface State {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly values: unknown;
}

/** An object with a state that can be put aside and taken up again. */
export interface Stateful {
  state(): State;
  /** @throws when the state is not one of an object like this one */
  restore(state: State): void;
}

/** The tensor of that name. @throws Error when there is none */
export function tensorIn({ tensors }: State, name: string): Tensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`${name} is missing`);
  return tensor;
}
