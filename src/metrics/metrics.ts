// The table of measures: `stylegan metrics`, `train --metrics`, a run's files and the page's charts follow from it. Names
// and numbers are those of NVIDIA's tools. docs/METRICS.md says what each number means.

import { UserError } from "../system/errors.js";
import { checkMetricResolution } from "./descriptors.js";
import type { DetectorKind } from "./detector.js";
import type { FeatureStatistics } from "./features.js";
import { frechetDistance } from "./frechet.js";
import { inceptionScore } from "./inceptionScore.js";
import { drawSubsets, kernelDistance } from "./kernel.js";
import type { FeatureMetric, Metric, MetricValue, PictureMetric } from "./metric.js";
import { metricNames, parseMetricName } from "./names.js";
import { pathMetric } from "./pathMetric.js";
import { precisionAndRecall } from "./precisionRecall.js";
import { SwdReference } from "./swd.js";

const published = 50_000;
/** More pictures than these make SWD slow and hardly more exact. */
const swdImages = 1024;

const swd: PictureMetric = {
  name: "swd",
  needs: "pictures",
  images: swdImages,
  values: [{ name: "swd", title: "SWD", better: "lower" }],
  check: checkMetricResolution,
  reference(reals, options) {
    const reference = new SwdReference(reals, options);
    return {
      compare(fakes) {
        const { mean, perLevel } = reference.distance(fakes);
        return { values: [mean], details: { mean, perLevel } };
      },
      dispose: () => reference.dispose(),
    };
  },
};

/** Which reals a measure takes: all of them, as they are (`_full`); or as many as fakes, mirrored too as in training. */
const allReals = (most: number) => ({ reals: { most, mirrored: false } });
const trainingReals = { reals: { most: published, mirrored: true } };

/** Of a measure that compares all features of both kinds. */
interface Compared {
  detector: DetectorKind;
  title: string;
  reals: FeatureMetric["reals"];
}

function frechet(name: string, { detector, title, reals }: Compared): FeatureMetric {
  return {
    ...{ name, needs: "features", detector, output: "features", keep: "moments", fewest: 2 },
    ...{ images: published, reals, values: [{ name, title, better: "lower" }] },
    compute: (fake, real) => [frechetDistance(some(real).gaussian, fake.gaussian)],
  };
}

function kernel(name: string, { detector, title, reals }: Compared): FeatureMetric {
  return {
    ...{ name, needs: "features", detector, output: "features", keep: "all", fewest: 2 },
    ...{ images: published, reals, values: [{ name, title, better: "lower" }] },
    compute(fake, real, random) {
      const counts = { real: some(real).count, fake: fake.count };
      const subsets = drawSubsets(counts, { subsets: 100, largest: 1000, random });
      return [kernelDistance(some(real).features, fake.features, subsets)];
    },
  };
}

/** @param half features and distances rounded to float16, as the published numbers are */
function precisionRecall(
  name: string,
  { detector, title, reals, half }: Compared & { half: boolean },
): FeatureMetric {
  const neighbours = 3;
  return {
    ...{ name, needs: "features", detector, output: "features", keep: "all" },
    ...{ images: published, reals, fewest: neighbours + 1 },
    values: [
      { name: `${name}_precision`, title: `precision${title}`, better: "higher" },
      { name: `${name}_recall`, title: `recall${title}`, better: "higher" },
    ],
    compute(fake, real) {
      const options = { neighbours, half };
      const { precision, recall } = precisionAndRecall(some(real).features, fake.features, options);
      return [precision, recall];
    },
  };
}

/** Parts of the Inception score. */
const splits = 10;

const is50k: FeatureMetric = {
  ...{ name: "is50k", needs: "features", detector: "inception", output: "probabilities", keep: "all" },
  ...{ images: published, reals: null, fewest: splits },
  values: [
    { name: "is50k_mean", title: "IS", better: "higher" },
    { name: "is50k_std", title: "IS std", better: "lower", isSpread: true },
  ],
  compute(fake) {
    const { mean, std } = inceptionScore(fake.features, { splits });
    return [mean, std];
  },
};

const fid = {
  detector: "inception",
  title: "FID",
} as const;
const kid = { detector: "inception", title: "KID" } as const;
const pr = { detector: "vgg", title: "", half: true } as const;
/** What comes with the program has names of its own: its numbers are none of papers. */
const mobilenet = { detector: "mobilenet", ...allReals(200_000) } as const;

const table: readonly Metric[] = [
  swd,
  frechet("fid50k_full", { ...fid, ...allReals(Number.MAX_SAFE_INTEGER) }),
  kernel("kid50k_full", { ...kid, ...allReals(1_000_000) }),
  precisionRecall("pr50k3_full", { ...pr, ...allReals(200_000) }),
  is50k,
  pathMetric("ppl2_wend", { space: "w", full: false, crop: false }),
  frechet("fid50k", { ...fid, ...trainingReals }),
  kernel("kid50k", { ...kid, ...trainingReals }),
  precisionRecall("pr50k3", { ...pr, ...trainingReals }),
  pathMetric("ppl_zfull", { space: "z", full: true, crop: true }),
  pathMetric("ppl_wfull", { space: "w", full: true, crop: true }),
  pathMetric("ppl_zend", { space: "z", full: false, crop: true }),
  pathMetric("ppl_wend", { space: "w", full: false, crop: true }),
  frechet("fd50k_full", {
    ...{ detector: "own", title: "FD" },
    ...allReals(Number.MAX_SAFE_INTEGER),
  }),
  kernel("kd50k_full", {
    ...{ detector: "own", title: "KD" },
    ...allReals(1_000_000),
  }),
  fewer(frechet("fd5k_mobilenet", { ...mobilenet, title: "FD in MobileNet's features" })),
  fewer(kernel("kd5k_mobilenet", { ...mobilenet, title: "KD in MobileNet's features" })),
  fewer(precisionRecall("pr5k3_mobilenet", { ...mobilenet, title: " in MobileNet's features", half: false })),
];

/** A measure that has no published number of pictures: as many as say enough in a minute or two. */
function fewer(metric: FeatureMetric): FeatureMetric {
  return { ...metric, images: 5000 };
}

/** The entry of a name; null for an unknown one. */
export function findMetric(name: string): Metric | null {
  const { published: entry, images } = parseMetricName(name) ?? {};
  const model = table.find((metric) => metric.name === entry);
  return model && images !== undefined ? withImages(model, { images, name }) : (model ?? null);
}

/** @throws UserError for an unknown name */
export function metricNamed(name: string): Metric {
  const metric = findMetric(name);
  if (metric) return metric;
  throw new UserError(`there is no measure ${name}; choose of ${metricNames.join(", ")}`);
}

/** The detectors that `metrics` look through. */
export function detectorsOf(metrics: readonly Metric[]): Set<DetectorKind> {
  return new Set(metrics.flatMap((metric) => (metric.needs === "pictures" ? [] : [metric.detector])));
}

/** The same measure by other pictures. */
function withImages(model: Metric, { images, name }: { images: number; name: string }): Metric {
  const values = model.values.map((value) => ({ ...value, name: value.name.replace(model.name, name) }));
  return { ...model, name, images, values };
}

/** What is known of a value in a run's files; null for one of another program. */
export function valueNamed(name: string): MetricValue | null {
  // The value's name begins with its measure's.
  for (let end = name.length; end > 0; end = name.lastIndexOf("_", end - 1)) {
    const value = findMetric(name.slice(0, end))?.values.find((known) => known.name === name);
    if (value) return value;
  }
  return null;
}

function some(real: FeatureStatistics | undefined): FeatureStatistics {
  if (!real) throw new Error("a measure that compares with reals got none");
  return real;
}
