import { describe, expect, it } from "vitest";
import { noGrad } from "../../src/torch/autograd.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";

const values = (x: Tensor) => [...x.toFloat32Array()];

describe("scope", () => {
  it("frees what was made inside and keeps what is returned", () => {
    const before = liveTensors();
    const result = scope(() => {
      const x = tensor([1, 2]);
      x.add(1).mul(3);
      return x.mul(2);
    });
    expect(liveTensors()).toBe(before + 1);
    expect(values(result)).toEqual([2, 4]);
    result.dispose();
    expect(liveTensors()).toBe(before);
  });

  it("finds returned tensors in arrays, sets, maps and objects, nested", () => {
    const before = liveTensors();
    const result = scope(() => {
      tensor([0]);
      return {
        list: [tensor([1]), [tensor([2])]],
        map: new Map([["a", { deep: tensor([3]) }]]),
        set: new Set([tensor([4])]),
        other: [null, undefined, 5, "text"],
      };
    });
    expect(liveTensors()).toBe(before + 4);
    const [first, [second]] = result.list as [Tensor, [Tensor]];
    const third = result.map.get("a")?.deep as Tensor;
    const [fourth] = [...result.set] as [Tensor];
    const found = [first, second, third, fourth];
    expect(found.flatMap(values)).toEqual([1, 2, 3, 4]);
    for (const x of found) x.dispose();
    expect(liveTensors()).toBe(before);
  });

  it("hands what an inner scope returns to the outer one, which frees it", () => {
    const before = liveTensors();
    let inner: Tensor | undefined;
    scope(() => {
      inner = scope(() => scope(() => tensor([1]).add(1)));
      expect(values(inner)).toEqual([2]);
      expect(liveTensors()).toBe(before + 1);
    });
    expect(inner?.isDisposed).toBe(true);
    expect(liveTensors()).toBe(before);
  });

  it("frees everything when the body throws, in all scopes around, and the next scope works", () => {
    const before = liveTensors();
    expect(() =>
      scope(() => {
        tensor([1]);
        return scope(() => {
          tensor([2]).add(1);
          throw new Error("stop");
        });
      }),
    ).toThrow("stop");
    expect(liveTensors()).toBe(before);
    expect(scope(() => tensor([3]).item())).toBe(3);
    expect(liveTensors()).toBe(before);
  });

  it("does not free kept tensors, nor those from outside, nor twice what was disposed inside", () => {
    const before = liveTensors();
    const outside = tensor([1]);
    const kept = scope(() => {
      const x = tensor([2]).keep();
      tensor([3]).dispose();
      scope(() => outside.add(1));
      return { pointer: () => x };
    }).pointer();
    expect(values(outside).concat(values(kept))).toEqual([1, 2]);
    outside.dispose();
    kept.dispose();
    expect(liveTensors()).toBe(before);
  });

  it("a tensor from outside stays the caller's when it is returned", () => {
    const before = liveTensors();
    const outside = tensor([1]);
    scope(() => {
      scope(() => outside);
      expect(values(outside)).toEqual([1]);
    });
    expect(values(outside)).toEqual([1]);
    outside.dispose();
    expect(liveTensors()).toBe(before);
  });

  it("refuses an asynchronous body and frees what it made", () => {
    const before = liveTensors();
    expect(() =>
      scope(async () => {
        tensor([1]);
      }),
    ).toThrow(/must not be asynchronous/);
    expect(liveTensors()).toBe(before);
  });

  it("returns large typed arrays without a look at each element", () => {
    const bytes = new Uint8Array(20_000_000);
    const start = performance.now();
    expect(scope(() => bytes)).toBe(bytes);
    expect(performance.now() - start).toBeLessThan(100);
  });

  it("noGrad is a scope and puts the mode back, also after an error", () => {
    const before = liveTensors();
    scope(() => {
      const x = tensor([1]).setRequiresGrad(true);
      expect(noGrad(() => x.mul(2)).requiresGrad).toBe(false);
      expect(x.mul(2).requiresGrad).toBe(true);
      expect(() =>
        noGrad(() => {
          x.mul(2);
          throw new Error("stop");
        }),
      ).toThrow("stop");
      expect(noGrad(() => noGrad(() => x.mul(2)).requiresGrad || x.mul(2).requiresGrad)).toBe(false);
      expect(x.mul(2).requiresGrad).toBe(true);
    });
    expect(liveTensors()).toBe(before);
  });
});
