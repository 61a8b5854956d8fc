// FID, KID, precision, recall and IS against the reference implementation, on features that it gave.

import { describe, expect, it } from "vitest";
import { frechetDistance } from "../../src/metrics/frechet.js";
import { inceptionScore } from "../../src/metrics/inceptionScore.js";
import { drawSubsets, kernelDistance } from "../../src/metrics/kernel.js";
import { Moments } from "../../src/metrics/moments.js";
import { precisionAndRecall } from "../../src/metrics/precisionRecall.js";
import { createRandom } from "../../src/system/random.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { fixtureJson, fixtureTensors, relativeError } from "../helpers.js";

const expected = fixtureTensors("metrics.expected.safetensors");
const { fixed_images: values } = fixtureJson<{ fixed_images: Record<string, number> }>("metrics.json");
const value = (name: string) => values[name] as number;

function momentsOf(features: Tensor, batch: number): Moments {
  const moments = new Moments();
  for (let start = 0; start < features.size(0); start += batch)
    scope(() => moments.add(features.narrow(0, start, Math.min(batch, features.size(0) - start))));
  return moments;
}

const gaussians = () =>
  scope(() => (["A", "B"] as const).map((set) => momentsOf(expected(`features.${set}`), 100).gaussian())) as [
    ReturnType<Moments["gaussian"]>,
    ReturnType<Moments["gaussian"]>,
  ];

function expectRelative(actual: number, wanted: number, tolerance: number): void {
  expect(Math.abs(actual / wanted - 1)).toBeLessThan(tolerance);
}

describe("FID", () => {
  it("has the reference's mean and covariance, whatever the batches", () =>
    scope(() => {
      for (const [i, set] of ["A", "B"].entries()) {
        const { mean, covariance } = gaussians()[i]!;
        expect(relativeError(mean, expected(`mean.${set}`))).toBeLessThan(1e-6);
        expect(relativeError(covariance, expected(`cov.${set}`))).toBeLessThan(1e-6);
      }
    }));

  it("is the reference's distance, and 0 between equal sets", () =>
    scope(() => {
      const [a, b] = gaussians();
      expectRelative(frechetDistance(a, b), value("fid"), 1e-6);
      expectRelative(frechetDistance(b, a), value("fid"), 1e-6);
      expect(Math.abs(frechetDistance(a, a))).toBeLessThan(1e-10);
    }));

  it("is right where there are fewer pictures than features", () =>
    scope(() => {
      // Diagonal and singular: (√4 - √1)² + (√0 - √9)² + |(1, 0) - (0, 2)|².
      const gaussian = (mean: number[], variances: [number, number]) => ({
        mean: tensor(mean, [2], "float64"),
        covariance: tensor([variances[0], 0, 0, variances[1]], [2, 2], "float64"),
      });
      expect(frechetDistance(gaussian([1, 0], [4, 0]), gaussian([0, 2], [1, 9]))).toBeCloseTo(1 + 9 + 5, 12);
    }));
});

describe("KID", () => {
  it("is the reference's estimate on its subsets", () => {
    const indices = (name: string) => {
      const all = Array.from(expected(name).toArray() as BigInt64Array, Number);
      return Array.from({ length: 8 }, (_, i) => all.slice(i * 100, (i + 1) * 100));
    };
    const [real, fake] = [indices("kid.indices_A"), indices("kid.indices_B")];
    const subsets = real.map((subset, i) => ({ real: subset, fake: fake[i]! }));
    const kid = kernelDistance(expected("features.A"), expected("features.B"), subsets);
    expectRelative(kid, value("kid"), 1e-4);
  });

  it("is the reference's estimate on all pictures", () => {
    const all = Array.from({ length: 512 }, (_, i) => i);
    const kid = (type: "float32" | "float64") =>
      scope(() => {
        const [real, fake] = ["A", "B"].map((set) => expected(`features.${set}`).to(type)) as [
          Tensor,
          Tensor,
        ];
        return kernelDistance(real, fake, [{ real: all, fake: all }]);
      });
    // The reference sums 262,144 values in float32: its own rounding is 1.4e-4 of what float64 gives.
    expectRelative(kid("float64"), value("kid_all"), 2e-4);
    expectRelative(kid("float32"), kid("float64"), 1e-6);
  });

  it("draws subsets without repetition, as large as the smaller set at most", () => {
    const random = createRandom(1, 0);
    const subsets = drawSubsets({ real: 7, fake: 30 }, { subsets: 50, largest: 1000, random });
    expect(subsets).toHaveLength(50);
    for (const { real, fake } of subsets) {
      expect([...real].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
      expect(new Set(fake).size).toBe(7);
      expect(Math.max(...fake)).toBeLessThan(30);
    }
    // Every picture has its turn, and not always in the same place.
    expect(new Set(subsets.flatMap(({ fake }) => fake)).size).toBe(30);
    expect(new Set(subsets.map(({ real }) => real[0])).size).toBe(7);
  });
});

describe("precision and recall", () => {
  const measured = (half: boolean) =>
    precisionAndRecall(expected("vgg_features.A"), expected("vgg_features.B"), { neighbours: 3, half });

  it("are the reference's, in float32 and rounded to float16 as its program does", () => {
    expect(measured(false)).toEqual({ precision: value("precision"), recall: value("recall") });
    expect(measured(true)).toEqual({ precision: value("precision_half"), recall: value("recall_half") });
  });

  it("are 1 between equal sets and 0 between distant ones", () =>
    scope(() => {
      const set = expected("vgg_features.A");
      const options = { neighbours: 3, half: false };
      expect(precisionAndRecall(set, set, options)).toEqual({ precision: 1, recall: 1 });
      expect(precisionAndRecall(set, set.add(1e4), options)).toEqual({ precision: 0, recall: 0 });
    }));
});

describe("IS", () => {
  it.each(["A", "B"] as const)("is the reference's in 10 parts, of %s", (set) => {
    const { mean, std } = inceptionScore(expected(`probabilities.${set}`), { splits: 10 });
    const suffix = set === "A" ? "_of_A" : "";
    expectRelative(mean, value(`is_mean${suffix}`), 1e-6);
    expectRelative(std, value(`is_std${suffix}`), 1e-5);
  });

  it("is the reference's in one part", () => {
    const { mean, std } = inceptionScore(expected("probabilities.B"), { splits: 1 });
    expectRelative(mean, value("is_mean_1_split"), 1e-6);
    expect(std).toBe(0);
  });

  it("is the number of classes for a classifier that is sure, and 1 for one that always says the same", () =>
    scope(() => {
      expect(inceptionScore(tensor([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]), { splits: 1 }).mean).toBeCloseTo(
        3,
        12,
      );
      expect(inceptionScore(tensor([0.5, 0.5, 0.5, 0.5], [2, 2]), { splits: 1 }).mean).toBeCloseTo(1, 12);
    }));
});

it("measures leave no tensor behind", () => {
  const sets = ["features.A", "vgg_features.B", "probabilities.A"].map(expected) as [Tensor, Tensor, Tensor];
  const before = liveTensors();
  const moments = momentsOf(sets[0], 512);
  const gaussian = moments.gaussian();
  frechetDistance(gaussian, gaussian);
  for (const part of [gaussian.mean, gaussian.covariance, moments]) part.dispose();
  kernelDistance(sets[0], sets[0], [{ real: [1, 2, 3], fake: [4, 5, 6] }]);
  precisionAndRecall(sets[1], sets[1], { neighbours: 3, half: true });
  inceptionScore(sets[2], { splits: 3 });
  expect(liveTensors()).toBe(before);
});
