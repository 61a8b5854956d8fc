// A training run from its first image to its last.

import { statSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { Dataset } from "../data/dataset.js";
import { ImageLoader } from "../data/loader.js";
import { type SnapshotSource, writeSnapshot } from "../networks/snapshot.js";
import { writePng } from "../synthesis/encode.js";
import { classRows } from "../synthesis/latents.js";
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
import type { TrainingConfig } from "./configSchema.js";
import { fakesGrid, realsGrid, realsInGrid } from "./grids.js";
import { fadeReals } from "./growth.js";
import type { Reals } from "./objective.js";
import type { RunDirectory } from "./runDirectory.js";
import { largestBatch } from "./schedule.js";
import { settingOf, withChanges } from "./settings.js";
import { Steering } from "./steering.js";
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
  resume?: "run" | { snapshot: SnapshotSource };
  /** Asked after every step; a run that stops early is saved so that it can be resumed. */
  shouldStop: () => boolean;
  reporter: Reporter;
}

/** How a run, or a part of it, has ended. */
export interface TrainingEnd {
  /** Real images shown in all. */
  curNimg: number;
  /** Whether all images of the run have been shown. */
  complete: boolean;
  /** The last picture of fakes. */
  fakesFile: string;
}

/**
 * Trains until `config.kimg`, until `shouldStop` or until the run's control file says so; all end with a snapshot. While
 * it trains, the run's folder has a `running.json`.
 * @throws DivergenceError when a loss is not finite any more; the last snapshot stays
 */
export async function train(options: TrainOptions): Promise<TrainingEnd> {
  const { config, dataset, run, device, shouldStop, reporter } = options;
  const totalNimg = Math.round(config.kimg * 1000);

  // Everything random follows from the seed, in this order: weights, then latents and noise.
  manualSeed(config.seed);
  const trainer = new Trainer(config, device);
  let progress: LoopProgress = {
    tick: 0,
    tickStartNimg: 0,
    totalSeconds: 0,
    changes: [],
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

  const clock = new TickClock();
  let saved =
    options.resume === "run" ? { nimg: trainer.curNimg, changes: progress.changes.length } : undefined;
  const save = async () => {
    // The state first: a crash between the two costs a picture of the networks, never a step of training.
    const totalSeconds = progress.totalSeconds + clock.seconds;
    writeTrainingState(run.stateFile, trainer, { ...progress, totalSeconds, sampler: loader.state });
    // The state's changes count in a resume, whether the options say the same already or not.
    if (progress.changes.length > 0) run.writeOptions(trainer.config);
    await saveSnapshot();
    saved = { nimg: trainer.curNimg, changes: progress.changes.length };
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
    const info = {
      ...{ description: config.network, curNimg, classNames: config.data.classNames, growth },
      origin: config.transfer
        ? { format: "a training of this program, started from", file: config.transfer.from }
        : undefined,
    };
    writeSnapshot(run.snapshotFile(trainer), { G_ema: gEma, G, D }, info);
    await writeFakes(run.fakesFile(trainer));
    measure();
    reporter.message(`snapshot ${run.snapshotFile(trainer)}`);
  };

  if (options.resume === "run") {
    run.truncateRecords(trainer.curNimg, progress.changes.length);
    // A crash may have come between the state and its snapshot, whose name an older one can have, or its grid.
    const { curNimg } = trainer;
    const fakes = statSync(run.fakesFile(trainer), { throwIfNoEntry: false });
    // After a power cut a picture can be empty; snapshots cannot.
    const isSaved = isSnapshotOf(run.snapshotFile(trainer), curNimg) && (fakes?.size ?? 0) > 0;
    if (!isSaved) await saveSnapshot();
  } else {
    await writePng(run.realsFile, realsGrid(dataset, gridReals, grid.columns));
    await writeFakes(run.fakesInitFile);
  }

  const { message } = reporter;
  const steering = new Steering({ run, trainer, changes: progress.changes, save, message });
  const stopping = () => shouldStop() || steering.stopRequested;
  // An option of the resume that is not what the state was written with is a change like any other.
  const [from, to] = [withChanges(config, progress.changes), config].map((c) =>
    settingOf(c, "snapshotTicks"),
  );
  if (from !== undefined && to !== undefined && from !== to)
    steering.record({ setting: "snapshotTicks", from, to });

  try {
    run.writeRunning("training");
    clock.start();
    let partStartNimg = trainer.curNimg;
    while (trainer.curNimg < totalNimg && !stopping()) {
      scope(() => trainer.step(nextReals(loader, trainer, dataset.resolution)));
      reporter.step(trainer.curNimg, totalNimg);
      await setImmediate(); // signals arrive here
      await clock.without(() => steering.follow(shouldStop));

      const done = trainer.curNimg >= totalNimg;
      const tickNimg = progress.tickStartNimg + config.tickKimg * 1000;
      if (trainer.curNimg < tickNimg && !done && !stopping()) continue;

      // ---- the end of a tick, or of this part of the run ----
      trainer.statistics.collect();
      const secPerKimg = clock.seconds / ((trainer.curNimg - partStartNimg) / 1000);
      progress.totalSeconds += clock.seconds;
      clock.start();
      if (trainer.curNimg >= tickNimg || done) {
        progress.tick += 1;
        progress.tickStartNimg = trainer.curNimg;
        report(secPerKimg);
        if (progress.tick % trainer.config.snapshotTicks === 0) await save();
      }
      clock.start();
      partStartNimg = trainer.curNimg;
    }
    if (saved?.nimg !== trainer.curNimg || saved.changes !== progress.changes.length) await save();
    const { curNimg } = trainer;
    return { curNimg, complete: curNimg >= totalNimg, fakesFile: run.fakesFile(trainer) };
  } finally {
    run.removeRunning();
    swdMeter?.dispose();
    trainer.dispose();
  }

  function report(secPerKimg: number): void {
    const { tick, totalSeconds } = progress;
    const { curNimg } = trainer;
    const stats = trainer.statistics.takeMeans();
    const histograms = trainer.statistics.takeHistograms();
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
      ...histograms,
    });
  }
}

/** Seconds of training since `start`. */
class TickClock {
  #start = performance.now();
  #stoppedAt: number | undefined;

  start(): void {
    this.#start = performance.now();
  }

  /** Runs what is no training; meanwhile the clock stands still. */
  async without(other: () => Promise<void>): Promise<void> {
    const stoppedAt = performance.now();
    this.#stoppedAt = stoppedAt;
    await other();
    this.#start += performance.now() - stoppedAt;
    this.#stoppedAt = undefined;
  }

  get seconds(): number {
    return ((this.#stoppedAt ?? performance.now()) - this.#start) / 1000;
  }
}

/** The next batch as the networks see it: images [N, 3, H, W] in [-1, 1], channels last, as large as they have grown. */
function nextReals(loader: ImageLoader, trainer: Trainer, resolution: number): Reals {
  const { batch, device, G, schedulePoint } = trainer;
  const { pixels, labels } = loader.next(batch);
  const full = noGrad(() =>
    tensorFromBytes(pixels, [batch, resolution, resolution, 3], "uint8")
      .upload(device)
      .permute([0, 3, 1, 2])
      .to("float32")
      .div(127.5)
      .sub(1),
  );
  const images = schedulePoint ? noGrad(() => fadeReals(full, schedulePoint.growth)) : full;
  return { images, c: classRows(labels, G.cDim, device) };
}
