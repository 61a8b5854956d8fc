// Measures of several networks over the images that they have seen, as a picture.

import sharp from "sharp";
import type { MetricValue } from "../../metrics/metric.js";
import { writeFileAtomically } from "../../system/atomicFile.js";
import { shortNumber } from "../../training/measuring.js";
import { type Measurement, mainValues } from "./metricReport.js";

const panel = { width: 640, height: 300, left: 72, right: 20, top: 40, bottom: 44 };
const colours = ["#2563eb", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0e7490"];

export async function writePlot(file: string, measurements: readonly Measurement[]): Promise<void> {
  const svg = plotOf(measurements);
  writeFileAtomically(file, file.endsWith(".svg") ? svg : await sharp(Buffer.from(svg)).png().toBuffer());
}

/** A panel for each value; a line for each class, or one for all networks. */
export function plotOf(measurements: readonly Measurement[]): string {
  const values = (measurements[0]?.repeats[0] ?? [])
    .flatMap(({ metric }) => metric.values)
    .filter(({ isSpread }) => !isSpread);
  const panels = values.map((value, i) => panelOf(value, measurements, i * panel.height));
  const height = Math.max(1, values.length) * panel.height;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${panel.width}" height="${height}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>${panels.join("")}</svg>`;
}

function panelOf(value: MetricValue, measurements: readonly Measurement[], offset: number): string {
  const points = measurements.map((measurement, i) => {
    const [spread] = mainValues([value], measurement);
    // Networks that do not say how many images they have seen stand in the order given.
    const kimg = measurement.curNimg === null ? i : measurement.curNimg / 1000;
    return { kimg, line: measurement.className ?? "", ...spread };
  }) as { kimg: number; line: string; mean: number; std: number }[];
  const x = scaleOf(
    points.map(({ kimg }) => kimg),
    [panel.left, panel.width - panel.right],
  );
  const y = scaleOf(
    points.flatMap(({ mean, std }) => (Number.isNaN(std) ? [mean] : [mean - std, mean + std])),
    [panel.height - panel.bottom, panel.top],
  );
  const lines = [...new Set(points.map(({ line }) => line))];
  const drawn = lines.map((line, i) => {
    const colour = colours[i % colours.length] as string;
    const own = points.filter((point) => point.line === line).sort((a, b) => a.kimg - b.kimg);
    const path = own.map(({ kimg, mean }) => `${x.at(kimg)},${y.at(mean)}`).join(" ");
    const marks = own.map(({ kimg, mean, std }) => {
      const bar = Number.isNaN(std)
        ? ""
        : `<path d="M${x.at(kimg)},${y.at(mean - std)}V${y.at(mean + std)}" stroke="${colour}"/>`;
      return `${bar}<circle cx="${x.at(kimg)}" cy="${y.at(mean)}" r="3" fill="${colour}"/>`;
    });
    const name =
      line &&
      `<text x="${panel.left + 8 + i * 90}" y="${panel.top - 6}" fill="${colour}">${escaped(line)}</text>`;
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>${marks.join("")}${name}`;
  });
  const bottom = panel.height - panel.bottom;
  const ticks = [
    ...x.ticks.map(
      (tick) => `<text x="${x.at(tick)}" y="${bottom + 16}" text-anchor="middle">${shortNumber(tick)}</text>`,
    ),
    ...y.ticks.map(
      (tick) =>
        `<path d="M${panel.left},${y.at(tick)}H${panel.width - panel.right}" stroke="#ddd"/><text x="${panel.left - 6}" y="${y.at(tick) + 4}" text-anchor="end">${shortNumber(tick)}</text>`,
    ),
  ];
  const title = `<text x="${panel.width - panel.right}" y="20" text-anchor="end" font-weight="bold">${escaped(value.name)}, ${value.better} is better</text>`;
  const axis = `<text x="${(panel.left + panel.width) / 2}" y="${panel.height - 8}" text-anchor="middle">thousands of images</text>`;
  return `<g transform="translate(0,${offset})">${ticks.join("")}${drawn.join("")}${title}${axis}</g>`;
}

/** From numbers to places, with five marks on the way. */
function scaleOf(
  numbers: readonly number[],
  [from, to]: [number, number],
): { at(value: number): number; ticks: number[] } {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const room = high > low ? (high - low) * 0.05 : Math.max(Math.abs(low) * 0.05, 1e-9);
  const [start, end] = [low - room, high + room];
  const at = (value: number) =>
    Math.round((from + ((value - start) / (end - start)) * (to - from)) * 10) / 10;
  const ticks = high > low ? Array.from({ length: 5 }, (_, i) => low + ((high - low) * i) / 4) : [low];
  return { at, ticks };
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
