import { describe, expect, it } from "vitest";
import { laplacianPyramid, levelResolutions, pyramidDown, pyramidUp } from "../../src/metrics/pyramid.js";
import { createRandom } from "../../src/system/random.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";

type Plane = number[][];

const taps = [1, 4, 6, 4, 1].map((tap) => tap / 16);

/** Index `i` of a row of `size`, mirrored at the centres of its ends until it lies inside. */
function mirror(i: number, size: number): number {
  if (i < 0) return mirror(-i, size);
  return i < size ? i : mirror(2 * (size - 1) - i, size);
}

function filtered(plane: Plane, gain: number): Plane {
  const size = plane.length;
  return plane.map((row, y) =>
    row.map((_, x) => {
      let sum = 0;
      for (let dy = -2; dy <= 2; dy++)
        for (let dx = -2; dx <= 2; dx++)
          sum += gain * taps[dy + 2]! * taps[dx + 2]! * plane[mirror(y + dy, size)]![mirror(x + dx, size)]!;
      return sum;
    }),
  );
}

function down(plane: Plane): Plane {
  return filtered(plane, 1)
    .filter((_, y) => y % 2 === 0)
    .map((row) => row.filter((_, x) => x % 2 === 0));
}

function up(plane: Plane): Plane {
  const size = 2 * plane.length;
  const spread = Array.from({ length: size }, (_, y) =>
    Array.from({ length: size }, (_, x) => (x % 2 || y % 2 ? 0 : plane[y / 2]![x / 2]!)),
  );
  return filtered(spread, 4);
}

function minus(a: Plane, b: Plane): Plane {
  return a.map((row, y) => row.map((value, x) => value - b[y]![x]!));
}

function randomPlanes(count: number, size: number): Plane[] {
  const random = createRandom(size, 0);
  const row = () => Array.from({ length: size }, () => 255 * random());
  return Array.from({ length: count }, () => Array.from({ length: size }, row));
}

/** [2, C, size, size] of float64. */
function toTensor(planes: readonly Plane[]): Tensor {
  const size = planes[0]!.length;
  return tensor(planes.flat(2), [2, planes.length / 2, size, size], "float64");
}

function expectEqual(actual: Tensor, planes: readonly Plane[]): void {
  const expected = planes.flat(2);
  const values = Array.from(actual.toArray() as Float64Array);
  expect(values).toHaveLength(expected.length);
  for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i]!, 9);
}

describe("the pyramid", () => {
  it("goes down to 16 px, and has one level at 16 and below", () => {
    expect(levelResolutions(128)).toEqual([128, 64, 32, 16]);
    expect(levelResolutions(32)).toEqual([32, 16]);
    expect(levelResolutions(16)).toEqual([16]);
    expect(levelResolutions(8)).toEqual([8]);
  });

  it.each([4, 6, 8, 16])("goes down and up as the definition does at %i px, edges included", (size) =>
    scope(() => {
      const planes = randomPlanes(6, size);
      expectEqual(pyramidDown(toTensor(planes)), planes.map(down));
      expectEqual(pyramidUp(toTensor(planes)), planes.map(up));
    }),
  );

  it("holds the differences between its levels and the lowest one", () => {
    const before = liveTensors();
    scope(() => {
      const planes = randomPlanes(6, 64);
      const lower = planes.map(down);
      const lowest = lower.map(down);
      const levels = laplacianPyramid(toTensor(planes));
      expect(levels).toHaveLength(3);
      expectEqual(
        levels[0]!,
        planes.map((plane, i) => minus(plane, up(lower[i]!))),
      );
      expectEqual(
        levels[1]!,
        lower.map((plane, i) => minus(plane, up(lowest[i]!))),
      );
      expectEqual(levels[2]!, lowest);
    });
    expect(liveTensors()).toBe(before);
  });

  it("of a plain picture is zero but for the lowest level, exactly", () =>
    scope(() => {
      const plain = tensor(new Float32Array(3 * 32 * 32).fill(117), [1, 3, 32, 32]);
      const [detail, rest] = laplacianPyramid(plain);
      expect(new Set(detail!.toFloat32Array())).toEqual(new Set([0]));
      expect(new Set(rest!.toFloat32Array())).toEqual(new Set([117]));
    }));
});
