// Values that differ from resolution to resolution, while networks grow.

import { z } from "zod";

/** A value for each resolution that has one of its own; the others take `base`. */
export interface ByResolution {
  base: number;
  at: Readonly<Record<string, number>>;
}

export function byResolutionOf(value: z.ZodType<number>): z.ZodType<ByResolution> {
  return z.strictObject({ base: value, at: z.record(z.string().regex(/^\d+$/), value) });
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
  return typeof value === "object" && value !== null && "base" in value;
}
