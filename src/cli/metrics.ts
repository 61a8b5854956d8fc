// stylegan metrics

import { type Command, Option } from "commander";
import { defaultMetricImages, type MetricName, metricNames } from "../metrics/names.js";
import { maxSeed } from "../numpy/randomState.js";
import { addDeviceOptions, type NetworkOptions, networkOption } from "./networkOptions.js";
import { integerFrom, oneOf } from "./values.js";
import { whenRun } from "./whenRun.js";

export interface MetricsOptions extends NetworkOptions {
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
  addDeviceOptions(command)
    .addHelpText("after", example)
    .action(whenRun(() => import("./actions/metrics.js")));
}
