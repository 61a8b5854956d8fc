// stylegan directions

import { type Command, Option } from "commander";
import type { LayerRange } from "../synthesis/directions.js";
import {
  addDeviceOptions,
  type BatchOption,
  batchOption,
  type ClassOption,
  classOption,
  type NetworkOptions,
  type NoiseOption,
  networkOption,
  noiseModeOption,
  type TruncationChoice,
  truncCutoffOption,
  truncOption,
} from "./networkOptions.js";
import { integerFrom, layerRanges, numberIn, seeds } from "./values.js";
import { whenRun } from "./whenRun.js";

export interface Options extends NetworkOptions, TruncationChoice, ClassOption, NoiseOption, BatchOption {
  outdir: string;
  count: number;
  layers?: LayerRange[];
  seeds: number[];
  distance: number;
  steps: number;
}

const example = `
Example:
  stylegan directions --network FILE --layers 0-3,4-7 --count 5 --seeds 0-2 --trunc 0.7 --outdir directions
  stylegan generate --network FILE --seeds 3 --directions directions/directions.json --direction 0-3:1=2 --outdir out

Needs no data: the directions are those in which the layers' styles change most (SeFa). Writes directions.json, in which
the names can be changed, and for each seed a grid with a row for each direction: seed0000.png.
`;

export function addDirections(program: Command): void {
  const command = program
    .command("directions")
    .summary("find what a generator can change, without data")
    .description("Finds directions of w that change pictures most, and shows pictures along them.")
    .addOption(networkOption())
    .requiredOption("--outdir <folder>", "where directions.json and the pictures go")
    .addOption(
      new Option("--count <n>", "directions for each range of layers")
        .argParser(integerFrom(1, 8192))
        .default(8),
    )
    .addOption(
      new Option(
        "--layers <ranges>",
        "for example 0-3,4-7: directions of these layers only (default: all)",
      ).argParser(layerRanges),
    )
    .addOption(
      new Option("--seeds <list>", "pictures to show them on").argParser(seeds).default([0, 1], "0,1"),
    )
    .addOption(
      new Option("--distance <x>", "how far the pictures go to both sides, in units of w")
        .argParser(numberIn({ min: 0, aboveMin: true, max: 1e6 }))
        .default(3),
    )
    .addOption(new Option("--steps <n>", "pictures along each").argParser(integerFrom(2, 1000)).default(7))
    .addOption(truncOption())
    .addOption(truncCutoffOption())
    .addOption(classOption())
    .addOption(noiseModeOption())
    .addOption(batchOption());
  addDeviceOptions(command)
    .addHelpText("after", example)
    .action(whenRun(() => import("./actions/directions.js")));
}
