import { describe, expect, it } from "vitest";
import { Module } from "../../src/torch/module.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";

class Leaf extends Module {
  readonly weight = this.parameter("weight", tensor([1, 2]));
  readonly filter = this.buffer("resample_filter", tensor([3]));
}

class Tree extends Module {
  readonly bias = this.parameter("bias", tensor([4]));
  readonly first = this.child("b4", new Leaf());
  readonly second = this.child("b8", new Leaf());
}

function withTree(body: (tree: Tree) => void): void {
  const before = liveTensors();
  const tree = new Tree();
  scope(() => body(tree));
  tree.dispose();
  expect(liveTensors()).toBe(before);
}

const other = (): Map<string, Tensor> =>
  new Map([
    ["bias", tensor([40])],
    ["b4.weight", tensor([10, 20])],
    ["b4.resample_filter", tensor([30])],
    ["b8.weight", tensor([50, 60])],
    ["b8.resample_filter", tensor([70])],
  ]);

describe("Module", () => {
  it("names parameters and buffers by their path, in order of registration", () =>
    withTree((tree) => {
      expect(tree.namedParameters().map(([name]) => name)).toEqual(["bias", "b4.weight", "b8.weight"]);
      expect(tree.namedBuffers("G.").map(([name]) => name)).toEqual([
        "G.b4.resample_filter",
        "G.b8.resample_filter",
      ]);
      expect([...tree.stateDict("D.").keys()]).toContain("D.b8.weight");
    }));

  it("loads a state by value: the tensors stay its own", () =>
    withTree((tree) => {
      const { weight } = tree.second;
      const state = other();
      tree.loadStateDict(state);
      state.get("b8.weight")?.zero_();
      expect(tree.second.weight).toBe(weight);
      expect([...weight.toFloat32Array()]).toEqual([50, 60]);
      expect([...tree.first.filter.toFloat32Array()]).toEqual([30]);
    }));

  it.each<[string, (state: Map<string, Tensor>) => void, string]>([
    ["missing", (state) => state.delete("b8.weight"), "entry b8.weight is missing"],
    ["unknown", (state) => state.set("b16.weight", tensor([1])), "unknown entry b16.weight"],
    [
      "wrongly shaped",
      (state) => state.set("b4.weight", tensor([1, 2], [2, 1])),
      "entry b4.weight has shape [2,1], expected [2]",
    ],
  ])("refuses a state with an entry that is %s, and changes nothing", (_, change, message) =>
    withTree((tree) => {
      const state = other();
      change(state);
      expect(() => tree.loadStateDict(state)).toThrow(message);
      expect([...tree.bias.toFloat32Array()]).toEqual([4]);
    }),
  );

  it("ignores entries that it is told to", () =>
    withTree((tree) => {
      const state = other().set("old.weight", tensor([1]));
      tree.loadStateDict(state, (name) => name.startsWith("old."));
      expect([...tree.bias.toFloat32Array()]).toEqual([40]);
    }));

  it("only parameters require gradients, and can be told not to", () =>
    withTree((tree) => {
      expect([tree.bias.requiresGrad, tree.second.weight.requiresGrad]).toEqual([true, true]);
      expect(tree.first.filter.requiresGrad).toBe(false);
      tree.setRequiresGrad(false);
      expect(tree.parameters().map(({ requiresGrad }) => requiresGrad)).toEqual([false, false, false]);
    }));
});
