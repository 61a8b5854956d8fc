import { InvalidArgumentError } from "commander";
import { describe, expect, it } from "vitest";
import { duration } from "../../src/cli/progress.js";
import { grid, integerFrom, numberIn, oneOf, seeds } from "../../src/cli/values.js";

describe("seeds", () => {
  it.each<[string, number[]]>([
    ["0", [0]],
    ["0-5,8", [0, 1, 2, 3, 4, 5, 8]],
    ["3,1,2-2", [3, 1, 2]],
    [" 1 , 2 - 3 ", [1, 2, 3]],
    ["4294967295", [4294967295]],
    ["007", [7]],
  ])("%j", (text, wanted) => {
    expect(seeds(text)).toEqual(wanted);
  });

  it.each([
    "",
    ",",
    "1,",
    "a",
    "-1",
    "1-",
    "1--2",
    "5-3",
    "1.5",
    "4294967296",
    "1e3",
    "0x10",
    "0-4294967295",
    "1 2",
  ])("refuses %j", (text) => {
    expect(() => seeds(text)).toThrow(InvalidArgumentError);
  });
});

describe("numbers", () => {
  it("integerFrom", () => {
    expect(integerFrom(1)("12")).toBe(12);
    for (const text of ["0", "-1", "1.5", "", "x", "1e1", "99999999999999999999"])
      expect(() => integerFrom(1)(text), text).toThrow(InvalidArgumentError);
  });

  it("numberIn, with and without its end", () => {
    expect(numberIn({ min: 0 })("0")).toBe(0);
    expect(numberIn({ min: 0, aboveMin: true })("0.2")).toBe(0.2);
    expect(() => numberIn({ min: 0, aboveMin: true })("0")).toThrow(InvalidArgumentError);
    for (const text of ["-0.1", "", " ", "x", "NaN", "Infinity", "1e999"])
      expect(() => numberIn({ min: 0 })(text), text).toThrow(InvalidArgumentError);
    expect(() => numberIn({ min: 0, max: 1 })("1.5")).toThrow(InvalidArgumentError);
  });

  it("grid and oneOf", () => {
    expect(grid("8x4")).toEqual({ columns: 8, rows: 4 });
    for (const text of ["8", "0x4", "8x", "8x-1", "99999x9", "8 x 4"])
      expect(() => grid(text), text).toThrow(InvalidArgumentError);
    expect(oneOf(["a", "b"])("b")).toBe("b");
    expect(() => oneOf(["a", "b"])("c")).toThrow(/none of a, b/);
  });
});

it.each([
  [0.4, "0s"],
  [59.4, "59s"],
  [59.6, "1m 00s"],
  [3599.6, "1h 00m"],
  [3661, "1h 01m"],
  [100 * 3600, "100h 00m"],
])("a duration of %d s is %s", (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});
