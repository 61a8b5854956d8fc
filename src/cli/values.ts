// Values of command-line options: parsing, with errors that say what is wanted.

import { InvalidArgumentError } from "commander";
import { maxSeed } from "../numpy/randomState.js";

export interface NumberRange {
  min: number;
  /** Default: no upper bound. */
  max?: number;
  /** `min` itself is not allowed. */
  aboveMin?: boolean;
}

/** A number in a range. */
export function numberIn({
  min,
  max = Number.POSITIVE_INFINITY,
  aboveMin = false,
}: NumberRange): (text: string) => number {
  const lower = aboveMin ? `above ${min}` : `from ${min}`;
  const range = max === Number.POSITIVE_INFINITY ? `${lower}${aboveMin ? "" : " on"}` : `${lower} to ${max}`;
  return (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (!Number.isFinite(value) || value < min || value > max || (aboveMin && value === min))
      throw new InvalidArgumentError(`"${text}" is not a number ${range}.`);
    return value;
  };
}

/** A whole number from `min` to `max`. */
export function integerFrom(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`;
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`"${text}" is not a whole number ${range}.`);
    return value;
  };
}

const maxSeeds = 1_000_000;

/** Seeds as `0-5,8`: single numbers and ranges, both ends included, in the order given. */
export const seeds = ranges({ what: "seed", largest: maxSeed, most: maxSeeds });

const maxLayer = 999;

/** Layers of a network, as `0-6,8`. */
export const layers = ranges({ what: "layer", largest: maxLayer, most: maxLayer + 1 });

/** Numbers up to `largest` and ranges of them, at most `most` in all. */
function ranges(of: { what: string; largest: number; most: number }): (text: string) => number[] {
  const { what, most } = of;
  return (text) => {
    const found: number[] = [];
    for (const part of text.split(",")) {
      const { first, last } = rangeOf(part, of);
      if (found.length + last - first >= most) throw new InvalidArgumentError(`more than ${most} ${what}s.`);
      for (let value = first; value <= last; value++) found.push(value);
    }
    return found;
  };
}

/** Ranges of layers as `0-3,4-7`, each for itself; a single layer is a range as well. */
export function layerRanges(text: string): { first: number; last: number }[] {
  return text.split(",").map((part) => rangeOf(part, { what: "layer", largest: maxLayer }));
}

function rangeOf(
  text: string,
  { what, largest }: { what: string; largest: number },
): { first: number; last: number } {
  const match = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (!match || last > largest)
    throw new InvalidArgumentError(
      `"${text}" is no ${what} or range; write for example 0-5,8 (${what}s up to ${largest}).`,
    );
  if (last < first) throw new InvalidArgumentError(`the range "${text}" runs backwards.`);
  return { first, last };
}

/** One of `choices`. */
export function oneOf<T extends string>(choices: readonly T[]): (text: string) => T {
  return (text) => {
    const choice = choices.find((known) => known === text);
    if (choice === undefined) throw new InvalidArgumentError(`"${text}" is none of ${choices.join(", ")}.`);
    return choice;
  };
}

/** Some of `choices`, with commas between them; `none` for an empty list. */
export function listOf<T extends string>(choices: readonly T[]): (text: string) => T[] {
  const choice = oneOf(choices);
  return (text) => (text === "none" ? [] : [...new Set(text.split(",").map((part) => choice(part.trim())))]);
}

/** Several values with commas between them, each once. */
export function severalOf<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => [...new Set(text.split(",").map((part) => parse(part.trim())))];
}

/** A grid as `8x4`: columns, then rows. */
export function grid(text: string): { columns: number; rows: number } {
  const match = /^([1-9]\d{0,3})x([1-9]\d{0,3})$/.exec(text);
  if (!match) throw new InvalidArgumentError(`"${text}" is no grid; write columns x rows, for example 8x4.`);
  return { columns: Number(match[1]), rows: Number(match[2]) };
}

/** The largest side of a picture that is asked for. */
const maxSide = 8192;

/** The size of a picture as `256` (a square) or `256x128`: width, then height. */
export function pictureSize(text: string): { width: number; height: number } {
  const match = /^(\d{1,4})(?:x(\d{1,4}))?$/.exec(text);
  const [width, height] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (!match || Math.min(width, height) < 4 || Math.max(width, height) > maxSide)
    throw new InvalidArgumentError(
      `"${text}" is no size; write 256 or, width x height, 256x128 (from 4 to ${maxSide} pixels).`,
    );
  return { width, height };
}
