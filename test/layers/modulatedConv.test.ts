import { describe, expect, it } from "vitest";
import { demodulation, modulatedConv2d, withEnergy } from "../../src/layers/modulatedConv.js";
import { firFilter } from "../../src/layers/resample.js";
import { manualSeed, randn } from "../../src/torch/random.js";
import { scope } from "../../src/torch/scope.js";
import type { Tensor } from "../../src/torch/tensor.js";
import {
  checkGradients,
  doubles,
  expectNear,
  imagesOf,
  leaf,
  naiveConv,
  naiveConvTranspose,
  naiveFilter,
  sampleTensor,
} from "../torch/numeric.js";

/** The weight of sample n as the paper has it: w'_oik = s_i w_oik. [O, I, k, k] */
function scaledWeight(weight: Tensor, styles: Tensor, n: number): Tensor {
  return weight.mul(styles.select(0, n).reshape([1, -1, 1, 1]));
}

describe("modulatedConv2d against one scaled weight per sample", () => {
  it.each([1, 3])("kernel %i", (kernel) =>
    scope(() => {
      const x = sampleTensor([2, 3, 5, 4], 1);
      const weight = sampleTensor([4, 3, kernel, kernel], 2);
      const styles = sampleTensor([2, 3], 3);
      const y = modulatedConv2d(x, { weight, styles });
      for (let n = 0; n < 2; n++) {
        const wanted = naiveConv(imagesOf(x.narrow(0, n, 1)), imagesOf(scaledWeight(weight, styles, n)), {
          padding: (kernel - 1) / 2,
        });
        expectNear(doubles(y.select(0, n)), wanted.values, 1e-12);
      }
    }),
  );

  it("with up-sampling: transposed convolution, then the filter at gain 4", () =>
    scope(() => {
      const x = sampleTensor([2, 3, 3, 4], 1);
      const weight = sampleTensor([4, 3, 3, 3], 2);
      const styles = sampleTensor([2, 3], 3);
      const upFilter = firFilter().to("float64");
      const y = modulatedConv2d(x, { weight, styles, upFilter });
      expect(y.shape).toEqual([2, 4, 6, 8]);
      for (let n = 0; n < 2; n++) {
        const swapped = scaledWeight(weight, styles, n).permute([1, 0, 2, 3]);
        const up = naiveConvTranspose(imagesOf(x.narrow(0, n, 1)), imagesOf(swapped), { stride: 2 });
        const filter = imagesOf(upFilter.reshape([1, 1, 4, 4]));
        const wanted = naiveFilter(up, filter, { before: 1, after: 1, gain: 4 });
        expectNear(doubles(y.select(0, n)), wanted.values, 1e-12);
      }
    }));
});

describe("demodulation", () => {
  it("is 1 / √(Σ s² w² + ε)", () =>
    scope(() => {
      const weight = sampleTensor([4, 3, 3, 3], 2);
      const styles = sampleTensor([2, 3], 3);
      const wanted = [0, 1].flatMap((n) => {
        const w = doubles(scaledWeight(weight, styles, n));
        return [0, 1, 2, 3].map(
          (o) =>
            1 / Math.sqrt(w.subarray(o * 27, (o + 1) * 27).reduce((sum, value) => sum + value ** 2, 1e-8)),
        );
      });
      expectNear(doubles(demodulation(withEnergy(weight).energy, styles)), wanted, 1e-12);
    }));

  it("gives every output channel of every sample unit standard deviation, whatever the styles", () =>
    scope(() => {
      manualSeed(3);
      const size = 48;
      const x = randn([2, 8, size, size]);
      const weight = randn([4, 8, 3, 3]).mul(7);
      const styles = randn([2, 8]).mul(100);
      const scale = demodulation(withEnergy(weight).energy, styles).reshape([2, 4, 1, 1]);
      const y = modulatedConv2d(x, { weight, styles }).mul(scale);
      const inner = y.narrow(2, 1, size - 2).narrow(3, 1, size - 2);
      for (const meanSquare of doubles(inner.square().mean([2, 3]))) {
        expect(Math.sqrt(meanSquare)).toBeGreaterThan(0.9);
        expect(Math.sqrt(meanSquare)).toBeLessThan(1.1);
      }
    }));
});

describe("gradients of first and second order", () => {
  it.each([false, true])("modulated and demodulated convolution, up-sampling: %s", (up) =>
    scope(() => {
      const x = leaf([2, 2, 3, 3], 1);
      const weight = leaf([3, 2, 3, 3], 2);
      const styles = leaf([2, 2], 3);
      const filter = up ? { upFilter: firFilter().to("float64") } : {};
      const f = () => {
        const { weight: same, energy } = withEnergy(weight);
        const y = modulatedConv2d(x, { weight: same, styles, ...filter });
        return y.mul(demodulation(energy, styles).reshape([2, 3, 1, 1]));
      };
      checkGradients(f, [x, weight, styles], { order: 2 });
    }),
  );
});
