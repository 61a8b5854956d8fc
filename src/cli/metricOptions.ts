// Names of measures on the command line.

import { InvalidArgumentError } from "commander";
import { isMetricName, metricNames } from "../metrics/names.js";

/** `fid50k_full,swd`; `none` for an empty list. */
export function metricList(text: string): string[] {
  if (text === "none") return [];
  const names = text.split(",").map((part) => part.trim());
  const wrong = names.find((name) => !isMetricName(name));
  if (wrong === undefined) return [...new Set(names)];
  throw new InvalidArgumentError(
    `"${wrong}" is none of ${metricNames.join(", ")}, nor one of these by other thousands of pictures (fid5k_full).`,
  );
}
