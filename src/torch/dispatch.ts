// Operators by name. Only the files of this folder name operators; the rest of the program calls typed functions.

import { type EngineArgument, type EngineOp, engine, type Handle } from "./engine.js";
import { Owned } from "./scope.js";

export type Argument = Owned | readonly Owned[] | EngineArgument;

function toEngine(argument: Argument): EngineArgument {
  if (argument instanceof Owned) return argument.handle;
  if (Array.isArray(argument) && argument[0] instanceof Owned) {
    return (argument as readonly Owned[]).map((tensor) => tensor.handle);
  }
  return argument as EngineArgument;
}

function bind(name: string, overload: string): (args: readonly Argument[]) => unknown {
  let engineOp: EngineOp | undefined;
  // The addon's own operators are named in full: stylegan::affine.
  const qualified = name.includes("::") ? name : `aten::${name}`;
  const label = overload ? `${qualified}.${overload}` : qualified;
  return (args) => {
    engineOp ??= engine.op(qualified, overload);
    let converted: EngineArgument[];
    try {
      converted = args.map(toEngine);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${label}: ${reason} (${describeArguments(args)})`);
    }
    const result = engineOp(...converted);
    if (recorder) record(label, args, result);
    return result;
  };
}

/** Called after an operator; its results are no tensors of the program yet. */
type Recorder = (name: string, args: readonly Argument[], results: Handle[], shapes: number[][]) => void;

let recorder: Recorder | undefined;

function record(name: string, args: readonly Argument[], result: unknown): void {
  const handles = result === undefined ? [] : ([result].flat() as Handle[]);
  const shapes = handles.map((handle) => engine.shape(handle));
  recorder?.(name, args, handles, shapes);
}

/** Tells `listener` of every operator that `body` calls. */
export function recordCalls<T>(listener: Recorder, body: () => T): T {
  const before = recorder;
  recorder = listener;
  try {
    return body();
  } finally {
    recorder = before;
  }
}

function describeArguments(args: readonly Argument[]): string {
  return args
    .filter((argument) => argument instanceof Owned)
    .map((tensor) => (tensor.isDisposed ? "disposed" : String(tensor)))
    .join(", ");
}

/** An operator that returns one tensor. It is looked up at its first call. */
export function op(name: string, overload = ""): (...args: Argument[]) => Handle {
  const call = bind(name, overload);
  return (...args) => call(args) as Handle;
}

/** An operator that returns several tensors. */
export function opMany(name: string, overload = ""): (...args: Argument[]) => Handle[] {
  const call = bind(name, overload);
  return (...args) => call(args) as Handle[];
}

/** An operator that returns nothing. */
export function opVoid(name: string, overload = ""): (...args: Argument[]) => void {
  const call = bind(name, overload);
  return (...args) => {
    call(args);
  };
}

/** An operator that changes its first argument in place. */
export function opInPlace(name: string, overload = ""): (...args: Argument[]) => void {
  const call = bind(name, overload);
  // The result is the first argument under a second slot.
  return (...args) => {
    engine.dispose(call(args) as Handle);
  };
}
