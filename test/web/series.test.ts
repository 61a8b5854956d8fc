import { describe, expect, it } from "vitest";
import { decimate, Series, smoothed } from "../../web/dashboard/series.js";
import { numbers } from "../torch/numeric.js";

describe("decimate", () => {
  const xs = Float64Array.from({ length: 100_000 }, (_, i) => i);
  const next = numbers(5);
  const ys = xs.map(() => next());
  ys[54_321] = 99;
  ys[12_345] = -99;

  it("keeps the extremes of every part, and so each peak, in two points for each column of pixels", () => {
    const points = decimate(xs, [ys], { x0: 0, x1: 1e5, width: 400 });
    expect(points.x).toHaveLength(800);
    expect(Math.max(...(points.ys[0] as number[]))).toBe(99);
    expect(Math.min(...(points.ys[0] as number[]))).toBe(-99);
    for (let i = 1; i < points.x.length; i++) expect(points.x[i]).toBeGreaterThan(points.x[i - 1] as number);
  });

  it("gives every point while they are few, with one more on each side", () => {
    const {
      x,
      ys: [y],
    } = decimate(xs, [ys], { x0: 1000, x1: 1010, width: 400 });
    expect(x).toEqual(Array.from({ length: 13 }, (_, i) => 999 + i));
    expect(y).toEqual([...ys.subarray(999, 1012)]);
  });

  it("leaves gaps where there are no values", () => {
    const gaps = ys.map((value, i) => (i < 50_000 ? Number.NaN : value));
    const {
      ys: [y],
    } = decimate(xs, [gaps], { x0: 0, x1: 1e5, width: 100 });
    expect(y?.slice(0, 100).every((value) => value === null)).toBe(true);
    expect(y?.slice(100).every((value) => value !== null)).toBe(true);
  });
});

describe("Series", () => {
  it("puts blocks and single rows behind each other, with NaN for what a tick does not have", () => {
    const series = new Series();
    series.append({ length: 2, columns: { nimg: [1, 2], a: [null, 5] }, events: [], histograms: [] });
    series.appendRows([
      { nimg: 3, tick: 3, secPerKimg: 1, totalSeconds: 1, memoryMb: 1, timestamp: 1, b: 7 },
    ]);
    series.append({ length: 1, columns: { nimg: [4], b: [8] }, events: [], histograms: [] });
    expect([...series.column("nimg")]).toEqual([1, 2, 3, 4]);
    expect([...series.column("a")]).toEqual([Number.NaN, 5, Number.NaN, Number.NaN]);
    expect([...series.column("b")]).toEqual([Number.NaN, Number.NaN, 7, 8]);
    expect([...series.column("never")]).toEqual(Array(4).fill(Number.NaN));
    expect(series.last("a")).toBe(5);
  });

  it("holds a bounded number of histograms", () => {
    const series = new Series();
    for (let nimg = 1; nimg <= 5000; nimg++)
      series.append({ length: 1, columns: { nimg: [nimg] }, events: [], histograms: [{ nimg }] });
    expect(series.histograms.length).toBeLessThanOrEqual(600);
    expect(series.histograms.at(-1)).toEqual({ nimg: 5000 });
  });
});

describe("smoothed", () => {
  it("is the mean at first, forgets with its weight, and passes over gaps", () => {
    const values = Float64Array.from([4, Number.NaN, 8]);
    const [a, b, c] = smoothed(values, 0.5);
    expect([a, b, c]).toEqual([4, Number.NaN, (0.5 * 2 + 0.5 * 8) / 0.75]);
    expect(smoothed(values, 0)).toBe(values);
  });
});
