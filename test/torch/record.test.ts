import { expect, it } from "vitest";
import { recordOperators } from "../../src/torch/record.js";
import { scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";

it("tells of each operator, and which tensor is which result", () =>
  scope(() => {
    const x = tensor([1, 2, 3, 4], [2, 2]);
    const calls: [string, unknown[], unknown][] = [];
    const results = new Map<number, Tensor>();
    let count = 0;
    const listener = {
      called: (name: string, args: readonly unknown[], shapes: readonly (readonly number[])[]) => {
        calls.push([name, [...args], shapes]);
        return shapes.map(() => count++);
      },
      made: (made: Tensor, known: number) => results.set(known, made),
    };
    // The product is freed, and what comes from JavaScript takes its slot: that is no result of an operator.
    const [seven, rows] = recordOperators(listener, () => {
      scope(() => x.mul(2));
      return [tensor([7]), x.unbind(0)] as const;
    });
    x.add(1);
    expect(calls).toEqual([
      ["aten::mul.Scalar", [x, 2], [[2, 2]]],
      ["aten::unbind.int", [x, 0], [[2], [2]]],
    ]);
    expect(results.size).toBe(3);
    expect([...results.values()]).not.toContain(seven);
    expect([results.get(1), results.get(2)]).toEqual(rows);
    expect(results.get(2)).toBe(rows[1]);
    expect([...rows[1]!.toFloat32Array()]).toEqual([3, 4]);
  }));
