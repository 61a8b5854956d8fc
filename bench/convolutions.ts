// The convolutions of a phase, recorded as it runs and repeated on their own: what training is bound by.

import { grad, noGrad } from "../src/torch/autograd.js";
import { withDirectConvolutions } from "../src/torch/kernels.js";
import { conv2d, onesStrided, replay } from "../src/torch/ops.js";
import { randn } from "../src/torch/random.js";
import { type RecordedCall, startRecording, stopRecording, type TensorLayout } from "../src/torch/runtime.js";
import { scope } from "../src/torch/scope.js";
import type { Tensor } from "../src/torch/tensor.js";
import { median } from "./statistics.js";

const operators = ["aten::_convolution", "aten::convolution_backward"];

/** Where the arguments stand that matter here: convolution_backward has the output's gradient first. */
const positions = {
  "aten::_convolution": { input: 0, weight: 1, stride: 3, padding: 4, transposed: 6, groups: 8 },
  "aten::convolution_backward": { input: 1, weight: 2, stride: 4, padding: 5, transposed: 7, groups: 9 },
} as const;

const outputMask = 10;

/**
 * Runs `body` with direct convolutions and returns those that are learned, forward and backward, in order. The filters of
 * up and down sampling are left out: they are part of what is not bound by convolutions.
 */
export function recordConvolutions(body: () => void): RecordedCall[] {
  startRecording(operators);
  let calls: RecordedCall[];
  try {
    withDirectConvolutions(body);
  } finally {
    calls = stopRecording();
  }
  return calls.filter((call) => call.args[positions[call.operator as keyof typeof positions].groups] === 1);
}

/** Seconds that calls take on their own: as a training runs them, and all by libtorch's direct algorithm. */
export interface ReplayTimes {
  seconds: number;
  directSeconds: number;
}

/**
 * Seconds that the calls take on their own, one after the other in the order that they came in, in their shapes and
 * layouts: the caches are then about as cold for each as they are in training. Everything is warmed up once.
 */
export function replayTimes(calls: readonly RecordedCall[]): ReplayTimes {
  return noGrad(() => {
    const tensors = new Map<string, Tensor>();
    const tensorLike = (arg: TensorLayout): Tensor => {
      const key = JSON.stringify(arg);
      const known = tensors.get(key) ?? onesStrided(arg);
      tensors.set(key, known);
      return known;
    };
    const prepared = calls.map((call) => {
      const { operator, args } = asOurs(call);
      return { operator, args: args.map((arg) => (isLayout(arg) ? tensorLike(arg) : arg)) };
    });
    const run = () => {
      for (const { operator, args } of prepared) replay(operator, args);
    };
    const timed = () => {
      run();
      const start = performance.now();
      run();
      return (performance.now() - start) / 1000;
    };
    return { seconds: timed(), directSeconds: withDirectConvolutions(timed) };
  });
}

/** A recorded call as the operator of ours that it came from. */
function asOurs({ operator, args }: RecordedCall): {
  operator: "conv2d" | "conv2d_backward";
  args: RecordedCall["args"];
} {
  const { stride, padding, transposed } = positions[operator as keyof typeof positions];
  if (args[transposed] !== false) throw new Error(`${operator}: a transposed convolution is none of ours`);
  const square = (position: number) => (args[position] as readonly number[])[0] as number;
  const sizes = [square(stride), square(padding)];
  if (operator === "aten::_convolution") return { operator: "conv2d", args: [...args.slice(0, 2), ...sizes] };
  const mask = (args[outputMask] as readonly boolean[]).slice(0, 2);
  return { operator: "conv2d_backward", args: [...args.slice(0, 3), ...sizes, mask] };
}

/** GFLOP/s of one direct 3x3 convolution of 128 channels at 32x32, batch 8, with both of its gradients: what the machine can do. */
export function referenceGflops(): number {
  return scope(() => {
    const x = randn([8, 128, 32, 32]).contiguous("channelsLast").setRequiresGrad(true);
    const weight = randn([128, 128, 3, 3]).contiguous("channelsLast").setRequiresGrad(true);
    const calls = recordConvolutions(() => {
      grad([conv2d(x, weight, { padding: 1 }).sum()], [x, weight]);
    });
    const rounds = Array.from({ length: 9 }, () => replayTimes(calls).directSeconds);
    return flops(calls) / median(rounds) / 1e9;
  });
}

/** Floating-point operations of the calls: two for each product of an input and a weight. */
export function flops(calls: readonly RecordedCall[]): number {
  let total = 0;
  for (const call of calls) {
    const { input, weight, transposed } = positions[call.operator as keyof typeof positions];
    const [n, , h, w] = layout(call, input).shape as [number, number, number, number];
    const weightElements = layout(call, weight).shape.reduce((product, size) => product * size, 1);
    const backward = call.operator === "aten::convolution_backward";
    // Each weight meets each pixel of the smaller side: the output, or the input where the convolution is transposed.
    const pixels = call.args[transposed] === true ? h * w : outputPixels(call, backward);
    const mask = call.args[outputMask];
    const passes = backward && Array.isArray(mask) ? mask.slice(0, 2).filter(Boolean).length : 1;
    total += passes * 2 * n * pixels * weightElements;
  }
  return total;
}

function outputPixels(call: RecordedCall, backward: boolean): number {
  if (backward) {
    const [, , h, w] = layout(call, 0).shape as [number, number, number, number];
    return h * w;
  }
  const [, , h, w] = layout(call, 0).shape as [number, number, number, number];
  const [, , kH, kW] = layout(call, 1).shape as [number, number, number, number];
  const [stride, padding, dilation] = call.args.slice(3, 6) as [number[], number[], number[]];
  const side = (size: number, kernel: number, axis: number) => {
    const span = (dilation[axis] as number) * (kernel - 1) + 1;
    return Math.floor((size + 2 * (padding[axis] as number) - span) / (stride[axis] as number)) + 1;
  };
  return side(h, kH, 0) * side(w, kW, 1);
}

function isLayout(arg: RecordedCall["args"][number]): arg is TensorLayout {
  return typeof arg === "object" && arg !== null && "shape" in arg;
}

function layout(call: RecordedCall, position: number): TensorLayout {
  const arg = call.args[position];
  if (arg === undefined || !isLayout(arg))
    throw new Error(`${call.operator}: argument ${position} is no tensor`);
  return arg;
}
