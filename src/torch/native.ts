// The addon as TypeScript sees it. This is the only file that loads it.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { UserError } from "../system/errors.js";
import { packageRoot } from "../system/packageRoot.js";

/** A tensor's slot in the addon's table; 0 stands for no tensor. */
export type Handle = number;

/** What a native operator takes: handles, numbers, flags, strings, lists of these, or nothing. */
export type NativeArgument =
  | Handle
  | boolean
  | string
  | readonly number[]
  | readonly boolean[]
  | null
  | undefined;

export type NativeOp = (...args: NativeArgument[]) => unknown;

interface Addon {
  op(name: string, overload: string): NativeOp;
  fromBytes(bytes: ArrayBufferLike | ArrayBufferView, shape: readonly number[], dtype: number): Handle;
  toBytes(tensor: Handle): ArrayBuffer;
  shape(tensor: Handle): number[];
  strides(tensor: Handle): number[];
  dtype(tensor: Handle): number;
  device(tensor: Handle): string;
  dataPointer(tensor: Handle): number;
  item(tensor: Handle): number;
  dispose(tensor: Handle): boolean;
  disposeAll(tensors: readonly Handle[]): void;
  liveCount(): number;
  setGradEnabled(enabled: boolean): boolean;
  requiresGrad(tensor: Handle): boolean;
  setRequiresGrad(tensor: Handle, required: boolean): void;
  setData(tensor: Handle, other: Handle): void;
  setGrad(tensor: Handle, gradient: Handle | null): void;
  gradOf(tensor: Handle): Handle[];
  grad(
    outputs: readonly Handle[],
    inputs: readonly Handle[],
    gradOutputs: readonly Handle[] | null,
    createGraph: boolean,
    allowUnused: boolean,
  ): Handle[];
  backward(outputs: readonly Handle[], inputs: readonly Handle[]): void;
  setThreads(count: number): void;
  threads(): number;
  seed(seed: number): void;
  randomState(device: string): ArrayBuffer;
  setRandomState(device: string, state: ArrayBufferLike | ArrayBufferView): void;
  hasCuda(): boolean;
  version(): string;
  setReducedConvolutions(on: boolean): boolean;
  hasFastBfloat16(): boolean;
  memoryInUse(): number[];
  buildConfiguration(): string;
  startRecording(operators: readonly string[]): void;
  stopRecording(): string;
  loadScript(file: string, device: string): number;
  callScript(module: number, input: Handle, names: readonly string[], flags: readonly boolean[]): Handle;
  disposeScript(module: number): boolean;
  startProfile(): void;
  stopProfile(): string;
}

function load(): Addon {
  const file = join(packageRoot(), "build", "native", "stylegan.node");
  if (!existsSync(file))
    throw new UserError("The native addon is not built yet. Run `npm run setup` in the project's folder.");
  try {
    return createRequire(import.meta.url)(file) as Addon;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    const library = /(lib[\w.+-]+): cannot open shared object/.exec(reason ?? "")?.[1];
    throw new UserError(
      library
        ? `The native addon needs ${library}, which is not on this machine any more. Run \`npm run setup\` to find or install libtorch again.`
        : `The native addon does not load (${reason}). Run \`npm run setup\` to build it again.`,
    );
  }
}

export const native: Addon = load();
