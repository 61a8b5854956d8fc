// npm run bench:accuracy: how far fast and direct 3x3 convolutions of stride 1 are from float64, in the shapes that the
// networks of the benchmark have.
//
//     npm run bench:accuracy -- M,XL     of these configurations (default: S, M, L and XL)

import { grad } from "../src/torch/autograd.js";
import { withDirectConvolutions } from "../src/torch/kernels.js";
import { conv2d } from "../src/torch/ops.js";
import { manualSeed, randn } from "../src/torch/random.js";
import { scope } from "../src/torch/scope.js";
import type { Tensor } from "../src/torch/tensor.js";
import { configurations } from "./configurations.js";

/** Pictures, channels in and out, side. */
type Shape = readonly [number, number, number];

/** The shapes of a configuration's layers from one feature map to one of its size. */
function shapesOf(name: string): Shape[] {
  const configuration = configurations[name];
  const { batch, channelBase, channelMax } = configuration?.overrides ?? {};
  if (!configuration || typeof batch !== "number" || !channelBase || !channelMax)
    throw new Error(`${name}: a configuration of StyleGAN2 is asked for, such as M`);
  const shapes: Shape[] = [];
  for (let side = 4; side <= configuration.resolution; side *= 2)
    shapes.push([batch, Math.min(channelBase / side, channelMax), side]);
  return shapes;
}

/** The largest difference over the root of the mean square of what is exact. */
function errorOf(actual: Tensor, exact: Tensor): number {
  const differences = actual.to("float64").sub(exact).abs().toArray() as Float64Array;
  let largest = 0;
  for (const difference of differences) if (!(difference <= largest)) largest = difference;
  return largest / exact.square().mean().sqrt().item();
}

/** Output, input gradient and weight gradient. */
function resultsOf(x: Tensor, w: Tensor, gy: Tensor): Tensor[] {
  const [input, weight] = [x, w].map((tensor) => tensor.detach().setRequiresGrad(true)) as [Tensor, Tensor];
  const y = conv2d(input, weight, { padding: 1 });
  return [y.detach(), ...grad([y.mul(gy).sum()], [input, weight])];
}

function errorsOf([n, channels, side]: Shape): { direct: number[]; fast: number[] } {
  return scope(() => {
    const operands = [
      [n, channels, side, side],
      [channels, channels, 3, 3],
      [n, channels, side, side],
    ].map((shape) => randn(shape).contiguous("channelsLast")) as [Tensor, Tensor, Tensor];
    const exact = resultsOf(...(operands.map((tensor) => tensor.to("float64")) as typeof operands));
    const errors = (results: Tensor[]) => results.map((result, i) => errorOf(result, exact[i] as Tensor));
    return {
      direct: errors(withDirectConvolutions(() => resultsOf(...operands))),
      fast: errors(resultsOf(...operands)),
    };
  });
}

const names = (process.argv[2] ?? "S,M,L,XL").split(",");
const shapes = new Map(names.flatMap(shapesOf).map((shape) => [shape.join(), shape]));
manualSeed(0);
process.stdout.write(
  "| batch, I = O, side | forward | input gradient | weight gradient |\n|---|---|---|---|\n",
);
for (const shape of shapes.values()) {
  const { direct, fast } = errorsOf(shape);
  const cells = direct.map(
    (error, i) => `${error.toExponential(1)} -> ${(fast[i] as number).toExponential(1)}`,
  );
  const [n, channels, side] = shape;
  process.stdout.write(`| ${n}, ${channels}, ${side} px | ${cells.join(" | ")} |\n`);
}
