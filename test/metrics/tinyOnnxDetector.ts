// A detector in a few kilobytes of ONNX: one convolution, and what it finds on average.

import { Graph } from "../../src/interop/onnx/graph.js";
import { encodeModel } from "../../src/interop/onnx/schema.js";
import { conv2d } from "../../src/torch/ops.js";
import { scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";

export const width = 6;

const weight = (bias: number) =>
  tensor(
    Float32Array.from({ length: width * 27 }, (_, i) => bias + 0.01 * Math.sin(1.7 * i)),
    [width, 3, 3, 3],
  );

export interface Variant {
  /** Leave the last two dimensions: [N, F, 1, 1]. */
  unflat?: boolean;
  /** Names of the outputs, all the same. */
  outputs?: readonly string[];
  /** Added to each weight. */
  bias?: number;
}

export function tinyOnnxDetector({
  unflat = false,
  outputs = ["features"],
  bias = 0,
}: Variant = {}): Uint8Array {
  return scope(() => {
    const g = new Graph("detector", "float32");
    const pictures = g.input("pictures", ["batch", 3, "height", "width"], "0 to 255");
    const found = g.node("Conv", [pictures, g.constant("weight", weight(bias))], {
      attributes: { kernel_shape: [3, 3], strides: [2, 2] },
      shape: ["batch", width, "h", "w"],
    });
    const positive = g.node("Relu", [found], { shape: found.shape });
    const pooled = g.node("GlobalAveragePool", [positive], { shape: ["batch", width, 1, 1] });
    const flat = g.node("Flatten", [pooled], { attributes: { axis: 1 }, shape: ["batch", width] });
    for (const name of outputs) g.output(name, unflat ? pooled : flat, "what it finds");
    return encodeModel(g.finish({ version: "0", doc: "a test", metadata: {} }));
  });
}

/** The same by our own operators. */
export function tinyFeatures(pictures: Tensor): Tensor {
  return conv2d(pictures.to("float32"), weight(0), { stride: 2 }).relu().mean([2, 3]);
}
