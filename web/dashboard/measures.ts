// How the page names measures.

import type { MetricFacts, RunDetail } from "../../src/protocol/api.js";
import { short } from "./format.js";

/** `FID (fid50k_full)`: several measures share a title. */
export function titleOf(name: string, { title }: MetricFacts): string {
  return title.toLowerCase() === name ? title : `${title} (${name})`;
}

/** The latest value of every measure. */
export function latestMetrics({ metrics, metricFacts }: RunDetail): [string, string][] {
  return Object.entries(metrics).flatMap(([name, points]): [string, string][] => {
    const facts = metricFacts[name];
    const last = points.at(-1);
    if (!last || facts?.isSpread) return [];
    return [[facts?.title ?? name, short(last.value)]];
  });
}
