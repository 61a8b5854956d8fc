import { describe, expect, it } from "vitest";
import { NearestNeighbours } from "../../src/metrics/nearest.js";
import { pixelFeatures } from "../../src/metrics/pixelFeatures.js";
import { manualSeed, randn } from "../../src/torch/random.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";

describe("the nearest of many", () => {
  it("are those that a look at every pair finds, whatever the batches, without the query itself", () => {
    const before = liveTensors();
    manualSeed(4);
    const [count, width, neighbours] = [37, 5, 4];
    const rows = scope(() => randn([count, width]).toFloat32Array());
    const row = (i: number) => Array.from(rows.subarray(i * width, (i + 1) * width));
    const distance = (i: number, j: number) => Math.hypot(...row(i).map((x, k) => x - (row(j)[k] as number)));

    const queries = [3, 0, 36];
    scope(() => {
      const nearest = new NearestNeighbours(tensor(queries.flatMap(row), [queries.length, width]), {
        count: neighbours,
        own: (query) => (query === 1 ? [] : [queries[query] as number]),
      });
      for (const [start, size] of [
        [0, 1],
        [1, 20],
        [21, 16],
      ] as const)
        nearest.add(tensor(rows.slice(start * width, (start + size) * width), [size, width]));
      for (const [query, found] of nearest.neighbours.entries()) {
        const i = queries[query] as number;
        const wanted = Array.from({ length: count }, (_, j) => ({ index: j, distance: distance(i, j) }))
          .filter(({ index }) => index !== i || query === 1)
          .sort((a, b) => a.distance - b.distance)
          .slice(0, neighbours);
        expect(found.map(({ index }) => index)).toEqual(wanted.map(({ index }) => index));
        for (const [k, { distance: d }] of found.entries()) expect(d).toBeCloseTo(wanted[k]!.distance, 6);
      }
      nearest.dispose();
    });
    expect(liveTensors()).toBe(before);
  });

  it("of pixels has the root mean square of differences, of larger pictures after averaging", () => {
    scope(() => {
      const dark = tensor(new Uint8Array(3 * 64 * 64).fill(10), [1, 3, 64, 64], "uint8");
      const light = tensor(new Uint8Array(3 * 64 * 64).fill(40), [1, 3, 64, 64], "uint8");
      const [a, b] = [pixelFeatures(dark), pixelFeatures(light)];
      expect(a.shape).toEqual([1, 3 * 32 * 32]);
      expect(a.sub(b).square().sum().sqrt().item()).toBeCloseTo(30, 3);
    });
  });
});
