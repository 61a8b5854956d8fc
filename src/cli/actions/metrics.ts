// stylegan metrics: what it does.

import { type Dataset, openDataset } from "../../data/dataset.js";
import { checkMetricResolution } from "../../metrics/descriptors.js";
import { metricImagesOf } from "../../metrics/names.js";
import type { SwdResult } from "../../metrics/swd.js";
import type { Generator } from "../../networks/network.js";
import type { SnapshotInfo } from "../../networks/snapshot.js";
import { SwdMeter } from "../../synthesis/swdMeter.js";
import { UserError } from "../../system/errors.js";
import type { MetricsOptions } from "../metrics.js";
import { openGenerator } from "./openNetwork.js";

export async function run(options: MetricsOptions): Promise<void> {
  const { G, info, file: network } = openGenerator(options);
  try {
    checkMetricResolution(G.resolution);
    const dataset = await open(options, G);
    try {
      const images = imagesOf(options, dataset);
      checkClasses(G, info, dataset);
      const result = measure(G, dataset, { ...options, images });
      const { metrics: metric, seed } = options;
      const { curNimg } = info;
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ metric, ...result, images, seed, curNimg, network })}\n`
          : report(result, images),
      );
    } finally {
      dataset.close();
    }
  } finally {
    G.dispose();
  }
}

function open({ data, background }: MetricsOptions, G: Generator): Promise<Dataset> {
  const { stderr } = process;
  return openDataset({
    source: data,
    background,
    resolution: G.resolution,
    conditional: G.cDim > 0,
    onProgress: (done, total) => {
      if (stderr.isTTY) stderr.write(`\rpreparing pictures ${done}/${total}${done === total ? "\n" : ""}`);
    },
  });
}

function imagesOf({ images, data }: MetricsOptions, dataset: Dataset): number {
  if (images === undefined) return metricImagesOf(dataset.length);
  if (images <= dataset.length) return images;
  throw new UserError(
    `--images ${images}: ${data} has only ${dataset.length} usable pictures; give a number up to that`,
  );
}

/** A conditional network is shown its data's classes by number: they must be those of its training. */
function checkClasses(G: Generator, { classNames }: SnapshotInfo, dataset: Dataset): void {
  // Networks of other programs know their classes by number only.
  const isUnnamed = G.cDim > 0 && classNames.length === 0;
  if (isUnnamed && dataset.classNames.length === G.cDim) return;
  if (JSON.stringify(classNames) === JSON.stringify(dataset.classNames)) return;
  throw new UserError(
    `the network's classes (${isUnnamed ? G.cDim : classNames.join(", ")}) are not those of ${dataset.source} (${dataset.classNames.join(", ")}): give the data it was trained on`,
  );
}

function measure(
  G: Generator,
  dataset: Dataset,
  { images, seed, device }: { images: number; seed: number; device: string },
): SwdResult {
  const meter = new SwdMeter(dataset, { zDim: G.zDim, images, seed, device });
  try {
    return meter.measure(G);
  } finally {
    meter.dispose();
  }
}

function report({ perLevel, mean }: SwdResult, images: number): string {
  const lines = [
    ...perLevel.map(({ resolution, value }) => [`${resolution} px`, value] as const),
    ["mean", mean] as const,
  ];
  const rows = lines.map(([name, value]) => `  ${name.padEnd(8)}${value.toFixed(2).padStart(9)}\n`);
  return `swd x 1000, ${images} pictures of each kind\n${rows.join("")}`;
}
