// ProGAN against plain loops: no reference implementation's values are at hand.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ProGanDiscriminator, ProGanGenerator, proganConfigSchema } from "../../src/networks/progan.js";
import { UserError } from "../../src/system/errors.js";
import type { Module } from "../../src/torch/module.js";
import { scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import {
  doubles,
  expectNear,
  type Images,
  imagesOf,
  inDoublePrecision,
  naiveConv,
  sampleTensor,
} from "../torch/numeric.js";

const config = proganConfigSchema.parse({
  resolution: 8,
  zDim: 3,
  cDim: 0,
  channelBase: 16, // 4 channels at 4x4, 2 at 8x8
  channelMax: 4,
  mbstdGroupSize: 2,
  mbstdNumFeatures: 2,
  fromRgbActivation: "lrelu",
});

let G: ProGanGenerator;
let D: ProGanDiscriminator;

beforeAll(() => {
  G = inDoublePrecision(
    scope(() => new ProGanGenerator(config)),
    1,
  );
  D = inDoublePrecision(
    scope(() => new ProGanDiscriminator(config)),
    100,
  );
});

afterAll(() => {
  G.dispose();
  D.dispose();
});

// ---- plain arithmetic ----

function make(shape: Images["shape"], at: (n: number, c: number, y: number, x: number) => number): Images {
  const [n, c, h, w] = shape;
  const values = Float64Array.from({ length: n * c * h * w }, (_, i) =>
    at(Math.floor(i / (c * h * w)), Math.floor(i / (h * w)) % c, Math.floor(i / w) % h, i % w),
  );
  return { shape, values };
}

function at(
  { shape: [, channels, h, w], values }: Images,
  n: number,
  c: number,
  y: number,
  x: number,
): number {
  return values[((n * channels + c) * h + y) * w + x] as number;
}

function parameterOf(module: Module, name: string): Tensor {
  const parameter = module.stateDict().get(name);
  if (!parameter) throw new Error(`no ${name}`);
  return parameter;
}

/** Convolution with He's constant √2 / √fan-in, or another gain, and the bias. */
function conv(module: Module, name: string, x: Images, gain = Math.SQRT2): Images {
  const weight = imagesOf(parameterOf(module, `${name}.weight`));
  const bias = doubles(parameterOf(module, `${name}.bias`));
  const [, i, k] = weight.shape;
  const y = naiveConv(x, weight, { padding: (k - 1) / 2 });
  return make(y.shape, (...p) => (gain / Math.sqrt(i * k * k)) * at(y, ...p) + (bias[p[1]] as number));
}

/** weight · x · gain / √I + bias for rows x. */
function dense(module: Module, name: string, rows: number[][], gain = Math.SQRT2): number[][] {
  const weight = doubles(parameterOf(module, `${name}.weight`));
  const bias = doubles(parameterOf(module, `${name}.bias`));
  return rows.map((row) =>
    [...bias].map(
      (b, o) =>
        b +
        (gain / Math.sqrt(row.length)) *
          row.reduce((sum, v, i) => sum + v * (weight[o * row.length + i] as number), 0),
    ),
  );
}

const leaky = (value: number) => (value < 0 ? 0.2 * value : value);
const activated = (x: Images): Images => make(x.shape, (...p) => leaky(at(x, ...p)));

function normalized(x: Images): Images {
  const channels = x.shape[1];
  return make(x.shape, (n, c, y, column) => {
    let square = 0;
    for (let i = 0; i < channels; i++) square += at(x, n, i, y, column) ** 2;
    return at(x, n, c, y, column) / Math.sqrt(square / channels + 1e-8);
  });
}

function doubled(x: Images): Images {
  const [n, c, h, w] = x.shape;
  return make([n, c, 2 * h, 2 * w], (a, b, y, column) => at(x, a, b, y >> 1, column >> 1));
}

function halved(x: Images): Images {
  const [n, c, h, w] = x.shape;
  return make([n, c, h / 2, w / 2], (a, b, y, column) => {
    let sum = 0;
    for (const dy of [0, 1]) for (const dx of [0, 1]) sum += at(x, a, b, 2 * y + dy, 2 * column + dx);
    return sum / 4;
  });
}

function mixed(from: Images, to: Images, alpha: number): Images {
  return make(from.shape, (...p) => (1 - alpha) * at(from, ...p) + alpha * at(to, ...p));
}

function generate(z: Images, alpha: number): Images {
  const unit = normalized(z);
  const [n, zDim] = z.shape;
  const weight = doubles(parameterOf(G, "init_block.dense.weight"));
  const bias = doubles(parameterOf(G, "init_block.dense.bias"));
  const first = make([n, 4, 4, 4], (a, c, y, x) => {
    let sum = 0;
    for (let i = 0; i < zDim; i++)
      sum += at(unit, a, i, 0, 0) * (weight[((y * 4 + x) * 4 + c) * zDim + i] as number);
    return (Math.SQRT2 / Math.sqrt(16 * zDim)) * sum + (bias[c] as number);
  });
  const block = (name: string, x: Images) => normalized(activated(conv(G, name, x)));
  const x4 = block("init_block.conv", normalized(activated(first)));
  const x8 = block("blocks.0.conv1", block("blocks.0.conv0_up", doubled(x4)));
  return mixed(doubled(conv(G, "to_rgb.0", x4, 1)), conv(G, "to_rgb.1", x8, 1), alpha);
}

function judge(images: Images, alpha: number): number[] {
  const layer = (name: string, x: Images) => activated(conv(D, name, x));
  const convolved = conv(D, "blocks.0.conv1_down", layer("blocks.0.conv0", layer("from_rgb.0", images)));
  const x = mixed(layer("from_rgb.1", halved(images)), activated(halved(convolved)), alpha);
  const [n, c] = x.shape;
  // Two features of standard deviation, each of half of the channels; samples n and n + 2 are one group.
  const deviations = (a: number, feature: number) => {
    let total = 0;
    for (let b = feature * 2; b < feature * 2 + 2; b++)
      for (let p = 0; p < 16; p++) {
        const difference = (at(x, a % 2, b, p >> 2, p & 3) - at(x, (a % 2) + 2, b, p >> 2, p & 3)) / 2;
        total += Math.sqrt(difference ** 2 + 1e-8);
      }
    return total / 32;
  };
  const withDeviation = make([n, c + 2, 4, 4], (a, b, y, column) =>
    b < c ? at(x, a, b, y, column) : deviations(a, b - c),
  );
  const last = layer("final_block.conv", withDeviation);
  const rows = Array.from({ length: n }, (_, a) => [...last.values.subarray(a * c * 16, (a + 1) * c * 16)]);
  const hidden = dense(D, "final_block.dense0", rows).map((row) => row.map(leaky));
  return dense(D, "final_block.dense1", hidden, 1).flat();
}

describe("against plain loops", () => {
  it.each([0, 0.3, 1])("the generator with alpha %d", (alpha) =>
    scope(() => {
      const z = sampleTensor([2, 3], 5);
      G.setGrowth({ level: 3, alpha });
      const images = G.synthesize(G.map(z, null), { noiseMode: "const" });
      expect(images.shape).toEqual([2, 3, 8, 8]);
      expectNear(doubles(images), generate(imagesOf(z.reshape([2, 3, 1, 1])), alpha).values, 1e-10);
    }),
  );

  it.each([0, 0.3, 1])("the discriminator with alpha %d", (alpha) =>
    scope(() => {
      const images = sampleTensor([4, 3, 8, 8], 6);
      D.setGrowth({ level: 3, alpha });
      expectNear(doubles(D.forward(images, null)), judge(imagesOf(images), alpha), 1e-10);
    }),
  );
});

describe("the latent", () => {
  it("is its own w, of which only the direction counts", () =>
    scope(() => {
      const z = sampleTensor([2, 3], 5);
      const ws = G.map(z, null, { truncationPsi: 1, truncationCutoff: 8 });
      expect(ws.shape).toEqual([2, 1, 3]);
      expect([G.numWs, G.wDim]).toEqual([1, 3]);
      expect(doubles(ws)).toEqual(doubles(z));
      const images = (latents: Tensor) => doubles(G.synthesize(latents, { noiseMode: "none" }));
      expectNear(images(ws.mul(50)), images(ws), 1e-6);
    }));

  it("cannot be truncated", () =>
    scope(() => {
      const truncated = () => G.map(sampleTensor([2, 3], 5), null, { truncationPsi: 0.7 });
      expect(truncated).toThrow(UserError);
      expect(truncated).toThrow(
        "truncation 0.7 is not possible: it moves w towards its mean, and ProGAN has no w; use 1",
      );
    }));
});

it("a number of standard deviations that does not divide the channels is refused", () => {
  expect(() => scope(() => new ProGanDiscriminator({ ...config, mbstdNumFeatures: 3 }))).toThrow(
    "mbstdNumFeatures is 3, expected a divisor of the 4 channels at 4x4",
  );
});
