// `--directions` and `--direction`: moving latents along named directions.

import { type Command, InvalidArgumentError, Option } from "commander";
import { numberIn } from "./values.js";

/** One `--direction`, its name not yet looked up. */
export interface DirectionChoice {
  name: string;
  /** How far to go at the beginning and at the end; the same number for a fixed step. */
  from: number;
  to: number;
}

export interface DirectionOptions {
  directions?: string;
  direction?: DirectionChoice[];
}

const amount = numberIn({ min: -1e6, max: 1e6 });

function parseChoice(text: string, { sweep }: { sweep: boolean }): DirectionChoice {
  const at = text.lastIndexOf("=");
  const name = text.slice(0, at);
  const [from = "", to = from, ...more] = text.slice(at + 1).split("..");
  if (at < 1 || more.length > 0 || (!sweep && to !== from))
    throw new InvalidArgumentError(
      `"${text}" is no direction; write NAME=AMOUNT${sweep ? " or NAME=FROM..TO" : ""}, for example 0=2.5.`,
    );
  return { name, from: amount(from), to: amount(to) };
}

/** @param options sweep: whether an amount may change over time, as `0=-3..3` */
export function addDirectionOptions(command: Command, options: { sweep: boolean }): Command {
  const what = options.sweep ? "name=amount, or name=from..to over the film" : "name=amount";
  return command
    .option("--directions <file>", "directions of `stylegan directions`, for --direction")
    .addOption(
      new Option("--direction <step>", `move along one: ${what}; can be repeated`).argParser(
        (text: string, before: DirectionChoice[] | undefined) => [
          ...(before ?? []),
          parseChoice(text, options),
        ],
      ),
    );
}
