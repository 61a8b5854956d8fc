import { describe, expect, it } from "vitest";
import { AdaController, largestP } from "../../src/augment/ada.js";

const options = { target: 0.6, kimg: 500, p: 0 };

describe("the controller of p", () => {
  it("rises by images / 500 kimg while reals are known too well, and falls while they are not", () => {
    const ada = new AdaController(options);
    ada.observe(8, 8);
    expect(ada.adjust(64)).toBe(false);
    expect(ada.p).toBeCloseTo(64 / 500_000, 12);
    ada.observe(4, 8); // r_t = 0.5
    ada.adjust(32);
    expect(ada.p).toBeCloseTo(32 / 500_000, 12);
    ada.observe(-8, 8);
    ada.adjust(10_000);
    expect(ada.p).toBe(0);
  });

  it("goes by the mean over all reals since the last adjustment", () => {
    const ada = new AdaController(options);
    for (const signs of [8, 8, 8, -8]) ada.observe(signs, 8); // r_t = 0.5
    ada.adjust(32);
    expect(ada.p).toBe(0);
    for (const signs of [8, 8, 8, 0]) ada.observe(signs, 8); // r_t = 0.75
    ada.adjust(32);
    expect(ada.p).toBeGreaterThan(0);
  });

  it("without an observation does nothing", () => {
    const ada = new AdaController({ ...options, p: 0.3 });
    expect(ada.adjust(1e6)).toBe(false);
    expect(ada.p).toBe(0.3);
  });

  it("stops at its largest value, and says so once", () => {
    const ada = new AdaController({ ...options, p: largestP - 1e-5 });
    const over = [1, 2, 3].map(() => {
      ada.observe(8, 8);
      return ada.adjust(1000);
    });
    expect(over).toEqual([true, false, false]);
    expect(ada.p).toBe(largestP);
  });

  it("goes on from a saved state, between two adjustments as well", () => {
    const ada = new AdaController(options);
    ada.observe(8, 8);
    ada.adjust(64);
    ada.observe(8, 8);
    const other = new AdaController(options);
    other.restore(structuredClone(ada.state()));
    for (const one of [ada, other]) {
      one.observe(-1, 8);
      one.adjust(64);
    }
    expect(other.p).toBe(ada.p);
    expect(other.state()).toEqual(ada.state());
  });
});
