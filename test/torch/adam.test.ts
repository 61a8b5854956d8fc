import { describe, expect, it } from "vitest";
import { Adam } from "../../src/torch/adam.js";
import { backward } from "../../src/torch/autograd.js";
import { FlatParameters, layFlat } from "../../src/torch/flat.js";
import { Module } from "../../src/torch/module.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";
import { expectNear, sample } from "./numeric.js";

class Pair extends Module {
  readonly a = this.parameter("a", tensor([1, 2, 3, 4, 5, 6], [2, 3]));
  readonly b = this.parameter("b", tensor([7], []));
  readonly c = this.parameter("c", tensor([8, 9], [2, 1]));
}

describe("FlatParameters", () => {
  it("keeps values and shapes, and shares memory both ways", () => {
    const before = liveTensors();
    const pair = new Pair();
    const flat = new FlatParameters(pair);
    scope(() => {
      expect([...flat.values.toFloat32Array()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect([pair.a.shape, pair.b.shape, pair.c.shape]).toEqual([[2, 3], [], [2, 1]]);
      flat.values.mul_(10);
      expect([...pair.c.toFloat32Array()]).toEqual([80, 90]);
      pair.b.detach().fill_(-1);
      expect(flat.values.toFloat32Array()[6]).toBe(-1);
    });
    flat.dispose();
    pair.dispose();
    expect(liveTensors()).toBe(before);
  });

  it("gives the gradients of backward at each parameter's place, added up, once", () => {
    const pair = new Pair();
    const flat = new FlatParameters(pair);
    scope(() => {
      const loss = () => pair.a.square().sum().add(pair.c.mul(3).sum()).add(pair.b.mul(5));
      backward(loss(), flat.parameters);
      backward(loss(), flat.parameters);
      const once = [2, 4, 6, 8, 10, 12, 5, 3, 3];
      expect([...flat.takeGradients().toFloat32Array()]).toEqual(once.map((value) => 2 * value));
      expect([...flat.takeGradients().toFloat32Array()]).toEqual(once.map(() => 0));
      backward(pair.b.mul(2), flat.parameters);
      expect([...flat.takeGradients().toFloat32Array()]).toEqual([0, 0, 0, 0, 0, 0, 2, 0, 0]);
    });
    flat.dispose();
    pair.dispose();
  });

  it("works in double precision", () => {
    const pair = new Pair();
    scope(() => {
      for (const parameter of pair.parameters()) parameter.setData(parameter.detach().to("float64"));
    });
    const flat = new FlatParameters(pair);
    scope(() => {
      backward(pair.c.square().sum(), flat.parameters);
      const gradients = flat.takeGradients();
      expect([flat.values.dtype, gradients.dtype]).toEqual(["float64", "float64"]);
      expect([...gradients.toFloat32Array().subarray(7)]).toEqual([16, 18]);
    });
    flat.dispose();
    pair.dispose();
  });

  it("scales gradients down to a norm, and cleans those that have none", () => {
    const pair = new Pair();
    const flat = new FlatParameters(pair);
    scope(() => {
      expect(flat.clipScale(1)).toBe(1);
      pair.b.setGrad(tensor([3], []));
      pair.c.setGrad(tensor([4, 0], [2, 1]));
      expect(flat.clipScale(6)).toBe(1);
      expect(flat.clipScale(1)).toBeCloseTo(0.2, 6);
      pair.c.setGrad(tensor([4, Number.NaN], [2, 1]));
      pair.a.setGrad(tensor([0, 0, 0, 0, 0, Number.NEGATIVE_INFINITY], [2, 3]));
      expect(flat.clipScale(10)).toBeCloseTo(1e-4, 9);
      expect([...flat.takeGradients().toFloat32Array()]).toEqual([0, 0, 0, 0, 0, -1e5, 3, 4, 0]);
    });
    flat.dispose();
    pair.dispose();
  });

  it("layFlat gives tensors of any kind a common buffer", () => {
    const parts = [tensor([1, 2]), tensor([3], [1, 1])] as const;
    const flat = layFlat(parts);
    flat.add_(tensor([10, 10, 10]));
    expect([...parts[0].toFloat32Array(), ...parts[1].toFloat32Array()]).toEqual([11, 12, 13]);
    for (const x of [flat, ...parts]) x.dispose();
  });
});

describe("Adam", () => {
  it.each([
    ["the usual", { lr: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8 }],
    ["StyleGAN2's, beta1 = 0", { lr: 0.0025, beta1: 0, beta2: 0.99, eps: 1e-8 }],
    ["a large eps", { lr: 0.1, beta1: 0.5, beta2: 0.9, eps: 0.3 }],
  ])("follows Algorithm 1 for ten steps: %s", (_, options) => {
    const before = liveTensors();
    const pair = new Pair();
    const flat = new FlatParameters(pair);
    const adam = new Adam(flat, options);
    const theta = Float64Array.from(flat.values.toFloat32Array());
    const m = new Float64Array(9);
    const v = new Float64Array(9);
    for (let t = 1; t <= 10; t++) {
      const g = sample([9], t).map((value, i) => (i === 6 && t % 3 === 0 ? 0 : value * 10 ** (i - 4)));
      scope(() => {
        // `b` has no gradient at all in some steps, and that of `a` lies in another order.
        const given = Float32Array.from(g);
        pair.a.setGrad(tensor(given.subarray(0, 6), [2, 3]).permute([1, 0]).contiguous().permute([1, 0]));
        if (given[6] !== 0) pair.b.setGrad(tensor(given.subarray(6, 7), []));
        pair.c.setGrad(tensor(given.subarray(7), [2, 1]));
      });
      adam.step();
      scope(() => expect(pair.parameters().map((parameter) => parameter.grad())).toEqual([null, null, null]));
      for (let i = 0; i < 9; i++) {
        const gi = Math.fround(g[i] as number);
        m[i] = options.beta1 * (m[i] as number) + (1 - options.beta1) * gi;
        v[i] = options.beta2 * (v[i] as number) + (1 - options.beta2) * gi * gi;
        const mHat = (m[i] as number) / (1 - options.beta1 ** t);
        const vHat = (v[i] as number) / (1 - options.beta2 ** t);
        theta[i] = (theta[i] as number) - (options.lr * mHat) / (Math.sqrt(vHat) + options.eps);
      }
      expectNear(flat.values.toFloat32Array(), theta, 1e-6);
      if (adam.firstMoment) expectNear(adam.firstMoment.toFloat32Array(), m, 1e-6);
      else expect(options.beta1).toBe(0);
      expectNear(adam.secondMoment.toFloat32Array(), v, 1e-6);
    }
    expect(adam.steps).toBe(10);
    adam.dispose();
    flat.dispose();
    pair.dispose();
    expect(liveTensors()).toBe(before);
  });

  it("refuses a gradient of another shape than its parameter's", () => {
    const pair = new Pair();
    const flat = new FlatParameters(pair);
    const adam = new Adam(flat, { lr: 0.1, beta1: 0, beta2: 0.9, eps: 1e-8 });
    scope(() => {
      pair.a.setGrad(tensor([1, 2, 3], [1, 3]));
      expect(() => adam.step()).toThrow(/gradient \[1, 3\].*parameter \[2, 3\]/);
    });
    for (const owner of [adam, flat, pair]) owner.dispose();
  });
});
