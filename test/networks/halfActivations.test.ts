// StyleGAN2 with bfloat16 activations in its largest layers, as a GPU trains it with --precision bfloat16: the same
// networks and losses to within bfloat16's rounding. Here on the CPU, without the kernels, which want float32.

import { afterEach, beforeEach, expect, it } from "vitest";
import { pathLengthPenalty } from "../../src/losses/pathLength.js";
import { r1Penalty } from "../../src/losses/penalties.js";
import {
  createDiscriminator,
  createGenerator,
  type NetworkDescription,
} from "../../src/networks/registry.js";
import { backward } from "../../src/torch/autograd.js";
import { FlatParameters } from "../../src/torch/flat.js";
import { enableKernels } from "../../src/torch/kernels.js";
import { zeros } from "../../src/torch/ops.js";
import { activationsFor, type Precision, withPrecision } from "../../src/torch/precision.js";
import { manualSeed, randn } from "../../src/torch/random.js";
import { scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { nvidiaFixtureConfig } from "../helpers.js";
import { doubles } from "../torch/numeric.js";

const description: NetworkDescription = {
  architecture: "stylegan2",
  config: { ...nvidiaFixtureConfig, resolution: 64, channelBase: 1024, channelMax: 32 },
};

let kernels: boolean;
beforeEach(() => {
  kernels = enableKernels(false);
});
afterEach(() => {
  enableKernels(kernels);
});

/** Images, logits, penalties, and the gradients of all parameters by them. */
function everything(
  precision: Precision,
  { halfActivations }: { halfActivations: boolean },
): Record<string, Float64Array> {
  manualSeed(2);
  const [G, D] = [createGenerator(description), createDiscriminator(description)];
  const [ofG, ofD] = [new FlatParameters(G), new FlatParameters(D)];
  const [z, reals, noise] = [randn([4, G.zDim]), randn([4, 3, 64, 64]).mul(0.5), randn([4, 3, 64, 64])];
  const fakes = () => {
    const ws = G.map(z, null);
    return { ws, images: G.synthesize(ws, { noiseMode: "const" }) };
  };
  const r1 = () => {
    const images = reals.detach().setRequiresGrad(true);
    return r1Penalty(D.forward(images, null), images);
  };
  const pathLengths = () => pathLengthPenalty({ ...fakes(), noise, mean: zeros([]), decay: 0.01 }).penalty;
  const gradients = (loss: Tensor, flat: FlatParameters) => {
    backward(loss, flat.parameters);
    return doubles(flat.takeGradients());
  };
  const result = withPrecision(
    precision,
    () =>
      scope(() => {
        const { images } = fakes();
        const logits = D.forward(images, null);
        expect([images.dtype, logits.dtype]).toEqual(["float32", "float32"]);
        return {
          images: doubles(images),
          logits: doubles(logits),
          r1: doubles(r1()),
          pathLengths: doubles(pathLengths()),
          "gradients of the logits": gradients(logits.sum(), ofG),
          "gradients of R1": gradients(r1().mean(), ofD),
          "gradients of path lengths": gradients(pathLengths().mean(), ofG),
        };
      }),
    { halfActivations },
  );
  for (const owner of [ofG, ofD, G, D, z, reals, noise]) owner.dispose();
  return result;
}

function relativeError(actual: Float64Array, wanted: Float64Array): number {
  const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
  return norm(actual.map((value, i) => value - (wanted[i] as number))) / norm(wanted);
}

// Convolutions in bfloat16 with float32 activations are what training on a CPU does. Rounding the activations as well
// may add to their error, not exceed it by far.
it("gives what float32 gives, to within rounding, gradients of both orders included", () => {
  const full = everything("float32", { halfActivations: false });
  const convolutions = everything("bfloat16", { halfActivations: false });
  const half = everything("bfloat16", { halfActivations: true });
  for (const [name, wanted] of Object.entries(full)) {
    const error = relativeError(half[name] as Float64Array, wanted);
    const ofConvolutions = relativeError(convolutions[name] as Float64Array, wanted);
    expect(error, name).not.toBe(ofConvolutions);
    expect(error, name).toBeLessThan(3 * ofConvolutions);
    expect(error, name).toBeLessThan(0.3);
  }
});

it("is for the four largest resolutions, and only where asked for", () =>
  scope(() => {
    const x = zeros([1]);
    const types = () => [4, 8, 64].map((resolution) => activationsFor(x, { resolution, of: 64 }).dtype);
    expect(types()).toEqual(["float32", "float32", "float32"]);
    const smallest = () => [4, 8].map((resolution) => activationsFor(x, { resolution, of: 8 }).dtype);
    expect(withPrecision("bfloat16", smallest, { halfActivations: true })).toEqual(["float32", "bfloat16"]);
    expect(withPrecision("bfloat16", types)).toEqual(["float32", "float32", "float32"]);
    expect(withPrecision("bfloat16", types, { halfActivations: true })).toEqual([
      "float32",
      "bfloat16",
      "bfloat16",
    ]);
    expect(withPrecision("float32", types, { halfActivations: true })).toEqual([
      "float32",
      "float32",
      "float32",
    ]);
  }));
