// The table of training options as options of the command line.

import { type Command, InvalidArgumentError, Option } from "commander";
import { flagOf, type OptionName, optionNames, optionOf, type TrainingOptions } from "../training/options.js";

/** An option for each row of the table. */
export function addTrainingOptions(command: Command): Command {
  for (const name of optionNames) command.addOption(trainingOption(name));
  return command;
}

export function trainingOption(name: OptionName): Option {
  const { type, text, group, without } = optionOf(name);
  const option = new Option(
    `${flagOf(name)} ${type.placeholder}`,
    without === undefined ? text : `${text} (default: ${without})`,
  );
  option.attributeName = () => name;
  return option.helpGroup(`${group}:`).argParser((given: string) => {
    const value = type.read(given);
    if (!type.isGiven(value)) throw new InvalidArgumentError(`"${given}" is not ${type.wanted}.`);
    return value;
  });
}

/** Those of a command's options that are rows of the table, as far as they have been given. */
export function givenOptions(all: Readonly<Record<string, unknown>>): TrainingOptions {
  return Object.fromEntries(optionNames.flatMap((name) => (name in all ? [[name, all[name]]] : [])));
}
