// A training run from its first image to its last.

import { setImmediate } from "node:timers/promises";
import type { Dataset } from "../data/dataset.js";
import { ImageLoader } from "../data/loader.js";
import { isSnapshotOf, type SnapshotSource, writeSnapshot } from "../networks/snapshot.js";
import { writePng } from "../synthesis/encode.js";
import { classRows } from "../synthesis/latents.js";
import type { Meter } from "../synthesis/meter.js";
import type { Picture } from "../synthesis/picture.js";
import { noGrad } from "../torch/autograd.js";
import { manualSeed } from "../torch/random.js";
import { scope } from "../torch/scope.js";
import { type Device, tensorFromBytes } from "../torch/tensor.js";
import type { Reals } from "./batch.js";
import { type BestNetworks, keepBest } from "./best.js";
import { type Parts, progressName, readTrainingState, writeTrainingState } from "./checkpoint.js";
import type { TrainingConfig } from "./configSchema.js";
import { PictureGrids } from "./grids.js";
import { fadeReals } from "./growth.js";
import { metricLine, metricRow, openMeter } from "./measuring.js";
import { networkHistograms } from "./networkHistograms.js";
import { Progress } from "./progress.js";
import { trainingOf } from "./recipe.js";
import type { RunDirectory } from "./runDirectory.js";
import { largestBatch } from "./schedule.js";
import { settingOf, withChanges } from "./settings.js";
import { Steering } from "./steering.js";
import { Trainer } from "./trainer.js";
import { startFromSnapshot } from "./transfer.js";
import { verdictOn } from "./verdict.js";

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
  /** Before the first step and after every one. */
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
  /** The networks of the run's best value; null when nothing has been measured. */
  best: BestNetworks | null;
  /** Of a run that is complete: what is plainly wrong with it, in sentences. */
  verdict: string[];
}

/**
 * Trains until `config.kimg`, until `shouldStop` or until the run's control file says so; all end with a snapshot. While
 * it trains, the run's folder has a `running.json`.
 * @throws DivergenceError when a loss is not finite any more; the last snapshot stays
 */
export async function train(options: TrainOptions): Promise<TrainingEnd> {
  const loop = new TrainingLoop(options);
  try {
    return await loop.run();
  } finally {
    loop.dispose();
  }
}

/** What is made of the networks of a moment. */
interface Results {
  networks: boolean;
  picture: boolean;
  metrics: boolean;
}

class TrainingLoop {
  readonly #options: TrainOptions;
  readonly #totalNimg: number;
  readonly #trainer: Trainer;
  readonly #loader: ImageLoader;
  readonly #progress = new Progress();
  /** Everything that an exact resume needs, by the names that the saved state has for it. */
  readonly #parts: Parts;
  readonly #grids: PictureGrids;
  readonly #steering: Steering;
  #latestFakes: { nimg: number; picture: Picture } | undefined;
  #meter: Meter | undefined;
  #best: BestNetworks | null = null;
  /** Where the pace of the present tick is measured from: in this process, and without what came before. */
  #paceFrom = { nimg: 0, totalSeconds: 0 };
  /** What the state on disk holds; undefined before there is one. */
  #saved: { nimg: number; changes: number } | undefined;

  constructor(options: TrainOptions) {
    const { config, dataset, run, device, reporter } = options;
    const { seed, growth, grid, data } = config;
    this.#options = options;
    this.#totalNimg = Math.round(config.kimg * 1000);
    // Everything random follows from the seed, in this order: weights, then latents and noise.
    manualSeed(seed);
    const labels = Array.from({ length: dataset.length }, (_, index) => dataset.label(index));
    this.#trainer = new Trainer(config, { device, labels });
    const batch = growth ? largestBatch(growth) : config.batch;
    this.#loader = new ImageLoader(dataset, { batch, seed, mirror: data.mirror });
    this.#parts = { ...this.#trainer.stateful, loader: this.#loader, [progressName]: this.#progress };
    this.#grids = new PictureGrids(dataset, { seed, grid });
    this.#steering = new Steering({
      ...{ run, trainer: this.#trainer, progress: this.#progress },
      save: () => this.#save({ networks: true, picture: true }),
      message: reporter.message,
    });
  }

  async run(): Promise<TrainingEnd> {
    const { run, shouldStop } = this.#options;
    await this.#begin();
    this.#steering.announce("training");
    // A state that was asked for on the last step of a tick is from before the tick's end.
    if (this.#isMidTick && (this.#isTickOver || this.#isComplete)) await this.#endTick();
    while (!this.#isComplete && !this.#isStopping) {
      this.#step();
      this.#showProgress();
      await setImmediate(); // signals arrive here
      await this.#steering.follow(shouldStop);
      if (this.#isTickOver || this.#isComplete) await this.#endTick();
    }
    const verdict = await this.#end();
    const { curNimg } = this.#trainer;
    const fakesFile = run.fakesFile(this.#trainer);
    return { curNimg, complete: this.#isComplete, fakesFile, best: this.#best, verdict };
  }

  dispose(): void {
    this.#options.run.removeRunning();
    this.#meter?.dispose();
    this.#trainer.dispose();
  }

  // ---- the beginning ----

  async #begin(): Promise<void> {
    const { resume, config } = this.#options;
    const [trainer, progress] = [this.#trainer, this.#progress];
    if (resume === "run") {
      await this.#resume();
    } else {
      if (resume) startFromSnapshot(resume.snapshot, trainer);
      trainer.startAt(Math.round((config.transfer?.kimg ?? 0) * 1000));
      progress.tickStartNimg = trainer.curNimg;
      this.#showProgress(); // pictures and first steps of large networks take minutes
      await this.#writeFirstPictures();
    }
    this.#showProgress();
    this.#measurePace();
  }

  /** Takes up the saved state, and makes good what a crash while it was written can have left undone. */
  async #resume(): Promise<void> {
    const { run, config } = this.#options;
    const [trainer, progress] = [this.#trainer, this.#progress];
    run.readState((file) => readTrainingState(file, this.#parts));
    const { curNimg } = trainer;
    const { changes, tick, due } = progress;
    this.#saved = { nimg: curNimg, changes: changes.length };
    run.truncateRecords({ curNimg, tick, changes: changes.length });
    // An older snapshot can have the name of the one that is missing, and so can a picture: it is made again.
    const networks = !isSnapshotOf(run.snapshotFile(trainer), curNimg);
    await this.#writeResults({ networks, picture: due?.picture ?? true, metrics: due?.metrics ?? networks });
    this.#best = keepBest(run, config.metrics);
    // An option of the resume that is not what the state was written with is a change like any other.
    const [from, to] = [withChanges(config, progress.changes), config].map((c) =>
      settingOf(c, "snapshotTicks"),
    ) as [number, number];
    if (from !== to) this.#steering.record({ setting: "snapshotTicks", from, to });
  }

  async #writeFirstPictures(): Promise<void> {
    const { run } = this.#options;
    await writePng(run.realsFile, this.#grids.reals());
    await writePng(run.fakesInitFile, this.#grids.fakes(this.#trainer.gEma));
  }

  // ---- a step, a tick, the end ----

  #step(): void {
    this.#timed(() => scope(() => this.#trainer.step(this.#nextReals())));
  }

  /** A line of progress and statistics, and what is due with it. */
  async #endTick(): Promise<void> {
    const [trainer, progress] = [this.#trainer, this.#progress];
    this.#timed(() => trainer.statistics.collect()); // on a GPU this waits for the steps
    progress.tick += 1;
    progress.tickStartNimg = trainer.curNimg;
    this.#report();
    for (const notice of trainer.takeNotices()) this.#options.reporter.message(notice);
    const { snapshotTicks, imageSnapshotTicks } = trainer.config;
    const isDue = (ticks: number) => this.#isComplete || progress.tick % ticks === 0;
    await this.#save({ networks: isDue(snapshotTicks), picture: isDue(imageSnapshotTicks ?? snapshotTicks) });
    this.#measurePace();
  }

  /** The end of this part of the run, wherever it stands in a tick. */
  async #end(): Promise<string[]> {
    const { nimg, changes } = this.#saved ?? {};
    if (nimg !== this.#trainer.curNimg || changes !== this.#progress.changes.length)
      await this.#save({ networks: true, picture: true });
    if (!this.#isComplete) return [];
    this.#writeNetworks(this.#options.run.finalFile);
    return this.#judge();
  }

  /** What is plainly wrong with the networks that the run ends with, said in its records as well. */
  #judge(): string[] {
    const { run, config, dataset } = this.#options;
    const grids = { reals: this.#grids.reals(), fakes: this.#fakes() };
    const about = { loss: config.loss.name, stats: run.lastTick() ?? {}, side: dataset.resolution };
    const reasons = verdictOn({ ...about, ...grids });
    const nimg = this.#trainer.curNimg;
    if (reasons.length > 0) run.appendEvent({ event: "failed", nimg, timestamp: Date.now() / 1000, reasons });
    return reasons;
  }

  get #isComplete(): boolean {
    return this.#trainer.curNimg >= this.#totalNimg;
  }

  get #isStopping(): boolean {
    return this.#options.shouldStop() || this.#steering.stopRequested;
  }

  get #isMidTick(): boolean {
    return this.#trainer.curNimg > this.#progress.tickStartNimg;
  }

  get #isTickOver(): boolean {
    const { curNimg, schedulePoint } = this.#trainer;
    return curNimg >= this.#progress.tickStartNimg + schedulePoint.tickKimg * 1000;
  }

  /** The next batch as the networks see it: images [N, 3, H, W] in [-1, 1], channels last, as large as they have grown. */
  #nextReals(): Reals {
    const { batch, device, G, schedulePoint } = this.#trainer;
    const { resolution } = this.#options.dataset;
    const { pixels, labels } = this.#loader.next(batch);
    const images = noGrad(() => {
      const full = tensorFromBytes(pixels, [batch, resolution, resolution, 3], "uint8")
        .upload(device)
        .permute([0, 3, 1, 2])
        .to("float32")
        .div(127.5)
        .sub(1);
      return schedulePoint.growth ? fadeReals(full, schedulePoint.growth) : full;
    });
    return { images, c: classRows(labels, G.cDim, device) };
  }

  // ---- what a run writes ----

  /**
   * The state and the results of this moment; without networks, pictures of them alone.
   * @throws DivergenceError when there is an element that is not finite in it
   */
  async #save(what: { networks: boolean; picture: boolean }): Promise<void> {
    const { run } = this.#options;
    const { changes } = this.#progress;
    if (what.networks) {
      const metrics = !this.#isStopping;
      this.#progress.due = { picture: what.picture, metrics };
      // The state first: a crash between the two costs a picture of the networks, never a step of training.
      writeTrainingState(run.stateFile, this.#parts, { keepAs: run.olderStateFile });
      // The state's changes count in a resume, whether the options say the same already or not.
      if (changes.length > 0) run.writeOptions(this.#trainer.config);
      this.#saved = { nimg: this.#trainer.curNimg, changes: changes.length };
    }
    await this.#writeResults({ ...what, metrics: what.networks });
  }

  async #writeResults({ networks, picture, metrics }: Results): Promise<void> {
    const { run, reporter } = this.#options;
    const trainer = this.#trainer;
    if (networks) this.#writeNetworks(run.snapshotFile(trainer));
    if (picture) await writePng(run.fakesFile(trainer), this.#fakes());
    if (metrics) await this.#measure();
    if (networks) reporter.message(`snapshot ${run.snapshotFile(trainer)}`);
  }

  /** The grid of the moving average as it is now. */
  #fakes(): Picture {
    const { curNimg, gEma } = this.#trainer;
    if (this.#latestFakes?.nimg !== curNimg)
      this.#latestFakes = { nimg: curNimg, picture: this.#grids.fakes(gEma) };
    return this.#latestFakes.picture;
  }

  #writeNetworks(file: string): void {
    const { network, data, transfer } = this.#options.config;
    const { G, D, gEma, curNimg, schedulePoint } = this.#trainer;
    const origin = transfer
      ? { format: "a training of this program, started from", file: transfer.from }
      : undefined;
    writeSnapshot(
      file,
      { G_ema: gEma, G, D },
      {
        ...{ description: network, curNimg, classNames: data.classNames },
        ...{ growth: schedulePoint.growth, origin, training: trainingOf(this.#trainer.config) },
      },
    );
  }

  /** What has not been measured of these networks yet. */
  async #measure(): Promise<void> {
    const { config, dataset, run, device, reporter, shouldStop } = this.#options;
    const { curNimg, batch, gEma } = this.#trainer;
    const isMissing = (metric: string) => !run.hasMetric(metric, curNimg);
    if (!config.metrics.some(isMissing)) return;
    this.#meter ??= await openMeter(config, dataset, device);
    for (const result of (await this.#meter?.measure(gEma, { shouldStop })) ?? []) {
      if (!isMissing(result.metric.name)) continue;
      run.appendMetric(metricRow(result, { curNimg, batch, device }));
      reporter.message(metricLine(result, curNimg));
    }
    this.#best = keepBest(run, config.metrics);
  }

  #showProgress(): void {
    this.#options.reporter.step(this.#trainer.curNimg, this.#totalNimg);
  }

  #report(): void {
    const { config, run, reporter } = this.#options;
    const { G, D, curNimg, statistics } = this.#trainer;
    const { tick, totalSeconds } = this.#progress;
    const totalNimg = this.#totalNimg;
    const pace = this.#paceFrom;
    const secPerKimg = (totalSeconds - pace.totalSeconds) / ((curNimg - pace.nimg) / 1000);
    const etaSeconds = (secPerKimg * Math.max(totalNimg - curNimg, 0)) / 1000;
    const memoryMb = Math.round(process.memoryUsage.rss() / 2 ** 20);
    const stats = statistics.takeMeans();
    const histograms = {
      ...statistics.takeHistograms(),
      ...(config.histograms ? networkHistograms({ G, D, seed: config.seed }) : {}),
    };
    reporter.tick({ tick, curNimg, totalNimg, secPerKimg, totalSeconds, etaSeconds, memoryMb, stats });
    const timestamp = Date.now() / 1000;
    const row = { nimg: curNimg, tick, secPerKimg, totalSeconds, memoryMb, timestamp };
    run.appendStats({ ...row, ...stats, ...histograms });
  }

  // ---- time ----

  /** What is timed is training; files, metrics and pauses are not. */
  #timed(body: () => void): void {
    const start = performance.now();
    body();
    this.#progress.totalSeconds += (performance.now() - start) / 1000;
  }

  #measurePace(): void {
    this.#paceFrom = { nimg: this.#trainer.curNimg, totalSeconds: this.#progress.totalSeconds };
  }
}
