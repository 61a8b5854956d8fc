// What kinds of values options take: how a value is checked, read from a command line, and asked for.

import { z } from "zod";
import { isInRange, type NumberRange, rangeText } from "../system/numberRange.js";
import { type ByResolution, byResolutionOf } from "./byResolution.js";

/** `Given`: as a user gives it. `Stored`: as the configuration of a run holds it. */
export interface OptionType<Given, Stored = Given> {
  /** What a value must be, as the end of "… is not". */
  wanted: string;
  /** Stands after the flag in the help; in square brackets when it may be left out. */
  placeholder: string;
  given: z.ZodType<Given>;
  stored: z.ZodType<Stored>;
  /** What the text of a command line means, right or wrong. */
  read(text: string): unknown;
  /** Of numbers that a page can ask for. */
  range?: NumberRange;
}

const toNumber = (text: string) => (text.trim() === "" ? Number.NaN : Number(text));

export function number(range: NumberRange): OptionType<number> {
  const schema = z.number().refine((value) => isInRange(range, value));
  return {
    ...{ wanted: rangeText(range), placeholder: range.whole ? "<n>" : "<x>" },
    ...{ given: schema, stored: schema, read: toNumber, range },
  };
}

/** Whole numbers; without a bound up to the largest that is exact. */
export function integer(min: number, max?: number): OptionType<number> {
  return number({ min, ...(max === undefined ? {} : { max }), whole: true });
}

/** Sides of pictures. */
export function powerOfTwo(min: number): OptionType<number> {
  const schema = z
    .number()
    .int()
    .min(min)
    .refine((value) => Number.isInteger(Math.log2(value)));
  return {
    ...{ wanted: `a power of two from ${min} on`, placeholder: "<pixels>" },
    ...{ given: schema, stored: schema, read: toNumber },
  };
}

export function text(placeholder: string): OptionType<string> {
  return { wanted: "a text", placeholder, given: z.string(), stored: z.string(), read: (value) => value };
}

const yes = ["yes", "true", "1"];
const no = ["no", "false", "0"];

/** The flag alone says yes. */
export function yesNo(): OptionType<boolean> {
  return {
    ...{ wanted: "yes or no", placeholder: "[yes|no]", given: z.boolean(), stored: z.boolean() },
    read: (value) => (yes.includes(value) ? true : no.includes(value) ? false : undefined),
  };
}

export function oneOf<const Names extends readonly string[]>(names: Names): OptionType<Names[number]> {
  const schema = z.enum(names) as unknown as z.ZodType<Names[number]>;
  return {
    ...{ wanted: `one of ${names.join(", ")}`, placeholder: "<name>" },
    ...{ given: schema, stored: schema, read: (value) => value },
  };
}

/** Several names with commas, or `none`. */
export function listOf<const Names extends readonly string[]>(
  names: Names,
): OptionType<readonly Names[number][], Names[number][]> {
  const schema = z.array(z.enum(names)) as unknown as z.ZodType<Names[number][]>;
  return {
    ...{ wanted: `a list of ${names.join(", ")}`, placeholder: "<list>", given: schema, stored: schema },
    read: readList,
  };
}

/** Several names with commas, or `none`, where more names are possible than can be listed. */
export function listThat(
  isName: (name: string) => boolean,
  wanted: string,
): OptionType<readonly string[], string[]> {
  const schema = z.array(z.string().refine(isName));
  return { wanted, placeholder: "<list>", given: schema, stored: schema, read: readList };
}

const readList = (value: string) =>
  value === "none" ? [] : [...new Set(value.split(",").map((part) => part.trim()))];

/** `none` (in a program null) as well. */
export function orNone<Given, Stored>(
  type: OptionType<Given, Stored>,
): OptionType<Given | null, Stored | null> {
  return {
    ...{ wanted: `${type.wanted}, or none`, placeholder: type.placeholder },
    ...{ given: type.given.nullable(), stored: type.stored.nullable() },
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
    given: z.union([type.given, byResolutionOf(type.given)]),
    stored: type.stored,
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
