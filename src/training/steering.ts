// What happens between two steps when someone steers the run: pause, snapshot, stop, new settings.

import { setTimeout } from "node:timers/promises";
import { type Command, type SettingChange, type SettingName, settingNames } from "../protocol/control.js";
import type { TrainingConfig } from "./configSchema.js";
import { ControlFile } from "./control.js";
import type { RunDirectory } from "./runDirectory.js";
import { settingObstacle, settingOf, withSetting } from "./settings.js";

// While paused: how soon a command or Ctrl-C is noticed.
const pausedPollMs = 100;

/** The run that is steered. */
export interface Steered {
  readonly curNimg: number;
  readonly config: TrainingConfig;
  changeConfig(config: TrainingConfig): void;
}

export interface SteeringOptions {
  run: RunDirectory;
  trainer: Steered;
  /** Changes made so far, in their order; new ones are added to it. */
  changes: SettingChange[];
  save: () => Promise<void>;
  message: (text: string) => void;
}

/** Follows a run's control file. Every command is answered by a row of stats.jsonl. */
export class Steering {
  /** Whether a command has asked the run to end. */
  stopRequested = false;
  #paused = false;
  readonly #control: ControlFile;
  readonly #options: SteeringOptions;

  constructor(options: SteeringOptions) {
    this.#options = options;
    this.#control = new ControlFile(options.run.controlFile);
  }

  /**
   * Does what has been asked for since the last call, and waits while the run is paused.
   * @param shouldStop ends a pause
   */
  async follow(shouldStop: () => boolean): Promise<void> {
    await this.#handle(this.#control.poll());
    while (this.#paused && !this.stopRequested && !shouldStop()) {
      await setTimeout(pausedPollMs);
      await this.#handle(this.#control.poll());
    }
    this.#paused = false;
  }

  /** Records a change that has been made already, as by an option of a resume. */
  record(change: Omit<SettingChange, "number" | "nimg">, id?: string): void {
    const { changes, run, trainer } = this.#options;
    const numbered = { number: changes.length + 1, nimg: trainer.curNimg, ...change };
    changes.push(numbered);
    run.appendEvent({ event: "changed", ...numbered, timestamp: now(), ...(id === undefined ? {} : { id }) });
  }

  async #handle(lines: ReturnType<ControlFile["poll"]>): Promise<void> {
    for (const line of lines) {
      if ("problem" in line) this.#refuse(line.problem);
      else await this.#obey(line.command);
    }
  }

  async #obey(command: Command): Promise<void> {
    const { run, message, save } = this.#options;
    const { id } = command;
    switch (command.command) {
      case "pause":
        this.#paused = true;
        run.writeRunning("paused");
        this.#answer("paused", id);
        message("Paused. The page or Ctrl-C ends the pause.");
        break;
      case "resume":
        this.#paused = false;
        run.writeRunning("training");
        this.#answer("resumed", id);
        message("Going on.");
        break;
      case "snapshot":
        await save();
        this.#answer("snapshot", id);
        break;
      case "stop":
        this.stopRequested = true;
        this.#answer("stopping", id);
        message("Asked to stop: ending with a snapshot.");
        break;
      case "set":
        for (const name of settingNames) {
          const value = command.settings[name];
          if (value !== undefined) this.#change({ name, value, id });
        }
        break;
    }
  }

  #change({ name, value, id }: { name: SettingName; value: number; id: string }): void {
    const { trainer, message } = this.#options;
    const obstacle = settingObstacle(trainer.config, name);
    if (obstacle !== undefined) {
      this.#refuse(obstacle, id);
      return;
    }
    const from = settingOf(trainer.config, name);
    trainer.changeConfig(withSetting(trainer.config, name, value));
    this.record({ setting: name, from, to: value }, id);
    message(`${name} ${from} -> ${value}`);
  }

  #answer(event: "paused" | "resumed" | "snapshot" | "stopping", id: string): void {
    const { run, trainer } = this.#options;
    run.appendEvent({ event, nimg: trainer.curNimg, timestamp: now(), id });
  }

  #refuse(reason: string, id?: string): void {
    const { run, trainer } = this.#options;
    const answer = { event: "refused" as const, nimg: trainer.curNimg, timestamp: now(), reason };
    run.appendEvent({ ...answer, ...(id === undefined ? {} : { id }) });
  }
}

const now = () => Date.now() / 1000;
