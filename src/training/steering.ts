// What happens between two steps when someone steers the run: pause, snapshot, stop, new settings.

import { setImmediate, setTimeout } from "node:timers/promises";
import type { Command, SettingChange } from "../protocol/control.js";
import type { Running } from "../protocol/runFiles.js";
import type { TrainingConfig } from "./configSchema.js";
import { ControlFile, type ControlLine } from "./control.js";
import type { RunDirectory } from "./runDirectory.js";
import { settingOf, settingProblem, settingsOf, withSetting } from "./settings.js";

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
  /** Knows the changes made so far, in their order; new ones are added to them. */
  progress: { readonly changes: SettingChange[] };
  save: () => Promise<void>;
  message: (text: string) => void;
}

/** Follows a run's control file. Every command is answered by a row of stats.jsonl. */
export class Steering {
  /** Whether a command has asked the run to end. */
  stopRequested = false;
  #paused = false;
  #saved: string | undefined;
  readonly #control: ControlFile;
  readonly #options: SteeringOptions;

  constructor(options: SteeringOptions) {
    this.#options = options;
    this.#control = new ControlFile(options.run.controlFile);
  }

  /**
   * Does what has been asked for since the last call, and waits while the run is paused.
   * @param shouldStop ends a pause, and what is asked for meanwhile
   */
  async follow(shouldStop: () => boolean): Promise<void> {
    const isStopping = () => this.stopRequested || shouldStop();
    await this.#handle(this.#control.poll(), isStopping);
    while (this.#paused && !isStopping()) {
      await setTimeout(pausedPollMs);
      await this.#handle(this.#control.poll(), isStopping);
    }
    this.#paused = false;
  }

  /** Records a change that has been made already, as by an option of a resume. */
  record(change: Omit<SettingChange, "number" | "nimg">, id?: string): void {
    const { progress, run, trainer } = this.#options;
    const { changes } = progress;
    const numbered = { number: changes.length + 1, nimg: trainer.curNimg, ...change };
    changes.push(numbered);
    run.appendEvent({ event: "changed", ...numbered, timestamp: now(), ...(id === undefined ? {} : { id }) });
  }

  /** Tells whoever looks that this process trains the run, and what can be changed in it. */
  announce(state: Running["state"]): void {
    const { run, trainer } = this.#options;
    run.writeRunning(state, settingsOf(trainer.config));
  }

  /** However many commands there are: a stop is asked for after each, and what has no effect any more is not done. */
  async #handle(lines: readonly ControlLine[], isStopping: () => boolean): Promise<void> {
    for (const [i, line] of lines.entries()) {
      if ("problem" in line) this.#refuse(line.problem);
      else if (isStopping()) this.#refuse("the run is ending", line.command.id);
      else await this.#obey(line.command, lines.slice(i + 1));
      await setImmediate(); // signals arrive here
    }
  }

  /** @param later what has been asked for after it already */
  async #obey(command: Command, later: readonly ControlLine[]): Promise<void> {
    const { message } = this.#options;
    const { id } = command;
    switch (command.command) {
      case "pause":
        this.#setPaused(true);
        this.#answer("paused", id);
        message("Paused. The page or Ctrl-C ends the pause.");
        break;
      case "resume":
        this.#setPaused(false);
        this.#answer("resumed", id);
        message("Going on.");
        break;
      case "snapshot":
        await this.#save();
        this.#answer("snapshot", id);
        break;
      case "stop":
        this.stopRequested = true;
        this.#answer("stopping", id);
        message("Asked to stop: ending with a snapshot.");
        break;
      case "set":
        for (const [name, value] of Object.entries(command.settings)) {
          if (isOverruled(name, later)) this.#refuse(`${name} is set again by a later command`, id);
          else this.#change({ name, value, id });
        }
        break;
    }
  }

  #setPaused(paused: boolean): void {
    if (paused !== this.#paused) this.announce(paused ? "paused" : "training");
    this.#paused = paused;
  }

  /** Once for each state of the run, however often it is asked for. */
  async #save(): Promise<void> {
    const { progress, save, trainer } = this.#options;
    const state = `${trainer.curNimg} ${progress.changes.length}`;
    if (this.#saved !== state) await save();
    this.#saved = state;
  }

  #change({ name, value, id }: { name: string; value: number; id: string }): void {
    const { trainer, message } = this.#options;
    const problem = settingProblem(trainer.config, name, value);
    if (problem !== undefined) {
      this.#refuse(problem, id);
      return;
    }
    const from = settingOf(trainer.config, name);
    trainer.changeConfig(withSetting(trainer.config, name, value));
    this.record({ setting: name, from, to: value }, id);
    this.announce(this.#paused ? "paused" : "training");
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

/** Whether a setting gets another value before there is a step or a snapshot that the first has an effect on. */
function isOverruled(name: string, later: readonly ControlLine[]): boolean {
  for (const line of later) {
    if ("problem" in line) continue;
    const { command } = line;
    if (command.command === "snapshot" || command.command === "stop") return false;
    if (command.command === "set" && command.settings[name] !== undefined) return true;
  }
  return false;
}

const now = () => Date.now() / 1000;
