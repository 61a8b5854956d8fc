// Which metrics there are.

export const metricNames = ["swd"] as const;

export type MetricName = (typeof metricNames)[number];

/** More pictures than these make a metric slow and hardly more exact. */
export const defaultMetricImages = 1024;
