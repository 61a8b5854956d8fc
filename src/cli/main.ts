#!/usr/bin/env node
// The program's entry: commands, and how errors end it.

import { Command, CommanderError } from "commander";
import { UserError } from "../system/errors.js";
import { packageVersion } from "../system/packageRoot.js";
import { setConsent } from "../torch/addonFile.js";
import { addDataset } from "./dataset.js";
import { addDirections } from "./directions.js";
import { addExport } from "./export.js";
import { addGenerate } from "./generate.js";
import { addImport } from "./import.js";
import { addInfo } from "./info.js";
import { addInterpolate } from "./interpolate.js";
import { addMetrics } from "./metrics.js";
import { addNearest } from "./nearest.js";
import { addProject } from "./project.js";
import { addServe } from "./serve.js";
import { addSetup } from "./setup.js";
import { addStyleMix } from "./styleMix.js";
import { addTrain } from "./train.js";
import "../torch/libtorch.js";

const badInput = 2;

async function main(args: readonly string[]): Promise<void> {
  const program = new Command("stylegan")
    .description("The StyleGAN family: train on your own pictures, generate, explore.")
    .version(packageVersion())
    .exitOverride();
  addTrain(program);
  addDataset(program);
  addServe(program);
  addGenerate(program);
  addStyleMix(program);
  addInterpolate(program);
  addDirections(program);
  addExport(program);
  addImport(program);
  addInfo(program);
  addMetrics(program);
  addNearest(program);
  addProject(program);
  addSetup(program);
  for (const command of program.commands) {
    const help = `see stylegan ${command.name()} --help`;
    command.exitOverride().configureOutput({ outputError: (text, write) => write(oneLine(text, help)) });
    if (!command.options.some(({ long }) => long === "--yes"))
      command.option("--yes", "install what is missing of the system's packages without asking");
  }
  program.hook("preAction", (_, command) => setConsent(command.opts().yes ? "yes" : "ask"));
  program.configureOutput({ outputError: (text, write) => write(oneLine(text, "see stylegan --help")) });
  await program.parseAsync(args);
}

/** Commander's message on one line, as all errors of the program. */
function oneLine(text: string, help: string): string {
  const message = text
    .replace(/^error: /, "")
    .trim()
    .replace(/\s*\n\s*/g, " ");
  return `stylegan: ${message} (${help})\n`;
}

// Whoever reads may stop reading (`| head`): a training goes on, and what only prints is soon done.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

main(process.argv).catch((error: unknown) => {
  if (error instanceof CommanderError) {
    // Commander has printed its message; help and version are no errors.
    process.exitCode = error.exitCode === 0 ? 0 : badInput;
  } else if (error instanceof UserError) {
    process.stderr.write(`stylegan: ${error.message}\n`);
    process.exitCode = badInput;
  } else {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  }
});
