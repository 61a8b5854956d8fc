import { describe, expect, it } from "vitest";
import type { Generator } from "../../src/networks/network.js";
import { setGrowth } from "../../src/networks/progressive.js";
import { findDirections, moveAlong } from "../../src/synthesis/directions.js";
import { noGrad } from "../../src/torch/autograd.js";
import { randn } from "../../src/torch/random.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tinyGenerator } from "./tiny.js";

/** The styles of the layers first to last, computed by the network's own weights, row by row. */
function rowsOf(G: Generator, first: number, last: number): Float32Array[] {
  return scope(() =>
    G.styleAffines()
      .filter(({ wIndex }) => wIndex >= first && wIndex <= last)
      .flatMap(({ weight }) => {
        const [rows, columns] = weight.shape as [number, number];
        const values = weight.toFloat32Array();
        return Array.from({ length: rows }, (_, i) => values.subarray(i * columns, (i + 1) * columns));
      }),
  );
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + value * (b[i] as number), 0);

/** AᵀA v, in plain JavaScript. */
function gram(rows: readonly Float32Array[], v: ArrayLike<number>): Float64Array {
  const result = new Float64Array(v.length);
  for (const row of rows) {
    const projection = dot(row, v);
    for (const [i, value] of row.entries()) result[i] = (result[i] as number) + projection * value;
  }
  return result;
}

const styled = ["stylegan2", "stylegan2-minimal", "stylegan1"] as const;

describe.each(styled)("findDirections of %s", (architecture) => {
  it("gives unit eigenvectors of AᵀA, orthogonal, by falling eigenvalue", () => {
    const G = tinyGenerator(architecture);
    const before = liveTensors();
    const rows = rowsOf(G, 0, G.numWs - 1);
    const directions = findDirections(G, { count: 5 });
    expect(directions.map(({ name }) => name)).toEqual(["0", "1", "2", "3", "4"]);
    for (const [i, { vector, eigenvalue, layers }] of directions.entries()) {
      expect(layers).toEqual({ first: 0, last: G.numWs - 1 });
      expect(Math.sqrt(dot(vector, vector))).toBeCloseTo(1, 6);
      const image = gram(rows, vector);
      for (const [j, value] of vector.entries()) expect(image[j]).toBeCloseTo(eigenvalue * value, 4);
      for (const other of directions.slice(0, i)) {
        expect(other.eigenvalue).toBeGreaterThan(eigenvalue);
        expect(dot(other.vector, vector)).toBeCloseTo(0, 5);
      }
      expect(Math.max(...vector)).toBe(Math.max(...vector.map(Math.abs)));
    }
    expect(liveTensors()).toBe(before);
    G.dispose();
  });

  it("finds first what repeated multiplication finds", () => {
    const G = tinyGenerator(architecture);
    const rows = rowsOf(G, 1, 2);
    let v: Float64Array = Float64Array.from({ length: G.wDim }, (_, i) => Math.sin(i + 1));
    for (let i = 0; i < 3000; i++) {
      const next = gram(rows, v);
      const length = Math.sqrt(dot(next, next));
      v = next.map((value) => value / length);
    }
    const [first] = findDirections(G, { layers: { first: 1, last: 2 }, count: 1 });
    expect(first?.name).toBe("1-2:0");
    expect(Math.abs(dot(first?.vector ?? [], v))).toBeCloseTo(1, 4);
    expect(first?.eigenvalue).toBeCloseTo(dot(v, gram(rows, v)), 3);
    G.dispose();
  });

  it("are what moves the network's own styles: the image of a layer's w alone depends on that layer's map", () => {
    const G = tinyGenerator(architecture);
    scope(() =>
      noGrad(() => {
        const ws = G.map(randn([1, G.zDim]), null);
        for (const { wIndex, weight } of G.styleAffines()) {
          expect(weight.shape[1]).toBe(G.wDim);
          expect(wIndex).toBeLessThan(G.numWs);
        }
        const indices = new Set(G.styleAffines().map(({ wIndex }) => wIndex));
        expect([...indices].sort((a, b) => a - b)).toEqual(Array.from({ length: G.numWs }, (_, i) => i));
        const plain = G.synthesize(ws, { noiseMode: "none" }).toFloat32Array();
        for (let layer = 0; layer < G.numWs; layer++) {
          const [direction] = findDirections(G, { layers: { first: layer, last: layer }, count: 1 });
          if (!direction) throw new Error("no direction");
          const moved = moveAlong(ws, [{ direction, amount: 2 }]);
          expect(G.synthesize(moved, { noiseMode: "none" }).toFloat32Array()).not.toEqual(plain);
        }
      }),
    );
    G.dispose();
  });
});

it("moveAlong adds amount · n to the chosen layers and to no other", () => {
  const G = tinyGenerator("stylegan2");
  scope(() => {
    const ws = randn([2, G.numWs, G.wDim]);
    const [a] = findDirections(G, { layers: { first: 1, last: 2 }, count: 1 });
    const [, b] = findDirections(G, { count: 2 });
    if (!a || !b) throw new Error("too few directions");
    const before = ws.toFloat32Array();
    const after = moveAlong(ws, [
      { direction: a, amount: 3 },
      { direction: b, amount: -0.5 },
    ]).toFloat32Array();
    for (const [i, value] of after.entries()) {
      const layer = Math.floor(i / G.wDim) % G.numWs;
      const j = i % G.wDim;
      const along = layer >= 1 && layer <= 2 ? 3 * (a.vector[j] as number) : 0;
      expect(value).toBeCloseTo((before[i] as number) + along - 0.5 * (b.vector[j] as number), 5);
    }
  });
  G.dispose();
});

describe("refusals", () => {
  it("ProGAN has no styles", () => {
    const G = tinyGenerator("progan");
    expect(() => findDirections(G, { count: 1 })).toThrow(/no styles/);
    G.dispose();
  });

  it("layers beyond the network's, or beyond what has grown", () => {
    const G = tinyGenerator("stylegan1");
    const beyond = { first: 0, last: G.numWs };
    expect(() => findDirections(G, { layers: beyond, count: 1 })).toThrow(/layers 0 to 5/);
    setGrowth(G, { level: 3, alpha: 1 });
    const late = { first: 4, last: 5 };
    expect(() => findDirections(G, { layers: late, count: 1 })).toThrow(
      /not grown so far; its last layer is 3/,
    );
    expect(findDirections(G, { count: 1 })[0]?.layers).toEqual({ first: 0, last: 5 });
    G.dispose();
  });
});
