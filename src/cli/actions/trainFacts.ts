// What `train` tells of a run without starting it: the values of its options with their sources, sizes, memory, time.

import { isByResolution } from "../../training/byResolution.js";
import { type Origin, originsOf } from "../../training/config.js";
import { estimateRun } from "../../training/dryRun.js";
import { flagOf, type TrainingOptions } from "../../training/options.js";
import {
  choosesLength,
  type Foundation,
  foundationOf,
  type PreparedRun,
  type RunRequest,
} from "../../training/prepare.js";
import { presetNamed, sources } from "../../training/presets.js";
import { duration } from "../progress.js";

const out = (line: string) => process.stdout.write(`${line}\n`);

/** `--show`: a configuration's values, measuring nothing. */
export function printConfiguration({ cfg, options, device }: RunRequest): void {
  const resolution = options.resolution ?? 64;
  const foundation = foundationOf({ cfg, options, device }, resolution);
  out(`${foundation.cfg}: ${presetNamed(foundation.cfg).summary}`);
  const origins = originsOf(foundation.cfg, resolution, options, foundation.instead);
  const isMeasured = choosesLength({ cfg, options, device }, foundation);
  out(
    `At ${resolution} px (--resolution)${isMeasured ? ", as long as this machine takes for about three hours" : ""}:\n`,
  );
  printOrigins(origins.filter(({ name }) => !isMeasured || name !== "kimg"));
}

/** `--dry-run`, of a new run or of one that goes on. */
export function printDryRun(
  about: Pick<PreparedRun, "config" | "dataset"> & {
    origins: Pick<Foundation, "cfg" | "instead">;
    shownKimg: number;
  },
  { options, device }: { options: TrainingOptions; device: string },
): void {
  const { config, dataset, origins, shownKimg } = about;
  out(JSON.stringify(config, null, 2));
  out("\nWhere the values come from:");
  printOrigins(originsOf(origins.cfg, dataset.resolution, options, origins.instead));
  const leftKimg = Math.max(config.kimg - shownKimg, 0);
  const left =
    shownKimg === 0
      ? `${config.kimg} kimg take`
      : `${shownKimg} of ${config.kimg} kimg are shown, the others take`;
  const { sizes, phaseSeconds, secPerKimg, peakMemoryMb } = estimateRun(config, device);
  out(`\n${"part".padEnd(28)}${"parameters".padStart(12)}${"buffers".padStart(12)}`);
  for (const { name, parameters, buffers } of sizes)
    out(`${name.padEnd(28)}${String(parameters).padStart(12)}${String(buffers).padStart(12)}`);
  out(`\n${dataset.length} pictures. One step of each phase, measured on random pictures:`);
  for (const [name, seconds] of Object.entries(phaseSeconds))
    out(`  ${name.padEnd(8)}${seconds.toFixed(3)} s`);
  out(`${secPerKimg.toFixed(1)} sec/kimg; ${left} about ${duration(secPerKimg * leftKimg)}`);
  out(`memory: ${peakMemoryMb} MB at the peak`);
}

function printOrigins(origins: readonly Origin[]): void {
  const rows = origins.map(({ name, value, source }) => [
    flagOf(name),
    valueText(value),
    source ?? "your choice",
  ]);
  const width = (column: 0 | 1) =>
    Math.min(Math.max(...rows.map((row) => (row[column] as string).length)), 40);
  for (const [flag = "", value = "", source = ""] of rows)
    out(`  ${flag.padEnd(width(0))}  ${value.padEnd(width(1))}  ${source}`);
  const used = Object.entries(sources).filter(([letters]) =>
    origins.some(({ source }) => source?.split(",")[0] === letters),
  );
  out("");
  for (const [letters, what] of used) out(`  ${letters.padEnd(6)}${what}`);
}

/** As it would be given on the command line. */
export function valueText(value: unknown): string {
  if (value === null) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length > 0 ? value.join(",") : "none";
  if (isByResolution(value))
    return [value.base, ...Object.entries(value.at).map(([resolution, at]) => `${resolution}:${at}`)].join(
      ",",
    );
  return String(value);
}
