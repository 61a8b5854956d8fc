// Values that differ from resolution to resolution, while networks grow.

import { isObject } from "../system/isObject.js";

/** A value for each resolution that has one of its own; the others take `base`. */
export interface ByResolution {
  base: number;
  at: Readonly<Record<string, number>>;
}

/** Nothing but the two fields, with resolutions in digits. */
export function isByResolutionOf(
  isValue: (value: unknown) => value is number,
  value: unknown,
): value is ByResolution {
  if (!isObject(value) || Object.keys(value).sort().join() !== "at,base") return false;
  const { base, at } = value;
  return (
    isValue(base) &&
    isObject(at) &&
    Object.entries(at).every(([resolution, own]) => /^\d+$/.test(resolution) && isValue(own))
  );
}

/** The value for a resolution. */
export function valueAt({ base, at }: ByResolution, resolution: number): number {
  return at[String(resolution)] ?? base;
}

/** A number is the same at every resolution. */
export function valuesOf(value: number | ByResolution): (resolution: number) => number {
  return (resolution) => (typeof value === "number" ? value : valueAt(value, resolution));
}

export function isByResolution(value: unknown): value is ByResolution {
  return isObject(value) && "base" in value;
}
