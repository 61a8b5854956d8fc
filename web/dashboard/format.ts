// Numbers and times as people read them.

import type { RunStatus } from "../../src/protocol/api.js";

export function kimg(nimg: number): string {
  const value = nimg / 1000;
  return value >= 1000 ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}

export function seconds(value: number): string {
  const whole = Math.max(Math.round(value), 0);
  const [d, h, m, s] = [
    Math.floor(whole / 86400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const two = (n: number) => String(n).padStart(2, "0");
  if (d > 0) return `${d}d ${two(h)}h`;
  if (h > 0) return `${h}h ${two(m)}m`;
  return m > 0 ? `${m}m ${two(s)}s` : `${s}s`;
}

/** Four significant digits, without trailing zeros. */
export function short(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

export function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MB`;
}

export function ago(secondsSince1970: number, now = Date.now() / 1000): string {
  const past = now - secondsSince1970;
  if (secondsSince1970 === 0) return "";
  return past < 45 ? "just now" : `${seconds(past).split(" ")[0]} ago`;
}

export const statusTexts: Readonly<Record<RunStatus, string>> = {
  training: "Training",
  paused: "Paused",
  complete: "Complete",
  stopped: "Stopped",
  lost: "Ended without a word",
};
