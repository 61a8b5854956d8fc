// The folder of a run: what is in it, and how it is written so that a crash leaves nothing torn.

import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Setting } from "../protocol/control.js";
import {
  type EventRow,
  eventRowSchema,
  fakesName,
  fakesPattern,
  kimgOfName,
  type MetricRow,
  metricFileName,
  metricFilePattern,
  type Running,
  runFiles,
  type Shown,
  snapshotName,
  snapshotPattern,
  type TickRow,
} from "../protocol/runFiles.js";
import { writeError, writeFileAtomically } from "../system/atomicFile.js";
import { parseBoundedJson } from "../system/boundedJson.js";
import { UserError } from "../system/errors.js";
import { isOnReadOnlyDisk } from "../system/files.js";
import { isObject } from "../system/isObject.js";
import { processStart } from "../system/processes.js";
import { appendToOwn, readOwn, removeIfPossible, removeOwn } from "../system/regularFile.js";
import { type TrainingConfig, trainingConfigSchema } from "./configSchema.js";
import { OptionError } from "./optionError.js";
import { lockRun } from "./runLock.js";

/** Options with the names of as many classes as there may be. */
const mostOptionBytes = 2 ** 25;
const optionBounds = { values: 200_000, depth: 16 };

export class RunDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** A new folder `00000-<name>` below `outdir`, with the next free number. */
  static create(outdir: string, name: string): RunDirectory {
    try {
      mkdirSync(outdir, { recursive: true });
      for (;;) {
        const numbers = readdirSync(outdir).map((entry) => Number(/^(\d+)-/.exec(entry)?.[1] ?? -1));
        const next = Math.max(-1, ...numbers) + 1;
        const path = join(outdir, `${String(next).padStart(5, "0")}-${name}`);
        try {
          mkdirSync(path);
          return new RunDirectory(path);
        } catch (error) {
          // Another run may have taken the number just now.
          if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        }
      }
    } catch (error) {
      const why = isOnReadOnlyDisk(outdir) ? "the disk is read-only" : (error as NodeJS.ErrnoException).code;
      throw new OptionError(
        (name) => `${name("outdir", outdir)}: no run can be created there (${why}); choose another folder`,
      );
    }
  }

  /** An existing run. @throws UserError when the folder is not one */
  static open(path: string): RunDirectory {
    const run = new RunDirectory(path);
    if (!existsSync(path)) throw new OptionError((name) => `${name("resume", path)}: no such file or folder`);
    if (!existsSync(run.optionsFile))
      throw new OptionError(
        (name) => `${name("resume", path)}: not the folder of a run (it has no training_options.json)`,
      );
    return run;
  }

  /**
   * Keeps other trainings away until `release`, and removes what a crash in the middle of a write has left.
   * @throws UserError that says who trains the run already
   */
  lock(): { release(): void } {
    const lock = lockRun(this.path);
    this.#removeTemporaryFiles();
    return lock;
  }

  get optionsFile(): string {
    return join(this.path, runFiles.options);
  }

  get stateFile(): string {
    return join(this.path, runFiles.state);
  }

  /** The state before the last one: what there is to go back to. */
  get olderStateFile(): string {
    return join(this.path, runFiles.olderState);
  }

  get logFile(): string {
    return join(this.path, runFiles.log);
  }

  get statsFile(): string {
    return join(this.path, runFiles.stats);
  }

  /** Commands to a run that trains. */
  get controlFile(): string {
    return join(this.path, runFiles.control);
  }

  /** There while a process trains the run. */
  get runningFile(): string {
    return join(this.path, runFiles.running);
  }

  metricFile(metric: string): string {
    return join(this.path, metricFileName(metric));
  }

  get realsFile(): string {
    return join(this.path, runFiles.reals);
  }

  get fakesInitFile(): string {
    return join(this.path, runFiles.fakesInit);
  }

  fakesFile(shown: Shown): string {
    return join(this.path, fakesName(shown));
  }

  snapshotFile(shown: Shown): string {
    return join(this.path, snapshotName(shown));
  }

  /** The networks of the end of the run. */
  get finalFile(): string {
    return join(this.path, runFiles.final);
  }

  /** The networks of the best value of the run's first measure. */
  get bestFile(): string {
    return join(this.path, runFiles.best);
  }

  writeOptions(config: TrainingConfig): void {
    writeFileAtomically(this.optionsFile, `${JSON.stringify(config, null, 2)}\n`);
  }

  /** @throws UserError when the file is damaged or from another version */
  readOptions(): TrainingConfig {
    try {
      return trainingConfigSchema.parse(
        parseBoundedJson(readOwn(this.optionsFile, mostOptionBytes), optionBounds),
      );
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(`${this.optionsFile} is damaged or of another version: the run cannot be resumed`);
    }
  }

  log(line: string): void {
    append(this.logFile, line);
  }

  /** The last words of a run that ends because its folder cannot be written, perhaps. */
  logIfPossible(line: string): void {
    try {
      this.log(line);
    } catch {}
  }

  /** Says that this process trains the run. */
  writeRunning(state: Running["state"], settings: Setting[]): void {
    const running: Running = {
      ...{ pid: process.pid, processStart: processStart(process.pid), hostname: hostname(), state },
      settings,
    };
    writeFileAtomically(this.runningFile, `${JSON.stringify(running)}\n`);
  }

  removeRunning(): void {
    removeIfPossible(this.runningFile);
  }

  /** One line of statistics. `nimg` tells a resume which lines come after the state it starts from. */
  appendStats(record: TickRow): void {
    append(this.statsFile, JSON.stringify(record));
  }

  /** One line of stats.jsonl that is no tick. */
  appendEvent(record: EventRow): void {
    append(this.statsFile, JSON.stringify(record));
  }

  /** The last line of stats.jsonl that is a tick. */
  lastTick(): TickRow | undefined {
    if (!existsSync(this.statsFile)) return undefined;
    const rows = linesOf(this.statsFile).reverse().map(objectOf);
    return rows.find((row): row is TickRow => typeof row?.tick === "number");
  }

  /** One line of a metric's values. */
  appendMetric(row: MetricRow): void {
    append(this.metricFile(row.metric), JSON.stringify(row));
  }

  /** Whether there is such a line of the networks after so many images. */
  hasMetric(metric: string, curNimg: number): boolean {
    const file = this.metricFile(metric);
    if (!existsSync(file)) return false;
    return linesOf(file).some((line) => objectOf(line)?.nimg === curNimg);
  }

  /** The values of a measure and the snapshots that they are of; lines of other programs and torn ones are left out. */
  measured(metric: string): MeasuredSnapshot[] {
    const file = this.metricFile(metric);
    if (!existsSync(file)) return [];
    return linesOf(file).flatMap((line) => {
      const row = measuredSchema.safeParse(objectOf(line)).data;
      if (!row) return [];
      const { nimg: curNimg, snapshot_pkl, results } = row;
      return [{ curNimg, file: join(this.path, snapshot_pkl), results }];
    });
  }

  /** @throws UserError when there is no state to go on from */
  checkState(): void {
    if (existsSync(this.stateFile)) return;
    throw new OptionError(
      (name) => `${name("resume", this.path)}: the run ended before its first snapshot; start it again`,
    );
  }

  /**
   * Reads the saved state.
   * @throws UserError as `read`, which says as well what there is to go back to
   */
  readState<T>(read: (file: string) => T): T {
    try {
      return read(this.stateFile);
    } catch (error) {
      if (!(error instanceof UserError) || !existsSync(this.olderStateFile)) throw error;
      throw new UserError(
        `${error.message}. The state before it is there: mv ${this.olderStateFile} ${this.stateFile}, and resume`,
      );
    }
  }

  /**
   * Drops the ticks after the first `tick`, statistics and metrics of images after `curNimg`, changes of settings after
   * the first `changes`, pictures of later images, and a last line that was cut short.
   */
  truncateRecords(kept: Kept): void {
    const entries = readdirSync(this.path);
    const metrics = entries.filter((entry) => metricFilePattern.test(entry));
    const files = [this.statsFile, ...metrics.map((entry) => join(this.path, entry))];
    for (const file of files) if (existsSync(file)) truncateRecords(file, kept);
    for (const entry of entries)
      if ((kimgOfName(entry, fakesPattern) ?? 0) * 1000 > kept.curNimg + kimgRounding)
        removeOwn(join(this.path, entry));
  }

  /** What a crash in the middle of a write leaves behind. */
  #removeTemporaryFiles(): void {
    for (const entry of readdirSync(this.path)) {
      if (/^\..*\.tmp$/.test(entry)) removeOwn(join(this.path, entry));
    }
  }
}

/** A snapshot of a run with what a measure says of it. */
export interface MeasuredSnapshot {
  curNimg: number;
  file: string;
  /** By the measure's values. */
  results: Readonly<Record<string, number>>;
}

const measuredSchema = z.object({
  nimg: z.number(),
  snapshot_pkl: z.string().regex(snapshotPattern),
  results: z.record(z.string(), z.number()),
});

/** How far the records of a run go that is taken up again. */
interface Kept {
  curNimg: number;
  tick: number;
  changes: number;
}

/** Names have thousands of images as a fraction. */
const kimgRounding = 0.5;

function truncateRecords(file: string, { curNimg, tick, changes }: Kept): void {
  const kept = linesOf(file).filter((line) => {
    try {
      const record = JSON.parse(line) as { nimg: number; tick?: number };
      const event = eventRowSchema.safeParse(record).data;
      if (event?.event === "changed" && event.number > changes) return false;
      if (event?.event === "failed") return false; // it is said again if that is still how it ends
      return record.nimg <= curNimg && (record.tick ?? 0) <= tick;
    } catch {
      return false;
    }
  });
  writeFileAtomically(file, kept.map((line) => `${line}\n`).join(""));
}

function linesOf(file: string): string[] {
  return readOwn(file, Number.POSITIVE_INFINITY).split("\n");
}

/** Undefined for a line that was cut short. */
function objectOf(line: string): Partial<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function append(file: string, line: string): void {
  try {
    appendToOwn(file, `${line}\n`);
  } catch (error) {
    throw writeError(file, error);
  }
}
