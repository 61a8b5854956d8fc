// stylegan metrics: what it does.

import { type Dataset, openDataset } from "../../data/dataset.js";
import { loadNetwork } from "../../interop/loadNetwork.js";
import { isPublished } from "../../metrics/detector.js";
import { metricNamed } from "../../metrics/metrics.js";
import { DetectorFiles } from "../../metrics/openDetector.js";
import type { Generator } from "../../networks/network.js";
import type { SnapshotInfo } from "../../networks/snapshot.js";
import { type MeasuredData, ofClass } from "../../synthesis/measured.js";
import { Meter, type MetricResult } from "../../synthesis/meter.js";
import { UserError } from "../../system/errors.js";
import { statisticsFolder } from "../../training/measuring.js";
import type { MetricsOptions } from "../metrics.js";
import { createProgress, type Progress } from "../progress.js";
import { exitCodeOf, watchSignals } from "../signals.js";
import { type Measurement, mainValues, report } from "./metricReport.js";
import { printNotes, useDevice } from "./openNetwork.js";
import { writePlot } from "./plot.js";

export async function run(options: MetricsOptions): Promise<void> {
  useDevice(options);
  const bar = new PassBar();
  const stop = watchSignals(() => {
    bar.finish();
    process.stderr.write("Stopping after this batch. Once more ends at once.\n");
  });
  const measurements: Measurement[] = [];
  try {
    for await (const measurement of measureAll(options, {
      bar,
      isStopping: () => stop.signal !== undefined,
    })) {
      measurements.push(measurement);
      if (options.json) process.stdout.write(jsonLines(measurement, options));
    }
  } finally {
    bar.finish();
    stop.ignore();
  }
  if (!options.json) process.stdout.write(report(measurements));
  if (options.plot !== undefined)
    await writePlot(
      options.plot,
      measurements.filter(({ isFloor }) => !isFloor),
    );
  if (stop.signal !== undefined) process.exitCode = exitCodeOf(stop);
}

/** One measurement for each network, or for each of its classes. */
async function* measureAll(
  options: MetricsOptions,
  { bar, isStopping }: { bar: PassBar; isStopping: () => boolean },
): AsyncIterable<Measurement> {
  const passes = {
    onProgress: (what: string, done: number, total: number) => bar.update(what, done, total),
    shouldStop: isStopping,
  };
  let dataset: Dataset | undefined;
  const meters = new Map<number | undefined, Meter>();
  try {
    for (const path of options.network) {
      const { G, info, file, notes } = loadNetwork(path, { device: options.device });
      printNotes(notes);
      try {
        if (dataset && dataset.resolution !== G.resolution)
          throw new UserError(
            `${file} makes pictures of ${G.resolution} px, those before it of ${dataset.resolution} px: measure them apart`,
          );
        dataset ??= await open(options, G);
        checkImages(options, dataset);
        checkClasses(G, info, dataset);
        for (const classIndex of classesOf(options, G)) {
          if (isStopping()) return;
          let meter = meters.get(classIndex);
          if (!meter) {
            const data = classIndex === undefined ? dataset : ofClass(dataset, classIndex);
            meter = await openMeter(options, data);
            if (meters.size === 0) noteForeignDetectors(meter);
            meters.set(classIndex, meter);
          }
          const repeats: MetricResult[][] = [];
          for (let repeat = 0; repeat < options.repeats && !isStopping(); repeat++)
            repeats.push(await meter.measure(G, { repeat, ...passes }));
          yield {
            ...{ network: file, curNimg: info.curNimg, repeats },
            className: labelOf(dataset, classIndex),
          };
        }
      } finally {
        G.dispose();
      }
    }
    if (options.floor && dataset)
      for (const [classIndex, meter] of meters) {
        const repeats: MetricResult[][] = [];
        for (let repeat = 0; repeat < options.repeats && !isStopping(); repeat++)
          repeats.push(await meter.floor({ repeat, ...passes }));
        const network = floorLabel(repeats);
        yield { network, isFloor: true, curNimg: null, className: labelOf(dataset, classIndex), repeats };
      }
  } finally {
    for (const meter of meters.values()) meter.dispose();
    dataset?.close();
  }
}

/** What stands in a network's place. */
function floorLabel([results]: readonly (readonly MetricResult[])[]): string {
  const most = Math.max(0, ...(results ?? []).map(({ images }) => images));
  return `reals: ${most} against ${most} others`;
}

function labelOf({ classNames }: Dataset, classIndex: number | undefined): string | undefined {
  return classIndex === undefined ? undefined : (classNames[classIndex] ?? String(classIndex));
}

function openMeter(options: MetricsOptions, data: MeasuredData): Promise<Meter> {
  const { metrics: names, images, seed, device, mirror = false, detector } = options;
  return Meter.open(data, {
    ...{ metrics: names, images, seed, device, mirror },
    detectors: new DetectorFiles(detector),
    cacheFolder: statisticsFolder(),
  });
}

/** Which classes are measured apart; one entry without a number for all together. */
function classesOf({ perClass }: MetricsOptions, G: Generator): (number | undefined)[] {
  if (!perClass) return [undefined];
  if (G.cDim === 0) throw new UserError("--per-class: this network has no classes; leave the option out");
  return Array.from({ length: G.cDim }, (_, i) => i);
}

function noteForeignDetectors({ detectors }: Meter): void {
  for (const [kind, detector] of detectors)
    if (kind !== "own" && !isPublished(kind, detector))
      printNotes([`${detector.file} is not the published file: its numbers compare with none but its own`]);
}

async function open({ data, background, metrics: names }: MetricsOptions, G: Generator): Promise<Dataset> {
  for (const metric of names.map(metricNamed)) if (metric.needs === "pictures") metric.check(G.resolution);
  const { stderr } = process;
  return openDataset({
    source: data,
    background,
    resolution: G.resolution,
    conditional: G.cDim > 0,
    onProgress: (done, total) => {
      if (stderr.isTTY) stderr.write(`\rpreparing pictures ${done}/${total}${done === total ? "\n" : ""}`);
    },
  });
}

/** Where pictures are compared with as many real ones, there must be so many. */
function checkImages({ images, data, metrics: names }: MetricsOptions, dataset: Dataset): void {
  if (images === undefined || images <= dataset.length) return;
  if (names.map(metricNamed).every(({ needs }) => needs !== "pictures")) return;
  throw new UserError(
    `--images ${images}: ${data} has only ${dataset.length} usable pictures; give a number up to that`,
  );
}

/** A conditional network is shown its data's classes by number: they must be those of its training. */
function checkClasses(G: Generator, { classNames }: SnapshotInfo, dataset: Dataset): void {
  // Networks of other programs know their classes by number only.
  const isUnnamed = G.cDim > 0 && classNames.length === 0;
  if (isUnnamed && dataset.classNames.length === G.cDim) return;
  if (JSON.stringify(classNames) === JSON.stringify(dataset.classNames)) return;
  throw new UserError(
    `the network's classes (${isUnnamed ? G.cDim : classNames.join(", ")}) are not those of ${dataset.source} (${dataset.classNames.join(", ")}): give the data it was trained on`,
  );
}

function jsonLines({ network, curNimg, className, repeats }: Measurement, { seed }: MetricsOptions): string {
  const [first = []] = repeats;
  const lines = first.map(({ metric, details, images }) => {
    const spread = mainValues(metric.values, { repeats });
    const results = Object.fromEntries(spread.map(({ name, mean }) => [name, mean]));
    const std =
      repeats.length > 1
        ? { repeats: repeats.length, std: Object.fromEntries(spread.map(({ name, std: s }) => [name, s])) }
        : details;
    return JSON.stringify({
      ...{ metric: metric.name, results, ...std, images, seed, curNimg, network },
      ...(className === undefined ? {} : { class: className }),
    });
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** A bar for each pass over pictures. */
class PassBar {
  #what = "";
  #bar: Progress | undefined;

  update(what: string, done: number, total: number): void {
    if (what !== this.#what || !this.#bar) {
      this.finish();
      this.#what = what;
      this.#bar = createProgress({ stream: process.stderr, total, unit: what });
    }
    this.#bar.update(done);
    if (done === total) this.finish();
  }

  finish(): void {
    this.#bar?.finish();
    this.#bar = undefined;
  }
}
