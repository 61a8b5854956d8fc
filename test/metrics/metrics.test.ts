import { describe, expect, it } from "vitest";
import { findMetric, valueNamed } from "../../src/metrics/metrics.js";
import { isMetricName, metricNames } from "../../src/metrics/names.js";
import { metricFileName, metricFilePattern } from "../../src/protocol/runFiles.js";

describe("the table of measures", () => {
  it("has each name once, each value once, and files of a run for all", () => {
    for (const name of metricNames) expect(findMetric(name)?.name).toBe(name);
    expect(new Set(metricNames).size).toBe(metricNames.length);
    const values = metricNames.flatMap((name) => findMetric(name)!.values.map((value) => value.name));
    expect(new Set(values).size).toBe(values.length);
    for (const name of metricNames) expect(metricFilePattern.exec(metricFileName(name))?.[1]).toBe(name);
    for (const value of values) expect(valueNamed(value)?.name).toBe(value);
  });

  it("has NVIDIA's names", () => {
    expect(metricNames).toEqual(
      expect.arrayContaining([
        ...["fid50k_full", "kid50k_full", "pr50k3_full", "is50k", "ppl2_wend", "fid50k", "kid50k", "pr50k3"],
        ...["ppl_zfull", "ppl_wfull", "ppl_zend", "ppl_wend"],
      ]),
    );
  });

  it("takes other thousands of pictures, under a name that says so", () => {
    expect(findMetric("fid50k_full")).toMatchObject({ images: 50_000, values: [{ name: "fid50k_full" }] });
    expect(findMetric("fid5k_full")).toMatchObject({
      ...{ name: "fid5k_full", images: 5000, detector: "inception" },
      values: [{ name: "fid5k_full", title: "FID" }],
    });
    expect(findMetric("pr10k3_full")?.values.map(({ name }) => name)).toEqual([
      "pr10k3_full_precision",
      "pr10k3_full_recall",
    ]);
    expect(valueNamed("pr10k3_full_recall")).toMatchObject({ title: "recall", better: "higher" });
    expect(findMetric("pr1k3_mobilenet")).toMatchObject({ images: 1000, detector: "mobilenet" });
    for (const name of [
      "fid",
      "fid5k_mobilenet",
      "fid0k_full",
      "fid05k",
      "swd1k",
      "ppl1k_wend",
      "fid5k_half",
      "FID5k",
      "",
    ])
      expect(isMetricName(name)).toBe(false);
  });
});
