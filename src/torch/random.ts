// libtorch's random generators.

import { op } from "./dispatch.js";
import { dtypes } from "./dtype.js";
import { engine } from "./engine.js";
import { type CreationOptions, defaultDevice } from "./ops.js";
import type { Stateful } from "./state.js";
import { type Device, type Shape, Tensor, tensorFromBytes } from "./tensor.js";

const randnOp = op("randn");
const randOp = op("rand");

/** Seeds the default generator of every device. */
export function manualSeed(seed: number): void {
  engine.seed(seed);
}

/** Independent samples of N(0, 1). */
export function randn(
  shape: Shape,
  { dtype = "float32", device = defaultDevice() }: CreationOptions = {},
): Tensor {
  return new Tensor(randnOp(shape, dtypes[dtype].code, null, device));
}

/** Independent samples of U[0, 1). */
export function rand(
  shape: Shape,
  { dtype = "float32", device = defaultDevice() }: CreationOptions = {},
): Tensor {
  return new Tensor(randOp(shape, dtypes[dtype].code, null, device));
}

/** One sample of U[0, 1) of the CPU's generator. */
export function uniform(): number {
  const sample = rand([1], { dtype: "float64" });
  return sample.item();
}

/** A whole number from `low` (included) to `high` (excluded), by the CPU's generator. */
export function randomInteger(low: number, high: number): number {
  return low + Math.floor(uniform() * (high - low));
}

/** The generator's state, for `setRandomState` to go on from. */
export function randomState(device: Device): Uint8Array<ArrayBuffer> {
  return new Uint8Array(engine.randomState(device));
}

export function setRandomState(device: Device, state: Uint8Array): void {
  engine.setRandomState(device, state);
}

/** @throws Error when the bytes are no state of that generator */
function restoreGenerator(device: Device, state: Tensor): void {
  const before = randomState(device);
  try {
    setRandomState(device, state.toBytes());
  } catch {
    setRandomState(device, before);
    throw new Error(`the state of the random generator of ${device} is damaged`);
  }
}

/** The generators that a training on `device` draws from: the CPU's, and the device's own. */
export function randomGenerators(device: Device): Stateful {
  const devices = device === "cpu" ? ["cpu"] : ["cpu", device];
  return {
    state() {
      const tensors = devices.map((name): [string, Tensor] => {
        const bytes = randomState(name);
        return [name, tensorFromBytes(bytes, [bytes.length], "uint8")];
      });
      return { tensors: new Map(tensors), values: {} };
    },
    restore({ tensors }) {
      for (const name of devices) {
        // A run that moves to another kind of device goes on there with that device's own random numbers.
        const state = tensors.get(name);
        if (state) restoreGenerator(name, state);
      }
    },
  };
}
