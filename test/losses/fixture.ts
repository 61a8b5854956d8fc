// losses.json: reference values in float64.

import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { fixtureJson } from "../helpers.js";

export type LossValues = Record<string, number>;
type Nested = readonly (number | Nested)[];

interface LossFixture {
  scores: { real: number[]; fake: number[] };
  /** D(x) = Σ (a x² + b x) for x [4, 3, 4, 4]. */
  critic: { a: Nested; b: Nested; real: Nested; fake: Nested; mix: Nested };
  expected: {
    logistic: Record<"G_nonsaturating" | "G_saturating" | "D", number>;
    wgan: Record<"G" | "D" | "D_epsilon", number>;
    hinge: Record<"G" | "D", number>;
    lsgan: Record<"G" | "D_real" | "D_fake", number>;
    vanilla: Record<"G" | "D_real" | "D_fake", number>;
    relativistic_pairing: Record<"G" | "D", number>;
    penalties: LossValues;
  };
  seed_004: { loss_weight: number; ones_1x1: LossValues; twos_1x3x6x6: LossValues };
}

export const lossFixture = fixtureJson<LossFixture>("losses.json");

export function tensorOf(values: Nested): Tensor {
  const shape: number[] = [];
  for (let level: number | Nested = values; typeof level !== "number"; level = level[0] as number | Nested)
    shape.push(level.length);
  return tensor(Float64Array.from(numbersOf(values)), shape);
}

function numbersOf(values: Nested): number[] {
  return values.flatMap((value) => (typeof value === "number" ? [value] : numbersOf(value)));
}
