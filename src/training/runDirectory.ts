// The folder of a run: what is in it, and how it is written so that a crash leaves nothing torn.

import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Setting } from "../protocol/control.js";
import {
  type EventRow,
  eventRowSchema,
  fakesName,
  type MetricRow,
  metricFileName,
  metricFilePattern,
  type Running,
  runFiles,
  type Shown,
  snapshotName,
  type TickRow,
} from "../protocol/runFiles.js";
import { writeError, writeFileAtomically } from "../system/atomicFile.js";
import { parseBoundedJson } from "../system/boundedJson.js";
import { UserError } from "../system/errors.js";
import { processStart } from "../system/processes.js";
import { appendToOwn, readOwn, removeOwn } from "../system/regularFile.js";
import { type TrainingConfig, trainingConfigSchema } from "./configSchema.js";
import { OptionError } from "./optionError.js";

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
      const code = (error as NodeJS.ErrnoException).code;
      throw new OptionError(
        (name) => `${name("outdir", outdir)}: no run can be created there (${code}); choose another folder`,
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
    if (!existsSync(run.stateFile))
      throw new OptionError(
        (name) => `${name("resume", path)}: the run ended before its first snapshot; start it again`,
      );
    run.#removeTemporaryFiles();
    return run;
  }

  get optionsFile(): string {
    return join(this.path, runFiles.options);
  }

  get stateFile(): string {
    return join(this.path, runFiles.state);
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

  /** Says that this process trains the run. */
  writeRunning(state: Running["state"], settings: Setting[]): void {
    const running: Running = {
      ...{ pid: process.pid, processStart: processStart(process.pid), hostname: hostname(), state },
      settings,
    };
    writeFileAtomically(this.runningFile, `${JSON.stringify(running)}\n`);
  }

  removeRunning(): void {
    removeOwn(this.runningFile);
  }

  /** One line of statistics. `nimg` tells a resume which lines come after the state it starts from. */
  appendStats(record: TickRow): void {
    append(this.statsFile, JSON.stringify(record));
  }

  /** One line of stats.jsonl that is no tick. */
  appendEvent(record: EventRow): void {
    append(this.statsFile, JSON.stringify(record));
  }

  /** One line of a metric's values. */
  appendMetric(row: MetricRow): void {
    append(this.metricFile(row.metric), JSON.stringify(row));
  }

  /**
   * Drops the statistics and metrics of images after `curNimg`, changes of settings after the first `changes`, and a
   * last line that was cut short.
   */
  truncateRecords(curNimg: number, changes: number): void {
    const metrics = readdirSync(this.path).filter((entry) => metricFilePattern.test(entry));
    const files = [this.statsFile, ...metrics.map((entry) => join(this.path, entry))];
    for (const file of files) if (existsSync(file)) truncateRecords(file, { curNimg, changes });
  }

  /** What a crash in the middle of a write leaves behind. */
  #removeTemporaryFiles(): void {
    for (const entry of readdirSync(this.path)) {
      if (/^\..*\.tmp$/.test(entry)) removeOwn(join(this.path, entry));
    }
  }
}

function truncateRecords(file: string, { curNimg, changes }: { curNimg: number; changes: number }): void {
  const kept = readOwn(file, Number.POSITIVE_INFINITY)
    .split("\n")
    .filter((line) => {
      try {
        const record = JSON.parse(line) as { nimg: number };
        const event = eventRowSchema.safeParse(record).data;
        if (event?.event === "changed" && event.number > changes) return false;
        return record.nimg <= curNimg;
      } catch {
        return false;
      }
    });
  writeFileAtomically(file, kept.map((line) => `${line}\n`).join(""));
}

function append(file: string, line: string): void {
  try {
    appendToOwn(file, `${line}\n`);
  } catch (error) {
    throw writeError(file, error);
  }
}
