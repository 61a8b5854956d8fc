import { describe, expect, it } from "vitest";
import { metricNamed } from "../../src/metrics/metrics.js";
import { openDetector } from "../../src/metrics/openDetector.js";
import { floorOf } from "../../src/synthesis/floor.js";
import type { MeasuredData } from "../../src/synthesis/measured.js";
import { UserError } from "../../src/system/errors.js";
import { liveTensors } from "../../src/torch/scope.js";
import { fixturePath } from "../helpers.js";
import { numbers } from "../torch/numeric.js";

/** Noise, every picture other. */
function noise(length: number): MeasuredData {
  const side = 16;
  const next = numbers(7);
  const pictures = Array.from({ length }, () =>
    Uint8Array.from({ length: side ** 2 * 3 }, () => next() * 256),
  );
  return {
    ...{ resolution: side, length, fingerprint: "noise" },
    label: () => -1,
    readImage: (index, target, offset) => target.set(pictures[index] as Uint8Array, offset),
  };
}

describe("half of the reals against the other", () => {
  const metrics = ["fid50k_full", "kid50k_full", "is50k", "swd"].map(metricNamed);

  it("has a value for what compares with reals, small where all are of one kind, and other ones by other halves", async () => {
    const before = liveTensors();
    const detector = await openDetector("inception", fixturePath("metrics.inception.pt"), "cpu");
    const options = { device: "cpu", detectors: new Map([["inception" as const, detector]]), batch: 16 };
    const data = noise(81);
    const floor = await floorOf(data, metrics, { ...options, seed: 0 });
    const other = await floorOf(data, metrics, { ...options, seed: 1 });
    expect(floor.map(({ metric, images }) => [metric.name, images])).toEqual([
      ["fid50k_full", 40],
      ["kid50k_full", 40],
      ["swd", 40],
    ]);
    for (const [i, { values }] of floor.entries()) expect(values).not.toEqual(other[i]?.values);
    // The estimate of kernel distances has no bias: of one kind it lies around 0.
    expect(Math.sign(floor[1]!.values[0]!) + Math.sign(other[1]!.values[0]!)).toBeLessThan(2);

    await expect(floorOf(noise(3), metrics, { ...options, seed: 0 })).rejects.toThrow(UserError);
    detector.dispose();
    expect(liveTensors()).toBe(before);
  });
});
