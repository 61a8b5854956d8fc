// A training run from its first image to its last.

import { existsSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { Dataset } from "../data/dataset.js";
import { ImageLoader } from "../data/loader.js";
import { writeSnapshot } from "../networks/snapshot.js";
import { classRows } from "../synthesis/latents.js";
import { writePng } from "../synthesis/render.js";
import { SwdMeter } from "../synthesis/swdMeter.js";
import { noGrad } from "../torch/autograd.js";
import { manualSeed } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import type { Device } from "../torch/tensor.js";
import { tensorFromBytes } from "../torch/tensor.js";
import {
  isSnapshotOf,
  type LoopProgress,
  readTrainingState,
  startFromSnapshot,
  writeTrainingState,
} from "./checkpoint.js";
import type { TrainingConfig } from "./config.js";
import { fakesGrid, realsGrid, realsInGrid } from "./grids.js";
import { fadeReals } from "./growth.js";
import type { Reals } from "./objective.js";
import type { RunDirectory } from "./runDirectory.js";
import { largestBatch } from "./schedule.js";
import { Trainer } from "./trainer.js";

/** What the loop tells while it runs. */
export interface TickReport {
  tick: number;
  curNimg: number;
  totalNimg: number;
  secPerKimg: number;
  /** Seconds of training in all. */
  totalSeconds: number;
  /** Seconds left at the pace of this tick. */
  etaSeconds: number;
  /** Resident memory of the process in MB. */
  memoryMb: number;
  /** Means over the tick, by name. */
  stats: Readonly<Record<string, number>>;
}

export interface Reporter {
  /** After every step. */
  step(curNimg: number, totalNimg: number): void;
  tick(report: TickReport): void;
  message(text: string): void;
}

export interface TrainOptions {
  config: TrainingConfig;
  dataset: Dataset;
  run: RunDirectory;
  device: Device;
  /** `run`: go on from the run's saved state. A file: start from the networks in it. */
  resume?: "run" | { snapshot: string };
  /** Asked after every step; a run that stops early is saved so that it can be resumed. */
  shouldStop: () => boolean;
  reporter: Reporter;
}

/**
 * Trains until `config.kimg` or until `shouldStop`; both end with a snapshot.
 * @returns the images shown in all, and whether the run is complete
 * @throws DivergenceError when a loss is not finite any more; the last snapshot stays
 */
export async function train(options: TrainOptions): Promise<{ curNimg: number; complete: boolean }> {
  const { config, dataset, run, device, shouldStop, reporter } = options;
  const totalNimg = Math.round(config.kimg * 1000);

  // Everything random follows from the seed, in this order: weights, then latents and noise.
  manualSeed(config.seed);
  const trainer = new Trainer(config, device);
  let progress: LoopProgress = {
    tick: 0,
    tickStartNimg: 0,
    totalSeconds: 0,
    sampler: { seed: config.seed, epoch: 0, position: 0 },
  };
  if (options.resume === "run") progress = readTrainingState(run.stateFile, trainer);
  else if (options.resume) startFromSnapshot(options.resume.snapshot, trainer);
  const { seed } = config;
  const batch = config.growth ? largestBatch(config.growth) : config.batch;
  const loader = new ImageLoader(dataset, {
    batch,
    seed,
    mirror: config.data.mirror,
    state: progress.sampler,
  });

  const { grid } = config;
  const gridReals = realsInGrid(dataset, grid);
  const gridClasses = gridReals.map((index) => Math.max(dataset.label(index), 0));
  const writeFakes = (file: string) =>
    writePng(file, fakesGrid(trainer.gEma, { seed, classes: gridClasses, columns: grid.columns }));

  const save = async () => {
    // The state first: a crash between the two costs a picture of the networks, never a step of training.
    writeTrainingState(run.stateFile, trainer, { ...progress, sampler: loader.state });
    await saveSnapshot();
  };
  let swdMeter: SwdMeter | undefined;
  const measure = () => {
    if (!config.metrics.includes("swd")) return;
    swdMeter ??= new SwdMeter(dataset, { zDim: trainer.G.zDim, device });
    const { perLevel, mean } = swdMeter.measure(trainer.gEma);
    run.appendMetric("swd", { nimg: trainer.curNimg, images: swdMeter.images, mean, perLevel });
    reporter.message(`swd ${mean.toFixed(1)} at ${(trainer.curNimg / 1000).toFixed(1)} kimg`);
  };
  const saveSnapshot = async () => {
    const { G, D, gEma, curNimg } = trainer;
    const growth = trainer.schedulePoint?.growth;
    const info = { description: config.network, curNimg, classNames: config.data.classNames, growth };
    writeSnapshot(run.snapshotFile(curNimg), { G_ema: gEma, G, D }, info);
    await writeFakes(run.fakesFile(curNimg));
    measure();
    reporter.message(`snapshot ${run.snapshotFile(curNimg)}`);
  };

  if (options.resume === "run") {
    run.truncateRecords(trainer.curNimg);
    // A crash may have come between the state and its snapshot, whose name an older one can have, or its grid.
    const { curNimg } = trainer;
    const isSaved = isSnapshotOf(run.snapshotFile(curNimg), curNimg) && existsSync(run.fakesFile(curNimg));
    if (!isSaved) await saveSnapshot();
  } else {
    await writePng(run.imageFile("reals"), realsGrid(dataset, gridReals, grid.columns));
    await writeFakes(run.imageFile("fakes_init"));
  }

  try {
    let partStart = performance.now();
    let partStartNimg = trainer.curNimg;
    let lastSavedNimg = options.resume === "run" ? trainer.curNimg : -1;
    while (trainer.curNimg < totalNimg && !shouldStop()) {
      scope(() => trainer.step(nextReals(loader, trainer, dataset.resolution)));
      reporter.step(trainer.curNimg, totalNimg);
      await setImmediate(); // signals arrive here

      const done = trainer.curNimg >= totalNimg;
      const tickNimg = progress.tickStartNimg + config.tickKimg * 1000;
      if (trainer.curNimg < tickNimg && !done && !shouldStop()) continue;

      // ---- the end of a tick, or of this part of the run ----
      trainer.statistics.collect();
      const seconds = (performance.now() - partStart) / 1000;
      const secPerKimg = seconds / ((trainer.curNimg - partStartNimg) / 1000);
      progress.totalSeconds += seconds;
      if (trainer.curNimg >= tickNimg || done) {
        progress.tick += 1;
        progress.tickStartNimg = trainer.curNimg;
        report(secPerKimg);
        if (progress.tick % config.snapshotTicks === 0) {
          await save();
          lastSavedNimg = trainer.curNimg;
        }
      }
      partStart = performance.now();
      partStartNimg = trainer.curNimg;
    }
    if (trainer.curNimg !== lastSavedNimg) await save();
    return { curNimg: trainer.curNimg, complete: trainer.curNimg >= totalNimg };
  } finally {
    swdMeter?.dispose();
    trainer.dispose();
  }

  function report(secPerKimg: number): void {
    const { tick, totalSeconds } = progress;
    const { curNimg } = trainer;
    const stats = trainer.statistics.takeMeans();
    const memoryMb = Math.round(process.memoryUsage.rss() / 2 ** 20);
    const etaSeconds = (secPerKimg * Math.max(totalNimg - curNimg, 0)) / 1000;
    reporter.tick({ tick, curNimg, totalNimg, secPerKimg, totalSeconds, etaSeconds, memoryMb, stats });
    run.appendStats({
      nimg: curNimg,
      tick,
      secPerKimg,
      totalSeconds,
      memoryMb,
      timestamp: Date.now() / 1000,
      ...stats,
    });
  }
}

/** The next batch as the networks see it: images [N, 3, H, W] in [-1, 1], channels last, as large as they have grown. */
function nextReals(loader: ImageLoader, trainer: Trainer, resolution: number): Reals {
  const { batch, device, G, schedulePoint } = trainer;
  const { pixels, labels } = loader.next(batch);
  const full = noGrad(() =>
    tensorFromBytes(pixels, [batch, resolution, resolution, 3], "uint8")
      .toDevice(device)
      .permute([0, 3, 1, 2])
      .to("float32")
      .div(127.5)
      .sub(1),
  );
  const images = schedulePoint ? noGrad(() => fadeReals(full, schedulePoint.growth)) : full;
  return { images, c: classRows(labels, G.cDim, device) };
}
