// stylegan dataset: what it does.

import { croppedSize, type Size } from "../../data/making/crop.js";
import { openDestination } from "../../data/making/destination.js";
import { labelsOf } from "../../data/making/labels.js";
import { makeDataset } from "../../data/making/makeDataset.js";
import { noImages, openSource } from "../../data/openSource.js";
import { checkBackground } from "../../data/prepareImage.js";
import type { DatasetCommandOptions } from "../dataset.js";
import { longWork } from "../longWork.js";
import { printSkipped } from "./skippedFiles.js";

export async function run(sourceName: string, dest: string, options: DatasetCommandOptions): Promise<void> {
  const { crop, background, resolution: size = { width: 64, height: 64 }, force = false } = options;
  checkBackground(background);
  const made = croppedSize({ crop, size });
  const source = await openSource(sourceName);
  try {
    const total = source.images.length;
    if (total === 0) throw noImages(sourceName, source.skipped);
    const classes = await labelsOf(source, options.labels);
    const destination = await openDestination(dest, { force });
    const onStop = "Stopping: no data set is written.";
    await longWork({ total, unit: "pictures", onStop }, async (work) => {
      try {
        const onPicture = (done: number) => {
          work.update(done);
          return work.isStopping;
        };
        const result = await makeDataset(source, destination, { crop, size, background, classes, onPicture });
        if (!result.complete) return destination.abandon();
        await destination.finish();
        printSkipped(result.skipped);
        process.stdout.write(
          `${dest}: ${result.pictures} pictures of ${sizeText(made)}, ${classText(classes?.names)}, ${(result.bytes / 1e6).toFixed(1)} MB\n`,
        );
        if (!canTrainOn(made))
          process.stdout.write(
            `There is no network for ${sizeText(made)} yet: train on squares of 4, 8, 16, … pixels.\n`,
          );
      } catch (error) {
        await destination.abandon();
        throw error;
      }
    });
  } finally {
    source.close();
  }
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
