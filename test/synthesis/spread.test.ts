import { describe, expect, it } from "vitest";
import { MinimalGenerator, type StyleGan2MinimalConfig } from "../../src/networks/stylegan2Minimal.js";
import { latentsOfSeeds } from "../../src/synthesis/latents.js";
import { latentSpread } from "../../src/synthesis/spread.js";
import { noGrad } from "../../src/torch/autograd.js";
import { manualSeed } from "../../src/torch/random.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { fixtureTensors } from "../helpers.js";
import { fixtureConfig, sourceState } from "../networks/stylegan2Minimal.helpers.js";
import { tinyGenerator } from "./tiny.js";

/** √ of the unbiased variance over the rows of [rows, columns], averaged over columns: in plain numbers. */
function deviation(rows: readonly ArrayLike<number>[]): number {
  const columns = rows[0]?.length ?? 0;
  let sum = 0;
  for (let i = 0; i < columns; i++) {
    const column = rows.map((row) => row[i] as number);
    const mean = column.reduce((total, value) => total + value, 0) / column.length;
    sum += column.reduce((total, value) => total + (value - mean) ** 2, 0) / (column.length - 1);
  }
  return Math.sqrt(sum / columns);
}

/**
 * The standard deviation of w over z that fresh layers give: linear ones keep the mean square of what they get, leaky ReLU
 * of slope a without gain makes it (1 + a²) / 2 as large, and brings two inputs of correlation c to
 * E[φ(u) φ(v)] / E[φ(u)²]. With κ(c) = (√(1 - c²) + c (π - arccos c)) / π, E[φ(u) φ(v)] = a c + (1 - a)² κ(c) / 2.
 * Cho and Saul, "Kernel Methods for Deep Learning" (2009), equations 4 and 6, of which ReLU is the case a = 0.
 */
function freshSpread(layers: number, meanSquareOfZ: number): number {
  const a = 0.2;
  const kept = (1 + a ** 2) / 2;
  let meanSquare = meanSquareOfZ;
  let c = 0;
  for (let i = 0; i < layers; i++) {
    const kappa = (Math.sqrt(1 - c ** 2) + c * (Math.PI - Math.acos(c))) / Math.PI;
    c = (a * c + ((1 - a) ** 2 * kappa) / 2) / kept;
    meanSquare *= kept;
  }
  return Math.sqrt(meanSquare * (1 - c));
}

const published: StyleGan2MinimalConfig = {
  ...fixtureConfig,
  ...{ latentDim: 512, mappingLayers: 8, mappingLrMultiplier: 0.01 },
  ...{ generatorFeatures: 32, discriminatorFeatures: 64, maxFeatures: 512 },
};

function withGenerator(config: StyleGan2MinimalConfig, test: (G: MinimalGenerator) => void): void {
  manualSeed(3);
  const G = scope(() => new MinimalGenerator(config));
  try {
    test(G);
  } finally {
    G.dispose();
  }
}

describe("latentSpread", () => {
  it("is the standard deviation of w, styles and pixels, over latents and over noise", () => {
    const before = liveTensors();
    const G = tinyGenerator("stylegan2-minimal");
    noGrad(() =>
      scope(() => {
        for (const [name, parameter] of G.namedParameters())
          if (name.endsWith("scale_noise")) parameter.detach().fill_(0.3);
        const spread = latentSpread(G, { samples: 5, batch: 2 });
        const ws = G.map(latentsOfSeeds([0, 1, 2, 3, 4], G.zDim), null);
        const rows = ws.unbind(0).map((sample) => sample.select(0, 0).toFloat32Array());
        const pictures = G.synthesize(ws, { noiseMode: "const" }).unbind(0);
        expect(spread.w).toBeCloseTo(deviation(rows), 6);
        expect(spread.pixels).toBeCloseTo(deviation(pictures.map((picture) => picture.toFloat32Array())), 5);
        expect(spread.styles).toHaveLength(G.numWs);
        for (const [i, styles] of spread.styles.entries()) {
          const weights = G.styleAffines().filter(({ wIndex }) => wIndex === i);
          const applied = rows.map((w) =>
            weights.flatMap(({ weight }) =>
              weight
                .unbind(0)
                .map((row) => row.toFloat32Array().reduce((sum, x, k) => sum + x * (w[k] as number), 0)),
            ),
          );
          expect(styles).toBeCloseTo(deviation(applied), 5);
        }
        expect(spread.noise).toBeGreaterThan(0.05);
      }),
    );
    G.dispose();
    expect(liveTensors()).toBe(before);
  });

  it.each(["stylegan2", "stylegan1", "progan"] as const)(
    "of a fresh %s is around 1, and its noise does nothing",
    (name) => {
      const G = tinyGenerator(name, name === "stylegan2" ? 3 : 0);
      const { w, styles, pixels, noise } = latentSpread(G, { samples: 64, batch: 32 });
      G.dispose();
      for (const value of [w, ...styles]) {
        expect(value).toBeGreaterThan(0.1);
        expect(value).toBeLessThan(2);
      }
      expect(styles).toHaveLength(name === "progan" ? 0 : 6);
      expect(pixels).toBeGreaterThan(0.3);
      expect(noise).toBeLessThan(1e-5);
    },
  );
});

describe("the minimal StyleGAN2 as published begins with one picture for every latent", () => {
  it("w and styles differ by 0.0017, as the arithmetic has it, and pixels by a fifth of a grey level", () =>
    withGenerator(published, (G) => {
      const expected = freshSpread(8, 1 / 512);
      expect(expected).toBeCloseTo(0.00174, 5);
      const { w, styles, pixels } = latentSpread(G, { samples: 128, batch: 32 });
      for (const value of [w, ...styles]) expect(value / expected).toBeCloseTo(1, 1);
      expect(pixels).toBeLessThan(1 / 127.5 / 4);
    }));

  it("with z of mean square 1, √512 times as much", () =>
    withGenerator({ ...published, zNorm: "rms" }, (G) => {
      const { w, styles } = latentSpread(G, { samples: 128, batch: 32 });
      for (const value of [w, ...styles]) expect(value / freshSpread(8, 1)).toBeCloseTo(1, 1);
      expect(freshSpread(8, 1) / freshSpread(8, 1 / 512)).toBeCloseTo(Math.sqrt(512), 8);
    }));

  it("the source's own weights and values show the same", () =>
    withGenerator(fixtureConfig, (G) =>
      noGrad(() =>
        scope(() => {
          G.loadStateDict(sourceState("G"));
          const { latentDim, mappingLayers } = fixtureConfig;
          // Layers of 32 elements: the arithmetic holds for wide ones, and roughly here.
          const expected = freshSpread(mappingLayers, 1 / latentDim);
          expect(expected).toBeCloseTo(0.0331, 4);
          const spread = latentSpread(G, { samples: 256, batch: 64 });
          const w = fixtureTensors("labml-minimal.expected.safetensors")("w");
          const own = deviation(w.unbind(0).map((row) => row.toFloat32Array()));
          for (const value of [own, spread.w, ...spread.styles]) {
            expect(value).toBeGreaterThan(expected / 2);
            expect(value).toBeLessThan(expected * 1.25);
          }
          // The affine maps pass on what there is.
          for (const styles of spread.styles) expect(styles / spread.w).toBeCloseTo(1, 1);
        }),
      ),
    ));
});
