// stylegan metrics

import { type Command, Option } from "commander";
import { metricTexts } from "../metrics/names.js";
import { maxSeed } from "../numpy/randomState.js";
import { UserError } from "../system/errors.js";
import { metricList } from "./metricOptions.js";
import { addDeviceOptions, type DeviceOptions } from "./networkOptions.js";
import { integerFrom } from "./values.js";
import { whenRun } from "./whenRun.js";

export interface MetricsOptions extends DeviceOptions {
  metrics: string[];
  network: string[];
  data: string;
  images?: number;
  seed: number;
  repeats: number;
  floor?: boolean;
  perClass?: boolean;
  mirror?: boolean;
  detector?: string;
  background: string;
  plot?: string;
  json?: boolean;
}

const help = `
Metrics:
${Object.entries(metricTexts)
  .map(([name, text]) => `  ${name.padEnd(12)}${text}`)
  .join("\n")}
  A name with other thousands of pictures is the same measure by as many: fid5k_full. docs/METRICS.md has more.

Examples:
  stylegan metrics --metrics swd --network runs/00000-emoji-smileys-stylegan2-small-32 --data emoji:smileys
  stylegan metrics --metrics fid50k_full,kid50k_full --detector ~/detectors --network runs/00000-…/network-snapshot-*.safetensors --data ~/pictures --plot fid.png
`;

export function addMetrics(program: Command): void {
  const command = program
    .command("metrics")
    .summary("measure how close a generator's pictures are to the real ones")
    .description("Compares pictures of generators with real ones; several networks are listed best first.")
    .addOption(
      new Option("--metrics <list>", "what to measure, with commas: see below")
        .argParser(metricList)
        .default(["swd"], "swd"),
    )
    .addOption(
      new Option(
        "--network <file...>",
        "network snapshots, runs' folders for their latest, or files of another program (see import)",
      ).makeOptionMandatory(),
    )
    .requiredOption("--data <source>", "the real pictures: folder, zip, emoji or emoji:GROUP")
    .option("--detector <path>", "the detector's file, or a folder of them (default: $STYLEGAN_DETECTORS)")
    .addOption(
      new Option(
        "--images <n>",
        "pictures of the generator (default: what the measure's name says)",
      ).argParser(integerFrom(1)),
    )
    .addOption(
      new Option("--seed <n>", "start of all random numbers").argParser(integerFrom(0, maxSeed)).default(0),
    )
    .addOption(
      new Option("--repeats <n>", "measure so often with other draws, and tell the spread")
        .argParser(integerFrom(1, 100))
        .default(1),
    )
    .option(
      "--floor",
      "also measure one half of the real pictures against the other: what no generator gets below",
    )
    .option("--per-class", "measure each class of a conditional network by itself")
    .option("--mirror", "the training mirrored its pictures: counts for fid50k, kid50k and pr50k3")
    .option("--background <colour>", "colour under transparent pixels", "white")
    .option("--plot <file>", "draw the values over the networks' thousands of images, as PNG or SVG")
    .option("--json", "print a line of JSON for each measure and network");
  addDeviceOptions(command)
    .addHelpText("after", help)
    .action(whenRun(() => import("./actions/metrics.js"), check));
}

function check({ plot }: MetricsOptions): void {
  if (plot !== undefined && !/\.(png|svg)$/.test(plot))
    throw new UserError(`--plot ${plot}: give a name that ends in .png or .svg`);
}
