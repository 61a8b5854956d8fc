// What `--directions` and `--direction` name.

import type { Generator } from "../../networks/network.js";
import { readDirections } from "../../synthesis/directionFile.js";
import type { Direction } from "../../synthesis/directions.js";
import { UserError } from "../../system/errors.js";
import type { DirectionOptions } from "../directionOptions.js";

/** @throws UserError when there is no such file or name */
export function chosenDirections(
  { directions: file, direction: choices = [] }: DirectionOptions,
  G: Generator,
): { direction: Direction; from: number; to: number }[] {
  if (file === undefined) {
    if (choices.length === 0) return [];
    throw new UserError("--direction needs --directions FILE; make one with stylegan directions");
  }
  const known = readDirections(file, G);
  if (choices.length === 0) throw new UserError("--directions: say which with --direction NAME=AMOUNT");
  return choices.map(({ name, from, to }) => {
    const direction = known.find((candidate) => candidate.name === name);
    if (direction) return { direction, from, to };
    const names = known.map((candidate) => candidate.name).join(", ");
    throw new UserError(`--direction ${name}: ${file} has no direction of that name; it has ${names}`);
  });
}
