// Measures as text: one network in full, several as a table, best first.

import type { MetricValue } from "../../metrics/metric.js";
import type { MetricResult } from "../../synthesis/meter.js";
import { shortNumber } from "../../training/measuring.js";

/** All measures of one network, or of one of its classes. */
export interface Measurement {
  network: string;
  /** Of reals instead of a network. */
  isFloor?: boolean;
  /** null: the file does not say. */
  curNimg: number | null;
  className: string | undefined;
  /** The results of each repetition. */
  repeats: readonly (readonly MetricResult[])[];
}

export interface Spread {
  name: string;
  mean: number;
  /** With 1 / (n - 1); NaN for a single measurement. */
  std: number;
}

/** Mean and standard deviation over the repetitions, of each of `values`. */
export function mainValues(
  values: readonly MetricValue[],
  { repeats }: Pick<Measurement, "repeats">,
): Spread[] {
  return values.map(({ name }) => {
    const found = repeats.flatMap((results) => results.flatMap(({ results: byName }) => byName[name] ?? []));
    const mean = found.reduce((sum, value) => sum + value, 0) / found.length;
    const squares = found.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return { name, mean, std: found.length > 1 ? Math.sqrt(squares / (found.length - 1)) : Number.NaN };
  });
}

export function report(measurements: readonly Measurement[]): string {
  const [only] = measurements;
  if (!only?.repeats[0]?.length) return "";
  return measurements.length === 1 && only.repeats.length === 1 ? inFull(only) : table(measurements);
}

/** One network: each measure with what it has to say. */
function inFull({ repeats }: Measurement): string {
  return (repeats[0] ?? []).map((result) => paragraph(result)).join("");
}

function paragraph({ metric, results, details, images }: MetricResult): string {
  const levels = (details.perLevel ?? []) as { resolution: number; value: number }[];
  if (levels.length > 0) {
    const lines: [string, number][] = levels.map(({ resolution, value }) => [`${resolution} px`, value]);
    const rows = [...lines, ["mean", details.mean as number] as const].map(
      ([name, value]) => `  ${name.padEnd(8)}${value.toFixed(2).padStart(9)}\n`,
    );
    return `${metric.name} x 1000, ${images} pictures of each kind\n${rows.join("")}`;
  }
  const width = Math.max(...metric.values.map(({ name }) => name.length)) + 2;
  const rows = metric.values.map(
    ({ name, title, better, isSpread }) =>
      `  ${name.padEnd(width)}${shortNumber(results[name] as number).padStart(9)}   ${title}${isSpread ? "" : `, ${better} is better`}\n`,
  );
  const what = metric.needs === "network" ? "pairs of pictures" : "pictures of the generator";
  return `${metric.name}, ${images} ${what}\n${rows.join("")}`;
}

/** A line for each network, the best by the first value first. */
function table(measurements: readonly Measurement[]): string {
  const values = (measurements[0]?.repeats[0] ?? []).flatMap(({ metric }) => metric.values);
  const [first] = values;
  const rows = measurements.map((measurement) => ({
    label: [measurement.network, measurement.className].filter((part) => part !== undefined).join(" "),
    spreads: mainValues(values, measurement),
  }));
  const sign = first?.better === "higher" ? -1 : 1;
  // What has no such value comes last.
  const key = ({ spreads: [spread] }: (typeof rows)[number]) =>
    spread && !Number.isNaN(spread.mean) ? sign * spread.mean : Number.MAX_VALUE;
  rows.sort((a, b) => key(a) - key(b));
  const cells = [
    ["network", ...values.map(({ name }) => name)],
    ...rows.map(({ label, spreads }) => [label, ...spreads.map(textOf)]),
  ];
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => (row[column] ?? "").length)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return `${cells.map(line).join("\n")}\n`;
}

function textOf({ mean, std }: Spread): string {
  if (Number.isNaN(mean)) return "-";
  return Number.isNaN(std) ? shortNumber(mean) : `${shortNumber(mean)} ± ${shortNumber(std)}`;
}
