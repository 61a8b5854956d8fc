// What the addon refuses, by operator and argument. All of these once crashed, hung or computed something else.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import type { EngineArgument } from "../../src/torch/engine.js";
import {
  adamKernel,
  affineKernel,
  approachKernel,
  resampleKernel,
  withEnergyKernel,
} from "../../src/torch/kernels.js";
import { libtorch } from "../../src/torch/libtorch.js";
import { ones, zeros } from "../../src/torch/ops.js";
import { setThreads, threads } from "../../src/torch/runtime.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";

/** Calls in a scope of their own; the error must name what is asked for, and nothing may be left behind. */
function expectError(call: () => unknown, ...named: string[]): void {
  const before = liveTensors();
  let message = "";
  try {
    scope(() => void call());
  } catch (error) {
    message = (error as Error).message;
  }
  for (const name of named) expect(message).toContain(name);
  expect(liveTensors()).toBe(before);
}

describe("own operators", () => {
  const x = () => ones([2, 3, 4, 4]);
  const double = (...shape: number[]) => zeros(shape, { dtype: "float64" });
  const resample = (options: object, filter = ones([4, 4])) =>
    resampleKernel(x(), filter, { padding: 1, size: [4, 4], ...options });
  const adam = (change: Record<string, Tensor | undefined>) => {
    const buffers = {
      values: zeros([8]),
      parameters: [zeros([8])],
      firstMoment: zeros([8]),
      secondMoment: zeros([8]),
    };
    const steps = { eps: 1e-8, stepSize: 1, correction2: 1, gradientLimit: 1, gradientScale: 1 };
    adamKernel({ ...buffers, ...change }, { beta1: 0.5, beta2: 0.9, ...steps });
  };

  it.each<[string, () => unknown, string[]]>([
    [
      "affine without channels",
      () => affineKernel(zeros([2, 0, 4, 4]), {}),
      ["affine", "'x'", "[2, 0, 4, 4]"],
    ],
    ["affine without rows", () => affineKernel(zeros([2, 3, 0, 4]), {}), ["affine", "'x'", "[2, 3, 0, 4]"]],
    ["affine without samples", () => affineKernel(zeros([0, 3, 4, 4]), {}), ["affine", "'x'"]],
    [
      "affine of three dimensions",
      () => affineKernel(ones([3, 4, 4]), {}),
      ["affine", "'x'", "[N, C, H, W]"],
    ],
    [
      "affine of whole numbers",
      () => affineKernel(zeros([1, 1, 1, 1], { dtype: "int64" }), {}),
      ["affine", "'x'", "float32"],
    ],
    [
      "affine, scale of another type",
      () => affineKernel(x(), { scale: double(2, 3) }),
      ["affine", "'scale'", "Double"],
    ],
    ["affine, bias too long", () => affineKernel(x(), { bias: ones([4]) }), ["affine", "bias has shape [4]"]],
    [
      "affine, noise without dimensions",
      () => affineKernel(x(), { noise: ones([]) }),
      ["affine", "noise has shape []"],
    ],
    [
      "affine, two strengths",
      () => affineKernel(x(), { noise: ones([1, 1, 4, 4]), noiseStrength: ones([2]) }),
      ["'strength'"],
    ],
    [
      "affine, strength alone",
      () => affineKernel(x(), { noiseStrength: ones([1]) }),
      ["'strength'", "'noise'"],
    ],
    ["resample2d, up 0", () => resample({ up: 0 }), ["resample2d", "'up'"]],
    ["resample2d, down -1", () => resample({ down: -1 }), ["resample2d", "'down'"]],
    ["resample2d, size of one number", () => resample({ size: [4] }), ["resample2d", "'size'"]],
    ["resample2d, size of no numbers", () => resample({ size: [] }), ["resample2d", "'size'"]],
    ["resample2d, size below 1", () => resample({ size: [4, 0] }), ["resample2d", "'size'"]],
    [
      "resample2d, padding beyond all pictures",
      () => resample({ padding: 2 ** 40 }),
      ["resample2d", "'padding'"],
    ],
    [
      "resample2d, filter that is not square",
      () => resample({}, ones([4, 3])),
      ["resample2d", "'filter'", "[4, 3]"],
    ],
    ["resample2d, filter of 17", () => resample({}, ones([17, 17])), ["resample2d", "'filter'", "16"]],
    [
      "weight_with_energy, no kernel",
      () => withEnergyKernel(zeros([4, 3, 0, 0])),
      ["weight_with_energy", "'weight'"],
    ],
    [
      "weight_with_energy, a matrix",
      () => withEnergyKernel(zeros([4, 3])),
      ["weight_with_energy", "'weight'"],
    ],
    ["adam_, moments too short", () => adam({ secondMoment: zeros([7]) }), ["adam_", "'second'", "[7]"]],
    [
      "adam_, moments of another type",
      () => adam({ firstMoment: double(8) }),
      ["adam_", "'first'", "Double"],
    ],
    [
      "adam_, no first moment with beta1",
      () => adam({ firstMoment: undefined }),
      ["adam_", "'first'", "'beta1'"],
    ],
    ["adam_, too many values", () => adam({ values: zeros([9]) }), ["adam_"]],
    [
      "approach_, another size",
      () => approachKernel(zeros([3]), zeros([4]), 0.5),
      ["approach_", "'b'", "[4]"],
    ],
  ])("%s", (_, call, named) => expectError(call, ...named));

  const meta = { device: "meta" };
  it.each<[string, () => unknown]>([
    ["affine", () => affineKernel(zeros([1, 1, 1, 1], meta), {})],
    [
      "resample2d",
      () => resampleKernel(zeros([1, 1, 4, 4], meta), ones([4, 4]), { padding: 1, size: [4, 4] }),
    ],
    ["weight_with_energy", () => withEnergyKernel(zeros([1, 1, 1, 1], meta))],
    ["approach_", () => approachKernel(zeros([1], meta), zeros([1]), 0.5)],
    ["adam_", () => adam({ values: zeros([8], meta) })],
  ])("%s on another device is no operator", (name, call) => expectError(call, `stylegan::${name}`, "Meta"));
});

describe("values", () => {
  const call = (name: string, ...args: EngineArgument[]) => libtorch().op(`aten::${name}`, "")(...args);
  const fromBytes = (bytes: ArrayBufferView, shape: number[], dtype = 6) =>
    libtorch().fromBytes(bytes, shape, dtype);

  it.each<[string, () => unknown, string[]]>([
    ["a list with half a number", () => call("zeros", [2.5]), ["aten::zeros", "'size'", "whole"]],
    ["a list with NaN", () => call("zeros", [Number.NaN]), ["aten::zeros", "'size'", "whole"]],
    [
      "a number beyond 2^53",
      () => call("narrow", ones([2]).handle, 0, 1e300, 1),
      ["aten::narrow", "'start'", "whole"],
    ],
    [
      "NaN for a whole number",
      () => call("narrow", ones([2]).handle, Number.NaN, 0, 1),
      ["aten::narrow", "'dim'"],
    ],
    ["NaN for a tensor", () => call("relu", Number.NaN), ["aten::relu", "self"]],
    ["a handle that never was", () => call("relu", 1e15), ["aten::relu", "self"]],
    ["a text for a tensor", () => call("relu", "x"), ["aten::relu", "'self'"]],
    ["25 arguments", () => call("relu", ...Array<number>(25).fill(0)), ["aten::relu", "24"]],
    ["more arguments than it has", () => call("relu", 0, 0), ["aten::relu", "1 arguments"]],
    ["a negative size", () => fromBytes(new Float32Array(2), [-2]), ["fromBytes", "'shape'"]],
    ["a type that is none", () => fromBytes(new Float32Array(2), [2], 99), ["fromBytes", "'dtype'"]],
    [
      "a type that is not whole",
      () => fromBytes(new Float32Array(2), [2], Number.NaN),
      ["fromBytes", "'dtype'"],
    ],
    ["a negative seed", () => libtorch().seed(-1), ["seed", "'seed'"]],
    [
      "names without flags",
      () => libtorch().callScript(Number.NaN, 0, ["a"], []),
      ["callScript", "'module'"],
    ],
  ])("%s", (_, body, named) => expectError(body, ...named));

  it.runIf("Float16Array" in globalThis)("an array whose width is not known", () => {
    const halves = Reflect.construct(Reflect.get(globalThis, "Float16Array"), [2]) as ArrayBufferView;
    expectError(() => fromBytes(halves, [1]), "fromBytes", "typed array");
  });
});

describe("threads", () => {
  it.each([0, -1, 1.5, Number.NaN, 1025, 1e6, 1e300])("%d is refused", (count) => {
    const before = threads();
    expect(() => setThreads(count)).toThrow(/from 1 to 1024/);
    expect(threads()).toBe(before);
  });
});

describe("a second thread of the process", () => {
  const module = fileURLToPath(new URL("../../dist/src/torch/libtorch.js", import.meta.url));

  it("is refused by name while the first one lives", async () => {
    libtorch().version();
    const program = `import(${JSON.stringify(module)}).then(({ libtorch }) => libtorch()).then(
      () => require("node:worker_threads").parentPort.postMessage("loaded"),
      (error) => require("node:worker_threads").parentPort.postMessage(error.constructor.name + ": " + error.message))`;
    const worker = new Worker(program, { eval: true });
    const message = await new Promise((resolve) => worker.once("message", resolve));
    await worker.terminate();
    expect(message).toMatch(
      /^UserError: libtorch computes in one thread of a process.*fork of node:child_process/,
    );
  });

  it("may have libtorch when the first one has ended", () => {
    const program = `
      const { Worker } = require("node:worker_threads");
      const inWorker = \`import(${JSON.stringify(module)}).then(({ libtorch }) => {
        libtorch().fromBytes(new Float32Array(4), [4], 6);
        require("node:worker_threads").parentPort.postMessage(libtorch().liveCount());
      })\`;
      const worker = new Worker(inWorker, { eval: true });
      worker.once("message", (count) => worker.once("exit", async () => {
        const { libtorch } = await import(${JSON.stringify(module)});
        console.log(count, libtorch().liveCount(), libtorch().fromBytes(new Float32Array(4), [4], 6));
      }));`;
    const output = execFileSync(process.execPath, ["-e", program], { encoding: "utf8" });
    expect(output).toBe("1 0 1\n");
  });
});
