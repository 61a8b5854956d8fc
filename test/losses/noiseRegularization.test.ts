import { describe, expect, it } from "vitest";
import { noiseRegularization, normalizeNoise } from "../../src/losses/noiseRegularization.js";
import { RandomState } from "../../src/numpy/randomState.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";

type Grid = number[][];

const mapOf = (rows: Grid): Tensor => tensor(rows.flat(), [rows.length, rows.length], "float64");
const regularity = (...maps: Grid[]): number =>
  scope(() => (noiseRegularization(maps.map(mapOf)) as Tensor).item());

const filled = (size: number, value: (y: number, x: number) => number): Grid =>
  Array.from({ length: size }, (_, y) => Array.from({ length: size }, (_, x) => value(y, x)));

const random = new RandomState(7);
const noise = (size: number) => filled(size, () => random.randn(1)[0] as number);

/** The formula of the paper's appendix D in plain loops. */
function byHand(map: Grid): number {
  const size = map.length;
  const at = (y: number, x: number) => map[(y + size) % size]?.[(x + size) % size] as number;
  let across = 0;
  let down = 0;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      across += (at(y, x) * at(y, x - 1)) / size ** 2;
      down += (at(y, x) * at(y - 1, x)) / size ** 2;
    }
  }
  const here = across ** 2 + down ** 2;
  if (size <= 8) return here;
  const halved = filled(size / 2, (y, x) => {
    const four = [at(2 * y, 2 * x), at(2 * y, 2 * x + 1), at(2 * y + 1, 2 * x), at(2 * y + 1, 2 * x + 1)];
    return (2 * four.reduce((sum, value) => sum + value, 0)) / 4;
  });
  return here + byHand(halved);
}

describe("noise regularization", () => {
  it("of a map of ones is 1 in each direction, and 2⁴ after a halving", () => {
    expect(regularity(filled(4, () => 1))).toBeCloseTo(1 + 1, 12);
    expect(regularity(filled(16, () => 1))).toBeCloseTo(2 + 2 * 2 ** 4, 12);
  });

  it("joins the edges: one row of ones among four has no like neighbours below, but beside", () => {
    expect(regularity(filled(4, (y) => (y === 0 ? 1 : 0)))).toBeCloseTo((4 / 16) ** 2, 12);
    expect(regularity(filled(4, (y) => (y === 0 || y === 3 ? 1 : 0)))).toBeCloseTo(0.5 ** 2 + 0.25 ** 2, 12);
  });

  it("a chessboard is as regular as a plain map, and nothing after a halving", () => {
    expect(regularity(filled(16, (y, x) => ((y + x) % 2 === 0 ? 1 : -1)))).toBeCloseTo(2, 12);
  });

  it.each([4, 8, 16, 64])("is the paper's formula for noise of %i px", (size) => {
    const map = noise(size);
    expect(regularity(map)).toBeCloseTo(byHand(map), 10);
  });

  it("adds up over maps; there may be none", () => {
    const [a, b] = [noise(4), noise(16)];
    expect(regularity(a, b)).toBeCloseTo(byHand(a) + byHand(b), 10);
    expect(noiseRegularization([])).toBeNull();
  });
});

it("normalizeNoise leaves mean 0 and variance 1, and no tensor", () =>
  scope(() => {
    const map = mapOf(filled(8, (y, x) => 3 + y * x));
    const before = liveTensors();
    normalizeNoise([map]);
    expect(liveTensors()).toBe(before);
    expect(map.mean().item()).toBeCloseTo(0, 12);
    expect(map.square().mean().item()).toBeCloseTo(1, 12);
    const values = map.toArray() as Float64Array;
    expect((values[63] as number) > (values[9] as number)).toBe(true);
  }));
