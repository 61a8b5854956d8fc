import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Generator } from "../../src/networks/network.js";
import { latentsOfSeeds } from "../../src/synthesis/latents.js";
import type { Picture } from "../../src/synthesis/picture.js";
import { renderWs } from "../../src/synthesis/render.js";
import { type StyleMixOptions, styleMix } from "../../src/synthesis/styleMix.js";
import { noGrad } from "../../src/torch/autograd.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";
import { tinyGenerator } from "./tiny.js";

let G: Generator;
beforeAll(() => {
  G = tinyGenerator("stylegan2");
});
afterAll(() => G.dispose());

const mix = (options: Partial<StyleMixOptions> = {}) => [
  ...styleMix(G, {
    ...{ rowSeeds: [85, 100], colSeeds: [55, 821, 1], colStyles: [0, 2] },
    ...{ noiseMode: "const", batch: 2, truncationPsi: 0.8, ...options },
  }),
];

/** w of a seed, mapped by itself, as plain numbers [numWs][wDim]. */
function layersOf(seed: number): number[][] {
  const flat = scope(() =>
    noGrad(() => G.map(latentsOfSeeds([seed], G.zDim), null, { truncationPsi: 0.8 })).toFloat32Array(),
  );
  return Array.from({ length: G.numWs }, (_, i) => [...flat.subarray(i * G.wDim, (i + 1) * G.wDim)]);
}

function pictureOf(layers: number[][]): Picture {
  return scope(() => {
    const ws = tensor(layers.flat(), [1, G.numWs, G.wDim]);
    return [...renderWs(G, { ws, noiseMode: "const", batch: 1 })][0] as Picture;
  });
}

const difference = (a: Picture, b: Picture) =>
  a.pixels.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b.pixels[i] as number))), 0);

describe("styleMix", () => {
  it("gives the columns, then each row and its mixes, all as mixed by hand", () => {
    const before = liveTensors();
    const mixed = mix();
    expect(liveTensors()).toBe(before);
    expect(mixed.map(({ row, column }) => [row, column])).toEqual([
      ...[0, 1, 2].map((column) => [-1, column]),
      ...[0, 1].flatMap((row) => [-1, 0, 1, 2].map((column) => [row, column])),
    ]);
    const rows = [85, 100].map(layersOf);
    const columns = [55, 821, 1].map(layersOf);
    for (const { row, column, picture } of mixed) {
      const own = row < 0 ? columns[column] : rows[row];
      const layers = (own as number[][]).map((layer, i) =>
        row >= 0 && column >= 0 && [0, 2].includes(i) ? (columns[column]?.[i] as number[]) : layer,
      );
      expect(difference(picture, pictureOf(layers))).toBeLessThanOrEqual(1);
    }
    // Mixes are neither of the two.
    const [, , , original, first] = mixed.map(({ picture }) => picture) as Picture[];
    expect(difference(original as Picture, first as Picture)).toBeGreaterThan(5);
  });

  it("takes everything or nothing from the column when asked to", () => {
    const all = mix({ colStyles: Array.from({ length: G.numWs }, (_, i) => i) });
    const none = mix({ colStyles: [] });
    const at = (pictures: typeof all, row: number, column: number) =>
      pictures.find((entry) => entry.row === row && entry.column === column)?.picture as Picture;
    for (const row of [0, 1])
      for (const column of [0, 1, 2]) {
        expect(difference(at(all, row, column), at(all, -1, column))).toBeLessThanOrEqual(1);
        expect(difference(at(none, row, column), at(none, row, -1))).toBeLessThanOrEqual(1);
      }
  });

  it("refuses styles that are not there, and networks without", () => {
    expect(() => mix({ colStyles: [0, 6] })).toThrow(/no style 6.*styles 0 to 5/);
    const progan = tinyGenerator("progan");
    const options = { rowSeeds: [0], colSeeds: [1], colStyles: [0], noiseMode: "const", batch: 1 } as const;
    expect(() => [...styleMix(progan, options)]).toThrow(/no styles to mix/);
    progan.dispose();
  });
});
