// stylegan train

import { type Command, Option } from "commander";
import { adversarialLosses } from "../losses/adversarial.js";
import { automatic, automaticSummary } from "../training/auto.js";
import { presets } from "../training/presets.js";
import { addDeviceOptions, type DeviceOptions } from "./networkOptions.js";
import { portNumber } from "./serve.js";
import { addTrainingOptions } from "./trainOptions.js";
import { whenRun } from "./whenRun.js";

/** What is no option of the training itself. */
export interface TrainCommandOptions extends DeviceOptions {
  cfg?: string;
  outdir?: string;
  resume?: string;
  dryRun?: boolean;
  show?: boolean;
  /** true: at the usual port. */
  serve?: true | number;
  yes?: boolean;
}

const example = `
What has no default here has one in the configuration; train --cfg NAME --show lists them, with their sources.

Examples:
  stylegan train --data ~/pictures --mirror
  stylegan train --data emoji:smileys --cfg stylegan2-small --resolution 32 --mirror --kimg 40
  stylegan train --data ~/pictures --cfg progan --loss hinge --penalty wgan-gp --growth-kimg 50
  stylegan train --resume ffhq.pkl --data ~/pictures --freeze-d 10
  stylegan train --resume runs/00000-emoji-smileys-stylegan2-small-32 --serve

Configurations (--cfg):
${[[automatic, { summary: automaticSummary }] as const, ...Object.entries(presets)]
  .map(([name, { summary }]) => `  ${name.padEnd(18)}${summary}`)
  .join("\n")}

Losses (--loss):
${Object.entries(adversarialLosses)
  .map(([name, { description }]) => `  ${name.padEnd(21)}${description}`)
  .join("\n")}
`;

export function addTrain(program: Command): void {
  const command = program
    .command("train")
    .summary("train a generator on a folder of pictures")
    .description("Trains a generator on a folder or zip of pictures, or on the built-in emoji.")
    .option(
      "--cfg <name>",
      `configuration: ${automatic}, ${Object.keys(presets).join(", ")} (default: ${automatic})`,
    )
    .option(
      "--outdir <folder>",
      "where runs are written (default: runs; beside the run that --resume names, with other pictures)",
    )
    .option(
      "--resume <path>",
      "a run's folder: go on exactly, or with other --data start from its networks; a snapshot or a file of another program (see import): start from its networks, with the options that it was trained with",
    );
  addDeviceOptions(command)
    .addOption(
      new Option("--serve [port]", "show the training in a browser, and let it be steered there").argParser(
        portNumber,
      ),
    )
    .option("--dry-run", "print configuration, parameters, memory and time; write nothing")
    .option("--yes", "without asking: a training of more than a day, packages of the system that are missing")
    .option("--show", "print the configuration's values and where they come from; measure nothing");
  addTrainingOptions(command)
    .addHelpText("after", example)
    .action(whenRun(() => import("./actions/train.js")));
}
