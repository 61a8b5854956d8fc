import { afterEach, describe, expect, it } from "vitest";
import { type AffineActivationOptions, affineActivation } from "../../src/layers/activation.js";
import { demodulation, withEnergy } from "../../src/layers/modulatedConv.js";
import { blur, downsample2d, firFilter, upsample2d } from "../../src/layers/resample.js";
import { Adam } from "../../src/torch/adam.js";
import { grad, noGrad } from "../../src/torch/autograd.js";
import { FlatParameters } from "../../src/torch/flat.js";
import { enableKernels } from "../../src/torch/kernels.js";
import { Module } from "../../src/torch/module.js";
import { conv2d, convTranspose2d } from "../../src/torch/ops.js";
import { scope } from "../../src/torch/scope.js";
import { type Shape, type Tensor, tensor } from "../../src/torch/tensor.js";
import { checkGradients, doubles, expectNear, leaf, sample, sampleTensor } from "../torch/numeric.js";

afterEach(() => {
  enableKernels(true);
});

function projected(y: Tensor, seed: number): Tensor {
  return y.mul(sampleTensor(y.shape, seed).to(y.dtype)).sum();
}

/** Values, gradients and gradients of gradients of `f`, with and without the kernels. */
function expectSame(f: (inputs: Tensor[]) => Tensor, shapes: readonly Shape[], dtype: "float32" | "float64") {
  // Sums of many numbers of both signs keep few digits in float32; float64 shows that the formulas agree.
  const tolerance = dtype === "float64" ? 1e-11 : 2e-3;
  const results = [true, false].map((on) =>
    scope(() => {
      enableKernels(on);
      const inputs = shapes.map((shape, i) =>
        sampleTensor(shape, i + 1)
          .to(dtype)
          .setRequiresGrad(true),
      );
      const y = f(inputs);
      const first = grad([projected(y, 50)], inputs, {});
      const again = grad([projected(f(inputs), 50)], inputs, { createGraph: true });
      const sum = again.map((gradient, i) => projected(gradient, 60 + i)).reduce((a, b) => a.add(b));
      const linear = !sum.requiresGrad;
      const second = linear ? [] : grad([sum.add(projected(f(inputs), 70))], inputs, {});
      return [y, ...first, ...again, ...second].map(doubles);
    }),
  );
  const [kernels, reference] = results as [Float64Array[], Float64Array[]];
  expect(kernels.length).toBe(reference.length);
  for (const [i, wanted] of reference.entries()) expectNear(kernels[i] as Float64Array, wanted, tolerance);
}

describe("affineActivation: the kernel equals the composition", () => {
  const constants = { scaleGain: 1.3, biasGain: 0.7, noiseGain: 1.1 };
  const cases: [string, AffineActivationOptions][] = [
    ["linear", {}],
    ["leaky ReLU", { activation: "lrelu" }],
    ["clamped", { clamp: 0.4 }],
    ["leaky ReLU, clamped", { activation: "lrelu", clamp: 0.3 }],
  ];
  for (const dtype of ["float32", "float64"] as const)
    it.each(cases)(`${dtype}, all operands: %s`, (_, options) => {
      for (const channels of [1, 3, 17, 40])
        for (const noiseSamples of [1, 2]) {
          const shapes = [[2, channels, 3, 5], [2, channels], [channels], [noiseSamples, 1, 3, 5], [1]];
          expectSame(
            ([x, scale, bias, noise, noiseStrength]) =>
              affineActivation(x as Tensor, { ...constants, ...options, scale, bias, noise, noiseStrength }),
            shapes,
            dtype,
          );
        }
    });

  it.each([
    ["scale", [2, 5], (scale: Tensor) => ({ scale })],
    ["bias", [5], (bias: Tensor) => ({ bias, activation: "lrelu" as const })],
  ])("%s alone", (_, shape, options) => {
    expectSame(
      ([x, operand]) => {
        const y = affineActivation(x as Tensor, options(operand as Tensor));
        return y.mul(y); // so that the second order is not zero
      },
      [[2, 5, 4, 3], shape],
      "float64",
    );
  });

  it("more channels than a block, more pixels than a part, and any layout of x", () =>
    scope(() => {
      for (const [channels, side] of [
        [1100, 2],
        [300, 20],
      ] as const) {
        const x = sampleTensor([2, channels, side, side], 1);
        const bias = sampleTensor([channels], 2);
        const scale = sampleTensor([2, channels], 3);
        const both = [x, x.contiguous("channelsLast")].map((input) =>
          doubles(affineActivation(input, { bias, scale, activation: "lrelu", clamp: 1 })),
        );
        enableKernels(false);
        const wanted = doubles(affineActivation(x, { bias, scale, activation: "lrelu", clamp: 1 }));
        enableKernels(true);
        for (const result of both) expectNear(result, wanted, 1e-12);
      }
    }));

  it.each([
    ["without a scale", false],
    ["with a scale", true],
  ])("gives the same gradients when the result may take x's place, %s", (_, scaled) => {
    const options = { overwrite: true, scaleGain: 1.3, activation: "lrelu", clamp: 1.5 } as const;
    expectSame(
      ([x, bias, scale]) => {
        const own = (x as Tensor).mul(scale as Tensor); // not a leaf
        const y = affineActivation(own.contiguous("channelsLast"), {
          ...options,
          bias,
          ...(scaled ? { scale: (scale as Tensor).reshape([1, 5]).expand([2, 5]) } : {}),
        });
        return y.mul(y);
      },
      [[2, 5, 4, 3], [5], [1, 5, 1, 1]],
      "float64",
    );
  });

  it("takes x's place only when told, and when neither a gradient nor a larger tensor needs x", () =>
    scope(() => {
      const bias = sampleTensor([4], 1);
      const scale = sampleTensor([2, 4], 2).setRequiresGrad(true);
      const fresh = () => sampleTensor([2, 4, 3, 3], 3).contiguous("channelsLast");
      /** Whether x has the values of the result afterwards. */
      const overwritten = (x: Tensor, options: AffineActivationOptions) => {
        const y = affineActivation(x, { bias, ...options });
        return doubles(x).every((value, i) => value === doubles(y)[i]);
      };
      expect(overwritten(fresh(), { overwrite: true })).toBe(true);
      expect(overwritten(fresh(), {})).toBe(false);
      expect(overwritten(fresh(), { overwrite: true, scale })).toBe(false);
      expect(noGrad(() => overwritten(fresh(), { overwrite: true, scale }))).toBe(true);
      expect(overwritten(fresh().setRequiresGrad(true), { overwrite: true })).toBe(false);
      expect(overwritten(fresh().narrow(0, 0, 1), { overwrite: true })).toBe(false);
    }));

  it("names the operand that does not fit", () =>
    scope(() => {
      const x = sampleTensor([2, 4, 3, 3], 1);
      expect(() => affineActivation(x, { bias: sampleTensor([3], 2) })).toThrow(
        /bias has shape \[3\], expected \[4\]/,
      );
    }));
});

describe("resampling: the kernel equals the depthwise convolutions", () => {
  const uneven = [1, 2, 4, 3];
  for (const dtype of ["float32", "float64"] as const)
    for (const channels of [1, 3, 20])
      it.each([
        ["up", (x: Tensor, filter: Tensor) => upsample2d(x, filter)],
        ["down", (x: Tensor, filter: Tensor) => downsample2d(x, filter)],
        ["blur, cut", (x: Tensor, filter: Tensor) => blur(x, filter, { padding: 1, gain: 4 })],
        ["blur, padded", (x: Tensor, filter: Tensor) => blur(x, filter, { padding: 2 })],
      ])(`${dtype}, ${channels} channels: %s`, (_, resample) => {
        expectSame(
          ([x]) => {
            const filter = firFilter(uneven).to(dtype);
            // Multiplied with itself, so that the second order is not zero.
            const y = resample(x as Tensor, filter);
            return y.mul(y);
          },
          [[2, channels, 6, 8]],
          dtype,
        );
      });
});

describe("a weight's energy: the kernel equals the composition, in both layouts of the weight", () => {
  const layouts = { "as it is": [0, 1, 2, 3], transposed: [1, 0, 2, 3] };
  const uses: Record<string, (weight: Tensor, demodulated: Tensor, styles: Tensor) => Tensor> = {
    "energy alone": (_, demodulated) => demodulated,
    "weight alone": (weight, _, styles) => weight.square().mul(styles.sum()),
    both: (weight, demodulated) =>
      weight
        .square()
        .sum([2, 3])
        .add(demodulated.sum([0])),
  };
  for (const [order, axes] of Object.entries(layouts))
    it.each(Object.entries(uses))(`${order}, %s`, (_, use) =>
      expectSame(
        ([w, styles]) => {
          const { weight, energy } = withEnergy((w as Tensor).permute(axes));
          return use(weight, demodulation(energy, styles as Tensor), styles as Tensor);
        },
        [
          [5, 5, 3, 3],
          [2, 5],
        ],
        "float64",
      ),
    );
});

describe("convolutions are their own derivatives", () => {
  it.each([
    { stride: 1, padding: 1, k: 3 },
    { stride: 1, padding: 0, k: 1 },
    { stride: 2, padding: 0, k: 3 },
    { stride: 2, padding: 1, k: 4 },
  ])("gradients of both orders: kernel $k, stride $stride, padding $padding", ({ stride, padding, k }) =>
    scope(() => {
      // An even side: at stride 2 the last row of the input meets no kernel.
      const x = leaf([2, 3, 6, 6], 1);
      const weight = leaf([4, 3, k, k], 2);
      checkGradients(() => conv2d(x, weight, { stride, padding }), [x, weight], { order: 2 });
      const y = leaf([2, 4, 3, 3], 3);
      checkGradients(() => convTranspose2d(y, weight, { stride, padding }), [y, weight], { order: 2 });
    }),
  );

  it("a gradient that nobody asks for is not computed", () =>
    scope(() => {
      const x = leaf([1, 2, 4, 4], 1);
      const weight = sampleTensor([3, 2, 3, 3], 2);
      const [gradient] = grad([conv2d(x, weight, { padding: 1 }).sum()], [x], { createGraph: true });
      expect(gradient?.requiresGrad).toBe(false); // linear in x: nothing is left to differentiate
    }));
});

class Numbers extends Module {
  readonly values: Tensor;

  constructor(values: ArrayLike<number>) {
    super();
    this.values = this.parameter("values", tensor(Float32Array.from(values)));
  }
}

it.each([
  ["with a first moment", 0.9],
  ["without", 0],
])("Adam's kernel equals the composition, gradients that are no numbers included: %s", (_, beta1) => {
  const count = 1000;
  const results = [true, false].map((on) => {
    enableKernels(on);
    const module = new Numbers(sample([count], 1));
    const flat = new FlatParameters(module);
    const adam = new Adam(flat, { lr: 0.01, beta1, beta2: 0.99, eps: 1e-8 });
    for (let step = 0; step < 3; step++) {
      const gradients = sample([count], 10 + step).map((value) => value * 10);
      [gradients[3], gradients[4], gradients[5], gradients[6]] = [
        Number.NaN,
        1e30,
        Number.NEGATIVE_INFINITY,
        0,
      ];
      const [parameter] = flat.parameters as [Tensor];
      scope(() => parameter.setGrad(tensor(Float32Array.from(gradients))));
      adam.step({ gradientScale: 0.25 });
      expect(scope(() => parameter.grad())).toBeNull();
    }
    expect(adam.firstMoment === undefined).toBe(beta1 === 0);
    const all = [flat.values, adam.firstMoment ?? flat.values, adam.secondMoment].map(doubles);
    for (const owner of [adam, flat, module]) owner.dispose();
    return all;
  });
  const [kernel, reference] = results as [Float64Array[], Float64Array[]];
  for (const [i, wanted] of reference.entries()) expectNear(kernel[i] as Float64Array, wanted, 1e-6);
});
