// stylegan dataset

import { type Command, Option } from "commander";
import { type CropMode, cropModes } from "../data/making/cropModes.js";
import { oneOf, pictureSize } from "./values.js";
import { whenRun } from "./whenRun.js";

export interface DatasetCommandOptions {
  resolution?: { width: number; height: number };
  crop: CropMode;
  background: string;
  labels?: "folders" | "none";
  force?: true;
}

const help = `
How pictures are cropped (--crop):
${Object.entries(cropModes)
  .map(([name, text]) => `  ${name.padEnd(13)}${text}`)
  .join("\n")}

Examples:
  stylegan dataset ~/pictures pictures.zip --resolution 64
  stylegan dataset ~/animals animals.zip --resolution 128 --crop attention --labels folders
  stylegan train --data pictures.zip --cfg stylegan2-small --mirror

The zip is NVIDIA's: PNG files, stored, and dataset.json with the labels. A name that does not end in .zip is a folder of the
same. It appears when it is complete, and what is there is not overwritten.
`;

export function addDataset(program: Command): void {
  program
    .command("dataset")
    .summary("make a data set of pictures of any kind")
    .description(
      "Makes a data set of one size, a zip or a folder, of the pictures of a folder, a zip or the emoji.",
    )
    .argument("<source>", "a folder of pictures, a zip, emoji or emoji:GROUP")
    .argument("<dest>", "the data set: a zip if the name ends so, else a folder")
    .addOption(new Option("--resolution <size>", "256, or width x height as 256x128").argParser(pictureSize))
    .addOption(
      new Option("--crop <mode>", `${Object.keys(cropModes).join(", ")}: see below`)
        .argParser(cropMode)
        .default("centre"),
    )
    .option("--background <colour>", "colour of bars and under transparent pixels", "white")
    .addOption(
      new Option(
        "--labels <source>",
        "folders: the first-level folders are the classes; none (default: what the source says)",
      ).argParser(oneOf(["folders", "none"] as const)),
    )
    .option("--force", "replace the zip if it is there")
    .addHelpText("after", help)
    .action(whenRun(() => import("./actions/dataset.js")));
}

const mode = oneOf(Object.keys(cropModes) as CropMode[]);

/** In American spelling too. */
function cropMode(text: string): CropMode {
  return mode(text.replace(/^center/, "centre"));
}
