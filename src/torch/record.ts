// Tells of what a program computes: each operator, and which tensor is the result of which.

import { type Argument, recordCalls } from "./dispatch.js";
import type { Handle } from "./engine.js";
import { withObserver } from "./scope.js";
import type { Shape, Tensor } from "./tensor.js";

export interface OperatorListener<T> {
  /** An operator has been called. Returns what is to be known of each of its results, which have these shapes. */
  called(name: string, args: readonly unknown[], shapes: readonly Shape[]): readonly (T | undefined)[];
  /** A result has become a tensor. */
  made(tensor: Tensor, known: T): void;
}

/** Tells `listener` of every operator that `body` calls. */
export function recordOperators<T, R>(listener: OperatorListener<T>, body: () => R): R {
  /** Of results that no tensor owns yet. */
  const pending = new Map<Handle, T | undefined>();
  const called = (name: string, args: readonly Argument[], results: readonly Handle[], shapes: Shape[]) => {
    const known = listener.called(name, args, shapes);
    for (const [i, handle] of results.entries()) pending.set(handle, known[i]);
  };
  const made = (owned: unknown) => {
    const tensor = owned as Tensor;
    const known = pending.get(tensor.handle);
    // The slot will be another tensor's.
    pending.delete(tensor.handle);
    if (known !== undefined) listener.made(tensor, known);
  };
  return recordCalls(called, () => withObserver(made, body));
}
