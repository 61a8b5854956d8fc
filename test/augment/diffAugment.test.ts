import { describe, expect, it } from "vitest";
import {
  brightness,
  color,
  contrast,
  cutout,
  diffAugment,
  saturation,
  translate,
} from "../../src/augment/diffAugment.js";
import { type Draws, drawsOf } from "../../src/augment/draws.js";
import { grad } from "../../src/torch/autograd.js";
import type { Tensor } from "../../src/torch/tensor.js";
import { expectClose, fixtureTensors } from "../helpers.js";
import { checkGradients, leaf, sampleTensor } from "../torch/numeric.js";

const expected = fixtureTensors("diffaugment.expected.safetensors");
const sizes = [
  { name: "16x16", height: 16, width: 16 },
  { name: "18x14", height: 18, width: 14 },
  { name: "13x20", height: 13, width: 20 },
];

/** Gives out uniform numbers in their order. */
function queue(numbers: number[]): Draws {
  const unused = () => {
    throw new Error("DiffAugment draws uniform numbers only");
  };
  return {
    chance: unused,
    normal: unused,
    uniform() {
      const number = numbers.shift();
      if (number === undefined) throw new Error("more draws than the reference");
      return number;
    },
  };
}

describe.each(sizes)("against the authors' code, $name", ({ name, height, width }) => {
  const of = (draw: string) => [...expected(`${name}.draw.${draw}`).to("float32").toFloat32Array()];
  /** The uniform numbers that `low` + floor(u · count) makes these integers of. */
  const integers = (draw: string, low: number, count: number) => of(draw).map((k) => (k - low + 0.5) / count);
  const shift = (length: number) => Math.floor(length / 8 + 0.5);
  const centres = (length: number) => length + 1 - (Math.floor(length / 2 + 0.5) % 2);

  const colors = () => [of("brightness"), of("saturation"), of("contrast")].flat();
  // The code calls the first spatial dimension x: its rows are ours.
  const moves = () => [
    ...integers("translation_rows", -shift(height), 2 * shift(height) + 1),
    ...integers("translation_columns", -shift(width), 2 * shift(width) + 1),
  ];
  const holes = () => [
    ...integers("cutout_row", 0, centres(height)),
    ...integers("cutout_column", 0, centres(width)),
  ];

  const cases: [string, (x: Tensor, draws: Draws) => Tensor, () => number[]][] = [
    ["brightness", brightness, () => of("brightness")],
    ["saturation", saturation, () => of("saturation")],
    ["contrast", contrast, () => of("contrast")],
    ["color", color, colors],
    ["translation", translate, moves],
    ["cutout", cutout, holes],
    ["color+translation+cutout", diffAugment, () => [...colors(), ...moves(), ...holes()]],
  ];

  it.each(cases)("%s", (augmentation, apply, numbers) => {
    const x = expected(`${name}.x`).clone().setRequiresGrad(true);
    const draws = numbers();
    const y = apply(x, queue(draws));
    expect(draws).toEqual([]);
    expectClose(y, expected(`${name}.${augmentation}`), 1e-5);
    const loss = expected(`${name}.v`).mul(y.square()).sum().div(2);
    const [dx] = grad([loss], [x], { createGraph: true });
    expectClose(dx!, expected(`${name}.${augmentation}.dx`), 1e-5);
    const [second] = grad([dx!.square().sum()], [x]);
    expectClose(second!, expected(`${name}.${augmentation}.dP_dx`), 1e-5);
  });
});

describe("DiffAugment", () => {
  it("has gradients of both orders", () => {
    const images = leaf([2, 3, 9, 12], 1);
    checkGradients(() => diffAugment(images, drawsOf(1, 1)).square(), [images], { order: 2 });
  });

  it("draws for each picture by itself", () => {
    const images = sampleTensor([1, 3, 8, 8], 1).expand([2, -1, -1, -1]);
    const [a, b] = diffAugment(images, drawsOf(1, 1)).unbind(0) as [Tensor, Tensor];
    expect(a.toFloat32Array()).not.toEqual(b.toFloat32Array());
  });
});
