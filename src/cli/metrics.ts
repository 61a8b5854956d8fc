// stylegan metrics

import { type Command, Option } from "commander";
import { type Dataset, openDataset } from "../data/dataset.js";
import { checkMetricResolution } from "../metrics/descriptors.js";
import { defaultMetricImages, type MetricName, metricImagesOf, metricNames } from "../metrics/names.js";
import type { SwdResult } from "../metrics/swd.js";
import type { Generator } from "../networks/network.js";
import type { SnapshotInfo } from "../networks/snapshot.js";
import { SwdMeter } from "../synthesis/swdMeter.js";
import { UserError } from "../system/errors.js";
import { addDeviceOptions, type NetworkOptions, networkOption, openGenerator } from "./networkOptions.js";
import { integerFrom, maxSeed, oneOf } from "./values.js";

interface MetricsOptions extends NetworkOptions {
  metrics: MetricName;
  data: string;
  images?: number;
  seed: number;
  background: string;
  json?: boolean;
}

const example = `
Metrics:
  swd   sliced Wasserstein distance in thousandths, at each resolution and their mean: 0 for equal sets, smaller is
        better. Only values of the same data and number of pictures compare.

Example:
  stylegan metrics --metrics swd --network runs/00000-emoji-smileys-stylegan2-small-32 --data emoji:smileys
`;

export function addMetrics(program: Command): void {
  const command = program
    .command("metrics")
    .summary("measure how close a generator's pictures are to the real ones")
    .description("Compares pictures of a generator (seeds 0, 1, 2, …, no truncation) with as many real ones.")
    .addOption(
      new Option("--metrics <name>", `what to measure: ${metricNames.join(", ")}`)
        .argParser(oneOf(metricNames))
        .default("swd"),
    )
    .addOption(networkOption())
    .requiredOption("--data <source>", "the real pictures: folder, zip, emoji or emoji:GROUP")
    .addOption(
      new Option(
        "--images <n>",
        `pictures of each kind (default: all of the data, at most ${defaultMetricImages})`,
      ).argParser(integerFrom(1)),
    )
    .addOption(
      new Option("--seed <n>", "start of the metric's random numbers")
        .argParser(integerFrom(0, maxSeed))
        .default(0),
    )
    .option("--background <colour>", "colour under transparent pixels", "white")
    .option("--json", "print one line of JSON");
  addDeviceOptions(command).addHelpText("after", example).action(metrics);
}

async function metrics(options: MetricsOptions): Promise<void> {
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
