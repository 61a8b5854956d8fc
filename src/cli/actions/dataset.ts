// stylegan dataset: what it does.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { ClassTable } from "../../data/classes.js";
import type { ImageSource } from "../../data/imageSource.js";
import { type CropOptions, croppedSize, type Size } from "../../data/making/crop.js";
import { type Destination, openDestination } from "../../data/making/destination.js";
import { labelsOf } from "../../data/making/labels.js";
import { type MadeDataset, makeDataset } from "../../data/making/makeDataset.js";
import { noImages, openSource } from "../../data/openSource.js";
import { checkBackground } from "../../data/prepareImage.js";
import { type Survey, tinySide } from "../../data/survey/survey.js";
import { surveySource } from "../../data/survey/surveySource.js";
import { UserError } from "../../system/errors.js";
import { calledAs } from "../calledAs.js";
import type { DatasetCommandOptions } from "../dataset.js";
import { longWork } from "../longWork.js";
import { adviceOn, reportLines, writeReport } from "./datasetReport.js";
import { printSkipped } from "./skippedFiles.js";

const out = (line: string) => process.stdout.write(`${line}\n`);

export async function run(
  sourceName: string,
  dest: string | undefined,
  options: DatasetCommandOptions,
): Promise<void> {
  const { background, resolution, crop } = options;
  checkBackground(background);
  if (resolution) croppedSize({ crop, size: resolution });
  checkReportNames(options);
  const source = await openSource(sourceName);
  try {
    if (source.images.length === 0) throw noImages(sourceName, source.skipped);
    const classes = await labelsOf(source, options.labels);
    // Before minutes are spent on pictures that have no place to go to.
    const destination = dest === undefined ? undefined : await openDestination(dest, options);
    try {
      const survey = await look(source, classes, options);
      if (survey === undefined) {
        await destination?.abandon();
        return;
      }
      if (survey.pictures === 0) throw noImages(sourceName, [...source.skipped, ...unreadable(survey)]);
      const size = resolution ?? sizeFor(survey, options);
      await report(survey, { source, dest, sourceName, options, size });
      if (destination && dest !== undefined)
        await make(
          { source, destination, dest, classes, survey, cropOptions: { crop, size, background } },
          options,
        );
    } catch (error) {
      await destination?.abandon();
      throw error;
    }
  } finally {
    source.close();
  }
}

/** Undefined when the user has ended it. */
function look(
  source: ImageSource,
  classes: ClassTable | undefined,
  { crop, background, resolution }: DatasetCommandOptions,
): Promise<Survey | undefined> {
  const classOf = classes && ((file: string) => classes.names[classes.labelOf(file) ?? -1]);
  const size = resolution ?? { width: 64, height: 64 };
  const side = Math.min(tinySide, size.width, size.height);
  const work = { total: source.images.length, unit: "looked at", onStop: "Stopping: nothing is written." };
  return longWork(work, (progress) =>
    surveySource(source, {
      ...{ crop, background, size, classOf, tinySide: side },
      onPicture(done) {
        progress.update(done);
        return progress.isStopping;
      },
    }),
  );
}

interface Reported {
  source: ImageSource;
  sourceName: string;
  dest: string | undefined;
  options: DatasetCommandOptions;
  size: Size;
}

async function report(survey: Survey, { source, sourceName, dest, options, size }: Reported): Promise<void> {
  const { crop, background } = options;
  const resolution = Math.min(size.width, size.height);
  const text = reportLines(survey, { resolution, data: dest ?? sourceName, program: calledAs() });
  for (const line of text) out(line);
  if (options.report !== undefined)
    out(`\n${await writeReport(options.report, { source, survey, crop: { crop, background, size }, text })}`);
  out("");
}

interface Making {
  source: ImageSource;
  destination: Destination;
  dest: string;
  classes: ClassTable | undefined;
  survey: Survey;
  cropOptions: CropOptions;
}

async function make(
  { source, destination, dest, classes, survey, cropOptions }: Making,
  { drop }: DatasetCommandOptions,
): Promise<void> {
  const leftOut = survey.filesWith(["unreadable", ...drop]);
  const work = { total: source.images.length, unit: "pictures", onStop: "Stopping: no data set is written." };
  const made = await longWork(work, async (progress): Promise<MadeDataset | undefined> => {
    const result = await makeDataset(source, destination, {
      ...{ ...cropOptions, classes, leftOut },
      onPicture(done) {
        progress.update(done);
        return progress.isStopping;
      },
    });
    if (result.complete) progress.update(source.images.length);
    return result.complete ? result : undefined;
  });
  if (made === undefined) {
    await destination.abandon();
    return;
  }
  await destination.finish();
  // What could not be read at a small size is told above.
  printSkipped(made.skipped.filter(({ file }) => !leftOut.has(file)));
  const size = croppedSize(cropOptions);
  const without = source.images.length - made.pictures;
  out(
    `${dest}: ${made.pictures} pictures of ${sizeText(size)}, ${classText(classes?.names)}, ${(made.bytes / 1e6).toFixed(1)} MB${without > 0 ? `; ${without} left out` : ""}`,
  );
  if (!canTrainOn(size))
    out(`There is no network for ${sizeText(size)} yet: train on squares of 4, 8, 16, … pixels.`);
}

function unreadable(survey: Survey) {
  return survey.of("unreadable").map(({ file, note = "" }) => ({ file, reason: note }));
}

/** The size of a set where none is asked for: what most pictures have enough pixels for, or their own. */
function sizeFor(survey: Survey, { crop }: DatasetCommandOptions): Size {
  if (crop === "none") {
    const [first, ...others] = survey.sizes.keys();
    if (first === undefined || others.length > 0)
      throw new UserError(
        `the pictures have ${survey.sizes.size} sizes, ${first} and ${others[0]} for example: give --resolution, or a --crop`,
      );
    const [width = 0, height = 0] = first.split(" x ").map(Number);
    return { width, height };
  }
  const side = adviceOn(survey).resolution.gpu;
  const size = { width: side, height: side };
  croppedSize({ crop, size });
  return size;
}

function checkReportNames({ report: name, force }: DatasetCommandOptions): void {
  if (name === undefined || force) return;
  for (const file of [`${name}.html`, `${name}.png`])
    if (existsSync(resolve(file)))
      throw new UserError(`${file} is already there: give --report another name, or --force to replace it`);
}

/** What networks there are for. */
function canTrainOn({ width, height }: Size): boolean {
  return width === height && Number.isInteger(Math.log2(width));
}

function sizeText({ width, height }: Size): string {
  return `${width} x ${height}`;
}

function classText(names: readonly string[] | undefined): string {
  return names ? `${names.length} classes` : "no classes";
}
