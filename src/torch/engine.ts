// What computes: an engine keeps tensors, calls operators on them and takes gradients. Everything in this folder goes through
// `engine`; which one that is, the entry of a program says (`useEngine`). libtorch.ts is one.

/** A tensor's slot in the engine's table; 0 stands for no tensor. */
export type Handle = number;

/** What an operator takes: handles, numbers, flags, strings, lists of these, or nothing. */
export type EngineArgument =
  | Handle
  | boolean
  | string
  | readonly number[]
  | readonly boolean[]
  | null
  | undefined;

export type EngineOp = (...args: EngineArgument[]) => unknown;

/** Names, arguments and results are libtorch's: operators `aten::…`, and `stylegan::…` for those of our own. */
export interface Engine {
  // ---- operators ----
  op(name: string, overload: string): EngineOp;

  // ---- tensors ----
  fromBytes(bytes: ArrayBufferLike | ArrayBufferView, shape: readonly number[], dtype: number): Handle;
  toBytes(tensor: Handle): ArrayBuffer;
  shape(tensor: Handle): number[];
  strides(tensor: Handle): number[];
  dtype(tensor: Handle): number;
  device(tensor: Handle): string;
  item(tensor: Handle): number;
  setData(tensor: Handle, other: Handle): void;
  dispose(tensor: Handle): boolean;
  disposeAll(tensors: readonly Handle[]): void;
  liveCount(): number;

  // ---- gradients ----
  setGradEnabled(enabled: boolean): boolean;
  requiresGrad(tensor: Handle): boolean;
  setRequiresGrad(tensor: Handle, required: boolean): void;
  setGrad(tensor: Handle, gradient: Handle | null): void;
  gradOf(tensor: Handle): Handle[];
  grad(
    outputs: readonly Handle[],
    inputs: readonly Handle[],
    gradOutputs: readonly Handle[] | null,
    createGraph: boolean,
  ): Handle[];
  backward(outputs: readonly Handle[], inputs: readonly Handle[]): void;

  // ---- random numbers ----
  seed(seed: number): void;
  randomState(device: string): ArrayBuffer;
  setRandomState(device: string, state: ArrayBufferLike | ArrayBufferView): void;

  // ---- how convolutions are computed ----
  setFastConvolutions(on: boolean): boolean;
  setReducedConvolutions(on: boolean): boolean;
  hasFastBfloat16(): boolean;
}

let chosen: (() => Engine) | undefined;

/** The engine in use. Until something is asked of it for the first time it is a stand-in that loads the real one. */
export let engine: Engine = standIn(() => {
  if (!chosen)
    throw new Error("no engine: the program's entry must import torch/libtorch.js or call useEngine");
  return chosen();
});

/** Which engine computes in this process; `load` is called at its first use. Tensors belong to one engine: there is no second. */
export function useEngine(load: () => Engine): void {
  if (chosen && chosen !== load) throw new Error("useEngine: another engine has been chosen already");
  chosen = load;
}

function standIn(load: () => Engine): Engine {
  return new Proxy({} as Engine, {
    get(_, name) {
      engine = load();
      const value: unknown = Reflect.get(engine, name);
      return typeof value === "function" ? value.bind(engine) : value;
    },
  });
}
