// The first layers of a MobileNetV2 that was trained on ImageNet: features that come with the program.
// Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018), table 2.
// scripts/extractMobileNet.mjs says where the weights are from.

import { join } from "node:path";
import { packageRoot } from "../system/packageRoot.js";
import { noGrad } from "../torch/autograd.js";
import { sampleGrid } from "../torch/numeric.js";
import { avgPool2d, cat, conv2d, pad2d } from "../torch/ops.js";
import { readSafetensors } from "../torch/safetensors.js";
import { scope } from "../torch/scope.js";
import { type Device, type Tensor, tensor } from "../torch/tensor.js";
import type { Detector } from "./detector.js";

export const mobileNetFile = () => join(packageRoot(), "assets", "mobileNetV2.safetensors");

/** Pixels of a side that the network was trained on. */
const side = 224;

/** Pictures at once: their widest activations take 5 MB each. */
const batch = 16;

/** The bottlenecks that there are weights of: strides, and which ones widen first and add their input to their output. */
const blocks = [
  { name: "expanded_conv", stride: 1, widens: false, adds: false },
  { name: "block_1", stride: 2, widens: true, adds: false },
  { name: "block_2", stride: 1, widens: true, adds: true },
  { name: "block_3", stride: 2, widens: true, adds: false },
  { name: "block_4", stride: 1, widens: true, adds: true },
  { name: "block_5", stride: 1, widens: true, adds: true },
  { name: "block_6", stride: 2, widens: true, adds: false },
  { name: "block_7", stride: 1, widens: true, adds: true },
  { name: "block_8", stride: 1, widens: true, adds: true },
  { name: "block_9", stride: 1, widens: true, adds: true },
  { name: "block_10", stride: 1, widens: true, adds: false },
] as const;

interface Convolution {
  weight: Tensor; // [O, I / groups, k, k]
  bias: Tensor; // [O]
}

/** What is found is averaged over the quarters of a picture, so that what is where counts, as well as what there is. */
const quarter = side / 16 / 2;

/** Gives the last block's 96 channels of each quarter. */
export class MobileNetDetector implements Detector {
  readonly file: string;
  readonly fingerprint: string;
  readonly #device: Device;
  readonly #convolutions: ReadonlyMap<string, Convolution>;

  /** @param file as scripts/extractMobileNet.mjs writes it */
  constructor(file: string, { fingerprint, device }: { fingerprint: string; device: Device }) {
    this.file = file;
    this.fingerprint = fingerprint;
    this.#device = device;
    this.#convolutions = readConvolutions(file, device);
  }

  async run(pictures: Tensor): Promise<Tensor> {
    return noGrad(() => {
      const parts: Tensor[] = [];
      for (let start = 0; start < pictures.size(0); start += batch) {
        const some = pictures.narrow(0, start, Math.min(batch, pictures.size(0) - start));
        parts.push(scope(() => this.#features(some.toDevice(this.#device))));
      }
      return cat(parts, 0);
    });
  }

  dispose(): void {
    for (const { weight, bias } of this.#convolutions.values())
      for (const part of [weight, bias]) part.dispose();
  }

  #features(pictures: Tensor): Tensor {
    let x = this.#convolve(scaled(pictures).contiguous("channelsLast"), "Conv1", { stride: 2 }).clamp_(0, 6);
    for (const { name, stride, widens, adds } of blocks) {
      const block = x;
      x = scope(() => {
        const wide = widens ? this.#convolve(block, `${name}_expand`).clamp_(0, 6) : block;
        const depthwise = { stride, groups: wide.size(1) };
        const filtered = this.#convolve(wide, `${name}_depthwise`, depthwise).clamp_(0, 6); // ReLU6
        const narrow = this.#convolve(filtered, `${name}_project`);
        return adds ? block.add(narrow) : narrow;
      });
    }
    return avgPool2d(x, quarter).reshape([x.size(0), -1]);
  }

  /** Keras pads a stride of 2 at the right and the bottom alone. */
  #convolve(x: Tensor, name: string, { stride = 1, groups = 1 } = {}): Tensor {
    const { weight, bias } = this.#convolutions.get(name) as Convolution;
    if (weight.size(2) === 1) return conv2d(x, weight, { bias });
    if (stride === 1) return conv2d(x, weight, { bias, groups, padding: 1 });
    return conv2d(pad2d(x, { left: 0, right: 1, top: 0, bottom: 1 }), weight, { bias, groups, stride });
  }
}

/** Bytes as floats in [-1, 1] of the network's size, bilinear; what is much larger is averaged first. */
function scaled(pictures: Tensor): Tensor {
  const x = pictures.to("float32").div(127.5).sub(1);
  const factor = Math.max(1, Math.floor(x.size(3) / side));
  const small = factor === 1 ? x : avgPool2d(x, factor);
  const line = Array.from({ length: side }, (_, i) => (2 * i + 1) / side - 1);
  const points = line.flatMap((y) => line.flatMap((x0) => [x0, y]));
  // Between the edge and the centres of its pixels all points have the edge's colour: outside there would be zeros.
  const inset = 1 - 1 / small.size(3);
  const grid = tensor(points, [1, side, side, 2]).clamp(-inset, inset).toDevice(x.device);
  return sampleGrid(small, grid.expand([small.size(0), side, side, 2]), "bilinear");
}

// ---- weights ----

/** Under its square root, in Keras's layers. */
const epsilon = 0.001;

/** The convolutions with the normalization that follows each as part of them; owned by the caller. */
function readConvolutions(file: string, device: Device): Map<string, Convolution> {
  const convolutions = scope(() => {
    const { tensors, metadata } = readSafetensors(file);
    const quantization = JSON.parse(metadata.quantization ?? "") as Record<string, [number, number]>;
    const weightOf = (name: string): Tensor => {
      const [least, step] = quantization[name] as [number, number];
      return (tensors.get(name) as Tensor).to("float32").mul(step).add(least);
    };
    const names = [
      "Conv1",
      ...blocks.flatMap(({ name, widens }) =>
        [...(widens ? ["expand"] : []), "depthwise", "project"].map((part) => `${name}_${part}`),
      ),
    ];
    return names.map((name): [string, Convolution] => {
      const isDepthwise = name.endsWith("_depthwise");
      const kernel = weightOf(`${name}/${isDepthwise ? "depthwise_kernel" : "kernel"}`); // [k, k, I, O], or [k, k, O, 1]
      const normalization = name === "Conv1" ? "bn_Conv1" : `${name}_BN`;
      const [gamma, beta, mean, variance] = ["gamma", "beta", "moving_mean", "moving_variance"].map((part) =>
        weightOf(`${normalization}/${part}`),
      ) as [Tensor, Tensor, Tensor, Tensor];
      // γ (w * x - μ) / √(σ² + ε) + β
      const scale = gamma.mul(variance.add(epsilon).rsqrt());
      const weight = kernel
        .permute(isDepthwise ? [2, 3, 0, 1] : [3, 2, 0, 1])
        .mul(scale.reshape([-1, 1, 1, 1]));
      const bias = beta.sub(mean.mul(scale));
      return [
        name,
        { weight: weight.contiguous().toDevice(device).keep(), bias: bias.toDevice(device).keep() },
      ];
    });
  });
  return new Map(convolutions);
}
