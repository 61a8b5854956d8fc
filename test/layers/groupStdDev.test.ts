import { describe, expect, it } from "vitest";
import { groupStdDev } from "../../src/layers/groupStdDev.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { checkGradients, doubles, expectNear, imagesOf, leaf, sampleTensor } from "../torch/numeric.js";

/** The batch as `group` rows of consecutive elements, in contiguous layout. */
function naive({ values }: { values: Float64Array }, group: number): number {
  const columns = values.length / group;
  let total = 0;
  for (let column = 0; column < columns; column++) {
    const members = Array.from({ length: group }, (_, row) => values[row * columns + column] as number);
    const mean = members.reduce((sum, value) => sum + value, 0) / group;
    const squares = members.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    total += Math.sqrt(squares / (group - 1) + 1e-8);
  }
  return total / columns;
}

describe("groupStdDev", () => {
  it.each([
    { n: 4, group: 4 },
    { n: 8, group: 4 },
    { n: 6, group: 2 },
    { n: 3, group: 4 }, // the batch is smaller than the group: one group of all
  ])("batch $n in groups of $group, against plain loops, in both layouts", ({ n, group }) =>
    scope(() => {
      const x = sampleTensor([n, 3, 2, 4], n);
      const wanted = naive(imagesOf(x), Math.min(group, n));
      for (const layout of ["contiguous", "channelsLast"] as const) {
        const y = groupStdDev(x.contiguous(layout), { groupSize: group });
        expect(y.shape).toEqual([n, 4, 2, 4]);
        expectNear(doubles(y.narrow(1, 0, 3)), doubles(x), 1e-15);
        expectNear(doubles(y.narrow(1, 3, 1)), new Float64Array(n * 8).fill(wanted), 1e-12);
      }
    }),
  );

  it("a single sample deviates by nothing", () =>
    scope(() => {
      const y = groupStdDev(sampleTensor([1, 3, 2, 2], 1), { groupSize: 4 });
      expectNear(doubles(y.narrow(1, 3, 1)), [1e-4, 1e-4, 1e-4, 1e-4], 1e-12);
    }));

  it("refuses a batch that is no multiple of the group", () => {
    const before = liveTensors();
    const x = sampleTensor([6, 3, 2, 2], 1);
    expect(() => groupStdDev(x, { groupSize: 4 })).toThrow(/batch 6 is not a multiple of the group 4/);
    x.dispose();
    expect(liveTensors()).toBe(before);
  });

  it("gradients of first and second order", () =>
    scope(() => {
      const x = leaf([4, 2, 2, 2], 1);
      checkGradients(() => groupStdDev(x, { groupSize: 2 }).square(), [x], { order: 2 });
    }));
});
