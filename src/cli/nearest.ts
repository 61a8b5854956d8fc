// stylegan nearest

import { type Command, Option } from "commander";
import { UserError } from "../system/errors.js";
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
import { integerFrom, seeds } from "./values.js";
import { whenRun } from "./whenRun.js";

export interface Options extends NetworkOptions, TruncationChoice, ClassOption, NoiseOption, BatchOption {
  data: string;
  seeds: number[];
  neighbours: number;
  detector?: string;
  mirror?: boolean;
  background: string;
  output: string;
}

const example = `
Examples:
  stylegan nearest --network runs/00000-… --data ~/pictures --mirror --output nearest.png
  stylegan nearest --network FILE --data ~/pictures --seeds 0-15 --detector ~/detectors/vgg16.pt --output nearest.png

Each row of the sheet is a generated picture with its seed, then the training pictures nearest to it with their distances.
Without --detector that is the root mean square difference of pixels (0 to 255), of pictures of 32 px; with one, the
Euclidean distance of its features. The last line says how far real pictures are from each other.
`;

export function addNearest(program: Command): void {
  const command = program
    .command("nearest")
    .summary("show the training pictures that are nearest to generated ones")
    .description(
      "Writes a sheet of generated pictures, each beside the training pictures most like it: are they copies?",
    )
    .addOption(networkOption())
    .requiredOption("--data <source>", "the training pictures: folder, zip, emoji or emoji:GROUP")
    .addOption(
      new Option("--seeds <list>", "for example 0-5,8")
        .argParser(seeds)
        .default([0, 1, 2, 3, 4, 5, 6, 7], "0-7"),
    )
    .addOption(
      new Option("--neighbours <n>", "training pictures beside each")
        .argParser(integerFrom(1, 64))
        .default(5),
    )
    .option(
      "--detector <file>",
      "compare by the features of this network (see metrics), or of mobilenet, which comes with the program, instead of pixels",
    )
    .option("--mirror", "the training mirrored its pictures: look at mirrored ones too")
    .option("--background <colour>", "colour under transparent pixels", "white")
    .requiredOption("--output <file>", "the sheet; its name ends in .png")
    .addOption(truncOption())
    .addOption(truncCutoffOption())
    .addOption(classOption())
    .addOption(noiseModeOption())
    .addOption(batchOption());
  addDeviceOptions(command)
    .addHelpText("after", example)
    .action(whenRun(() => import("./actions/nearest.js"), check));
}

function check({ output }: Options): void {
  if (!output.endsWith(".png")) throw new UserError(`--output ${output}: give a name that ends in .png`);
}
