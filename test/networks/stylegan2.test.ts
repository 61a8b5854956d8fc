import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportOnnx } from "../../src/interop/onnx/export.js";
import { StyleGan2Discriminator, StyleGan2Generator } from "../../src/networks/stylegan2.js";
import { noGrad } from "../../src/torch/autograd.js";
import type { Module } from "../../src/torch/module.js";
import { ones } from "../../src/torch/ops.js";
import { scope } from "../../src/torch/scope.js";
import { nvidiaFixtureConfig } from "../helpers.js";

const channels = 4;
const config = {
  ...nvidiaFixtureConfig,
  resolution: 8,
  channelBase: 32,
  channelMax: channels,
  convClamp: 256,
};

/** Sets entries of a state dictionary to one value each; all other weights and biases become zero. */
function fill(module: Module, values: Readonly<Record<string, number>>): void {
  noGrad(() =>
    scope(() => {
      for (const [name, tensor] of module.stateDict())
        if (/weight$|bias$/.test(name)) tensor.detach().fill_(values[name] ?? 0);
    }),
  );
}

describe("activations end at convClamp, after the gain of the leaky ReLU", () => {
  let G: StyleGan2Generator;
  beforeAll(() => {
    G = scope(() => new StyleGan2Generator(config));
    // The last layer is lrelu(300) √2 = 424 everywhere; its image is the mean of the channels, over 256.
    fill(G, {
      "synthesis.b8.conv1.affine.bias": 1,
      "synthesis.b8.conv1.bias": 300,
      "synthesis.b8.torgb.affine.bias": 1,
      "synthesis.b8.torgb.weight": 1 / (Math.sqrt(channels) * 256),
    });
  });
  afterAll(() => G.dispose());

  it("in a layer of the generator", () =>
    scope(() => {
      const image = noGrad(() => G.synthesize(ones([1, G.numWs, G.wDim]), { noiseMode: "none" }));
      for (const value of image.toFloat32Array()) expect(value).toBeCloseTo(1, 5);
    }));

  it("in its ONNX model", async () => {
    const description = { architecture: "stylegan2", config } as const;
    const { synthesis } = exportOnnx(G, { description, classNames: [], precision: "float32", version: "0" });
    const session = await InferenceSession.create(synthesis);
    const ws = new OrtTensor("float32", new Float32Array(G.numWs * G.wDim), [1, G.numWs, G.wDim]);
    const { image } = await session.run({ ws, noise: new OrtTensor("float32", [0], []) });
    for (const value of image!.data as Float32Array) expect(value).toBeCloseTo(1, 5);
  });

  // With the gain of a residual branch: test/layers/equalized.test.ts.
  it("in a layer of the discriminator", () => {
    const D = scope(() => new StyleGan2Discriminator(config));
    fill(D, { "b4.conv.bias": 300, "b4.fc.weight": 1, "b4.out.weight": 1 });
    const logits = scope(() => noGrad(() => D.forward(ones([1, 3, 8, 8]), null).item()));
    D.dispose();
    const inputs = channels * 16;
    const fc = (256 * inputs * Math.SQRT2) / Math.sqrt(inputs);
    expect(logits / ((fc * channels) / Math.sqrt(channels))).toBeCloseTo(1, 5);
  });
});
