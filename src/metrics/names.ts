// Which metrics there are.

export const metricNames = ["swd"] as const;

export type MetricName = (typeof metricNames)[number];

/** More pictures than these make a metric slow and hardly more exact. */
export const defaultMetricImages = 1024;

/** Pictures of each kind that a metric takes when nobody says how many, of a data set with so many. */
export function metricImagesOf(available: number): number {
  return Math.min(available, defaultMetricImages);
}
