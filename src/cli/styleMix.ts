// stylegan style-mix

import { type Command, Option } from "commander";
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
import { layers, seeds } from "./values.js";
import { whenRun } from "./whenRun.js";

export interface Options extends NetworkOptions, TruncationChoice, ClassOption, NoiseOption, BatchOption {
  rowSeeds: number[];
  colSeeds: number[];
  colStyles?: number[];
  outdir: string;
}

const example = `
Example:
  stylegan style-mix --network FILE --rows 85,100,75 --cols 55,821,1789 --styles 0-3 --outdir out

The first styles are coarse (pose, shape), the last ones fine (colours). Writes grid.png and each picture by its seeds:
85-55.png has the picture of seed 85 with the styles of 55, 85-85.png is seed 85 itself.
`;

export function addStyleMix(program: Command): void {
  const command = program
    .command("style-mix")
    .summary("mix the styles of pictures")
    .description("Pictures of the row seeds with some layers' styles from the column seeds.")
    .addOption(networkOption())
    .addOption(
      new Option("--rows, --row-seeds <list>", "for example 0-5,8").argParser(seeds).makeOptionMandatory(),
    )
    .addOption(
      new Option("--cols, --col-seeds <list>", "for example 0-5,8").argParser(seeds).makeOptionMandatory(),
    )
    .addOption(
      new Option(
        "--styles, --col-styles <list>",
        "layers that take the column's style (default: 0-6, of those that are there)",
      ).argParser(layers),
    )
    .addOption(truncOption())
    .addOption(truncCutoffOption())
    .addOption(classOption())
    .addOption(noiseModeOption())
    .requiredOption("--outdir <folder>", "where the pictures go")
    .addOption(batchOption());
  addDeviceOptions(command)
    .addHelpText("after", example)
    .action(whenRun(() => import("./actions/styleMix.js")));
}
