import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { StyleGan2Config } from "../src/networks/stylegan2.js";
import { readSafetensors } from "../src/torch/safetensors.js";
import type { Tensor } from "../src/torch/tensor.js";

/** The networks in `nvidia-stylegan2.weights.safetensors`. */
export const nvidiaFixtureConfig: StyleGan2Config = {
  resolution: 32,
  zDim: 64,
  wDim: 64,
  cDim: 0,
  channelBase: 512,
  channelMax: 32,
  mappingLayers: 4,
  mappingLrMultiplier: 0.01,
  wAvgBeta: 0.995,
  convClamp: 256,
  mbstdGroupSize: 4,
  mbstdNumFeatures: 1,
  discriminatorArchitecture: "resnet",
  discriminatorMappingLayers: 8,
};

const fixtures = fileURLToPath(new URL("fixtures", import.meta.url));

export function fixturePath(name: string): string {
  return join(fixtures, name);
}

export function fixtureTensors(name: string): (key: string) => Tensor {
  const { tensors } = readSafetensors(fixturePath(name));
  return (key) => {
    const tensor = tensors.get(key);
    if (!tensor) throw new Error(`${name} has no ${key}`);
    return tensor;
  };
}

export function fixtureJson<T>(name: string): T {
  return JSON.parse(readFileSync(fixturePath(name), "utf8")) as T;
}

/** The largest difference, relative to the largest magnitude of what is expected. */
export function relativeError(actual: Tensor, expected: Tensor): number {
  const a = actual.toFloat32Array();
  const b = expected.toFloat32Array();
  expect(a.length).toBe(b.length);
  let difference = 0;
  let magnitude = 0;
  for (const [i, value] of b.entries()) {
    difference = Math.max(difference, Math.abs((a[i] as number) - value));
    magnitude = Math.max(magnitude, Math.abs(value));
  }
  expect(a.every(Number.isFinite)).toBe(true);
  return difference / magnitude;
}

export function expectClose(actual: Tensor, expected: Tensor, tolerance = 1e-4): void {
  expect(relativeError(actual, expected)).toBeLessThan(tolerance);
}
