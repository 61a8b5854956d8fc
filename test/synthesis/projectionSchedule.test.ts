import { expect, it } from "vitest";
import { learningRate, noiseDeviation } from "../../src/synthesis/projectionSchedule.js";

it.each([
  [0, 0],
  [0.01, 0.02],
  [0.025, 0.05],
  [0.05, 0.1],
  [0.5, 0.1],
  [0.75, 0.1],
  [0.875, 0.05],
  [0.9375, 0.1 * (0.5 - 0.5 * Math.cos(Math.PI / 4))],
  [1, 0],
])("learning rate at %f of the steps: %f", (t, lr) => {
  expect(learningRate(t)).toBeCloseTo(lr, 12);
});

it.each([
  [0, 0.05],
  [0.375, 0.0125],
  [0.6, 0.002],
  [0.75, 0],
  [0.9, 0],
])("noise on w at %f of the steps: %f σ", (t, deviation) => {
  expect(noiseDeviation(t)).toBeCloseTo(deviation, 12);
});
