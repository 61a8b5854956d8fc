// stylegan dataset

import { type Command, Option } from "commander";
import { type CropMode, cropModes } from "../data/making/cropModes.js";
import { droppable, type Finding } from "../data/survey/findings.js";
import { UserError } from "../system/errors.js";
import { listOf, oneOf, pictureSize } from "./values.js";
import { whenRun } from "./whenRun.js";

export interface DatasetCommandOptions {
  resolution?: { width: number; height: number };
  crop: CropMode;
  background: string;
  /** `folders`, `none` or a CSV file. */
  labels?: string;
  drop: Finding[];
  check?: true;
  report?: string;
  force: boolean;
}

const help = `
How pictures are cropped (--crop):
${Object.entries(cropModes)
  .map(([name, text]) => `  ${name.padEnd(13)}${text}`)
  .join("\n")}

Examples:
  stylegan dataset ~/pictures --check --report look
  stylegan dataset ~/pictures pictures.zip --resolution 64 --drop blank,duplicates
  stylegan dataset ~/animals animals.zip --resolution 128 --crop attention --labels folders
  stylegan train --data pictures.zip --mirror

Every picture is looked at first, and what is found is told: unreadable and tiny files, copies, classes of very different
sizes, and what suits the set. The zip is NVIDIA's: PNG files, stored, and dataset.json with the labels. A name that does
not end in .zip is a folder of the same. It appears when it is complete, and what is there is not overwritten.
`;

export function addDataset(program: Command): void {
  program
    .command("dataset")
    .summary("look at pictures of any kind, and make a data set of them")
    .description(
      "Looks at the pictures of a folder, a zip or the emoji, and makes a data set of one size of them, a zip or a folder.",
    )
    .argument("<source>", "a folder of pictures, a zip, emoji or emoji:GROUP")
    .argument("[dest]", "the data set: a zip if the name ends so, else a folder")
    .option("--check", "only look; write no data set")
    .option(
      "--report <name>",
      "write NAME.html and NAME.png: a contact sheet, and what was found in pictures",
    )
    .addOption(
      new Option(
        "--resolution <size>",
        "256, or width x height as 256x128 (default: what most pictures have, up to 256)",
      ).argParser(pictureSize),
    )
    .addOption(
      new Option("--crop <mode>", `${Object.keys(cropModes).join(", ")}: see below`)
        .argParser(cropMode)
        .default("centre"),
    )
    .option("--background <colour>", "colour of bars and under transparent pixels", "white")
    .option(
      "--labels <source>",
      "the classes: folders (the first-level ones), a CSV file of file,class, or none (default: what the source says)",
    )
    .addOption(
      new Option("--drop <list>", `leave out, with commas: ${droppable.join(", ")}`)
        .argParser(listOf(droppable))
        .default([], "none"),
    )
    .option("--force", "replace the zip and the report if they are there", false)
    .addHelpText("after", help)
    .action(whenRun(() => import("./actions/dataset.js"), check));
}

const mode = oneOf(Object.keys(cropModes) as CropMode[]);

/** In American spelling too. */
function cropMode(text: string): CropMode {
  return mode(text.replace(/^center/, "centre"));
}

function check(source: string, dest: string | undefined, { check: only }: DatasetCommandOptions): void {
  if (dest === undefined && !only)
    throw new UserError(
      `say where the data set goes, for example: dataset ${source} pictures.zip (or only look at the pictures with --check)`,
    );
  if (dest !== undefined && only)
    throw new UserError(`--check only looks: leave it out to make ${dest}, or leave out ${dest}`);
}
