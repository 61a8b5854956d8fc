// What kinds of values options take: how a value is checked, read from a command line, and asked for.

import { isInRange, type NumberRange, rangeText } from "../system/numberRange.js";
import { type ByResolution, isByResolutionOf } from "./byResolution.js";

/**
 * `Given`: as a user gives it. `Stored`: as the configuration of a run holds it. Predicates instead of schemas: the command
 * line's help needs this table, and loading a library of schemas takes longer than all else that it loads.
 */
export interface OptionType<Given, Stored = Given> {
  /** What a value must be, as the end of "… is not". */
  wanted: string;
  /** Stands after the flag in the help; in square brackets when it may be left out. */
  placeholder: string;
  isGiven(value: unknown): value is Given;
  isStored(value: unknown): value is Stored;
  /** What the text of a command line means, right or wrong. */
  read(text: string): unknown;
  /** Of numbers that a page can ask for. */
  range?: NumberRange;
}

type Is<Value> = (value: unknown) => value is Value;

/** Of options that the configuration holds as they are given. */
const same = <Value>(is: Is<Value>) => ({ isGiven: is, isStored: is });

const toNumber = (text: string) => (text.trim() === "" ? Number.NaN : Number(text));

export function number(range: NumberRange): OptionType<number> {
  return {
    ...{ wanted: rangeText(range), placeholder: range.whole ? "<n>" : "<x>" },
    ...same((value): value is number => typeof value === "number" && isInRange(range, value)),
    ...{ read: toNumber, range },
  };
}

/** Whole numbers; without a bound up to the largest that is exact. */
export function integer(min: number, max?: number): OptionType<number> {
  return number({ min, ...(max === undefined ? {} : { max }), whole: true });
}

/** Sides of pictures. */
export function powerOfTwo(min: number): OptionType<number> {
  return {
    ...{ wanted: `a power of two from ${min} on`, placeholder: "<pixels>", read: toNumber },
    ...same(
      (value): value is number =>
        typeof value === "number" &&
        isInRange({ min, whole: true }, value) &&
        Number.isInteger(Math.log2(value)),
    ),
  };
}

export function text(placeholder: string): OptionType<string> {
  return { wanted: "a text", placeholder, ...same(isString), read: (value) => value };
}

const isString = (value: unknown) => typeof value === "string";

const yes = ["yes", "true", "1"];
const no = ["no", "false", "0"];

/** The flag alone says yes. */
export function yesNo(): OptionType<boolean> {
  return {
    ...{ wanted: "yes or no", placeholder: "[yes|no]" },
    ...same((value) => typeof value === "boolean"),
    read: (value) => (yes.includes(value) ? true : no.includes(value) ? false : undefined),
  };
}

export function oneOf<const Names extends readonly string[]>(names: Names): OptionType<Names[number]> {
  return {
    ...{ wanted: `one of ${names.join(", ")}`, placeholder: "<name>" },
    ...same((value): value is Names[number] => isString(value) && names.includes(value)),
    read: (value) => value,
  };
}

/** Several names with commas, or `none`. */
export function listOf<const Names extends readonly string[]>(
  names: Names,
): OptionType<readonly Names[number][], Names[number][]> {
  return {
    ...{ wanted: `a list of ${names.join(", ")}`, placeholder: "<list>", read: readList },
    ...same(isListOf((value): value is Names[number] => names.includes(value))),
  };
}

/** Several names with commas, or `none`, where more names are possible than can be listed. */
export function listThat(
  isName: (name: string) => boolean,
  wanted: string,
): OptionType<readonly string[], string[]> {
  return {
    wanted,
    placeholder: "<list>",
    ...same(isListOf((value): value is string => isName(value))),
    read: readList,
  };
}

function isListOf<Name extends string>(isName: (value: string) => value is Name): Is<Name[]> {
  return (value): value is Name[] =>
    Array.isArray(value) && value.every((part) => isString(part) && isName(part));
}

const readList = (value: string) =>
  value === "none" ? [] : [...new Set(value.split(",").map((part) => part.trim()))];

/** `none` (in a program null) as well. */
export function orNone<Given, Stored>(
  type: OptionType<Given, Stored>,
): OptionType<Given | null, Stored | null> {
  return {
    ...{ wanted: `${type.wanted}, or none`, placeholder: type.placeholder },
    isGiven: (value): value is Given | null => value === null || type.isGiven(value),
    isStored: (value): value is Stored | null => value === null || type.isStored(value),
    read: (value) => (value === "none" ? null : type.read(value)),
  };
}

/**
 * One number, or one for each resolution of networks that grow: `4,8:128,16:64` is 128 at 8 px, 64 at 16 px and 4 at all
 * others. The configuration holds the one of the full resolution, and its schedule of growth holds all.
 */
export function byResolution(type: OptionType<number>): OptionType<number | ByResolution, number> {
  return {
    wanted: `${type.wanted}, or several as 4,8:128,16:64 (4, but 128 at 8 px and 64 at 16 px)`,
    placeholder: `<${type.placeholder.slice(1, -1)}>`,
    isGiven: (value): value is number | ByResolution =>
      type.isGiven(value) || isByResolutionOf(type.isGiven, value),
    isStored: type.isStored,
    read: (value) => {
      const [base = "", ...others] = value.split(",");
      if (others.length === 0) return type.read(base);
      return {
        base: type.read(base),
        at: Object.fromEntries(
          others.map((part) => {
            const [resolution = "", at = ""] = part.split(":");
            return [resolution.trim(), type.read(at)];
          }),
        ),
      };
    },
  };
}
