// Histograms of scores over time, reals and fakes over each other: where the two colours part, the discriminator tells
// them apart.

import { useEffect, useRef } from "preact/hooks";
import type { HistogramPoint } from "../../src/protocol/api.js";
import type { Histogram } from "../../src/protocol/runFiles.js";
import { short } from "./format.js";
import { canvasFont, colour, remPixels, useInSight, useTheme, useWidth } from "./hooks.js";

/** In units of the page's text size; the height is that of charts.css. */
const measuresRem = { height: 11.2, left: 3.1, right: 0.8, top: 0.5, bottom: 1.75 };

function measures() {
  const { height, ...margin } = measuresRem;
  const pixels = Object.entries(margin).map(([side, rem]) => [side, remPixels(rem)]);
  return { height: remPixels(height), margin: Object.fromEntries(pixels) as typeof margin };
}

interface ScoreMapProps {
  points: readonly HistogramPoint[];
  /** In kimg. */
  range: [number, number] | null;
  length: number;
}

export function ScoreMap({ points, range, length }: ScoreMapProps) {
  const [box, width] = useWidth<HTMLDivElement>();
  const inSight = useInSight(box);
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  // Dependencies: `length` and `theme` say that a new drawing is due.
  useEffect(() => {
    if (canvas.current && width > 0 && inSight) draw(canvas.current, { points, width, range });
  }, [points, length, range, width, theme, inSight]);
  const last = points.at(-1);
  return (
    <section class="chart" aria-label={`Scores of reals and fakes. ${last ? describe(last) : "Nothing yet"}`}>
      <header>
        <h3>Distribution of scores</h3>
        <ul class="legend">
          <li>
            <i data-colour="real" />
            real
          </li>
          <li>
            <i data-colour="fake" />
            fake
          </li>
        </ul>
      </header>
      <div class="plot" ref={box}>
        {points.length === 0 ? (
          <p class="empty">{length === 0 ? "Nothing yet" : "This run’s statistics have no histograms"}</p>
        ) : (
          <canvas ref={canvas} />
        )}
      </div>
    </section>
  );
}

function describe({ real, fake }: HistogramPoint): string {
  const middle = (histogram: Histogram | undefined) =>
    histogram ? short(quantile(histogram, 0.5)) : "unknown";
  return `Latest median: real ${middle(real)}, fake ${middle(fake)}`;
}

function draw(
  canvas: HTMLCanvasElement,
  {
    points,
    width,
    range,
  }: { points: readonly HistogramPoint[]; width: number; range: [number, number] | null },
): void {
  const ratio = devicePixelRatio;
  const { height, margin } = measures();
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  const last = points.at(-1);
  if (!context || !last) return;
  context.scale(ratio, ratio);
  const [x0, x1] = range ?? [0, last.nimg / 1000];
  const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  const visible = points.filter(({ nimg }, i) => {
    const before = points[i - 1]?.nimg ?? 0;
    return nimg / 1000 >= x0 && before / 1000 <= x1;
  });
  const [low, high] = extent(visible);
  const y = (score: number) => margin.top + (1 - (score - low) / (high - low)) * inner.height;
  const x = (nimg: number) => margin.left + ((nimg / 1000 - x0) / (x1 - x0)) * inner.width;
  drawAxes(context, { low, high, x0, x1, width, y });
  context.save();
  context.beginPath();
  context.rect(margin.left, margin.top, inner.width, inner.height);
  context.clip();
  context.globalCompositeOperation = isDark() ? "screen" : "multiply";
  let before = visible[0] ? (points[points.indexOf(visible[0]) - 1]?.nimg ?? 0) : 0;
  for (const point of visible) {
    const left = x(before);
    const columnWidth = Math.max(x(point.nimg) - left, 0.5) + 0.5;
    before = point.nimg;
    for (const [histogram, name] of [
      [point.real, "real"],
      [point.fake, "fake"],
    ] as const) {
      if (!histogram) continue;
      const { width: bin, first, counts } = histogram;
      const most = Math.max(...counts);
      context.fillStyle = colour(name);
      for (const [i, count] of counts.entries()) {
        if (count === 0) continue;
        context.globalAlpha = 0.06 + 0.74 * (count / most);
        // Whole pixels: bins that shared one would look like bands.
        const top = Math.round(y((first + i + 1) * bin));
        context.fillRect(left, top, columnWidth, Math.max(Math.round(y((first + i) * bin)) - top, 1));
      }
    }
  }
  context.restore();
}

function drawAxes(
  context: CanvasRenderingContext2D,
  at: { low: number; high: number; x0: number; x1: number; width: number; y: (score: number) => number },
): void {
  const { low, high, x0, x1, width, y } = at;
  const { height, margin } = measures();
  context.font = canvasFont(0.73);
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const tick of ticks(low, high, 4)) {
    context.fillStyle = colour("line");
    context.fillRect(margin.left, Math.round(y(tick)), width - margin.left - margin.right, 1);
    context.fillStyle = colour("text-faint");
    context.fillText(short(tick), margin.left - 6, y(tick));
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const tick of ticks(x0, x1, Math.max(Math.floor(width / 80), 2))) {
    const position = margin.left + ((tick - x0) / (x1 - x0)) * (width - margin.left - margin.right);
    context.fillText(short(tick), position, height - margin.bottom + 6);
  }
}

/** The range of scores that holds nearly all of them: single outliers would make the rest a line. */
function extent(points: readonly HistogramPoint[]): [number, number] {
  const histograms = points.flatMap(({ real, fake }) => [real, fake]).filter((one) => one !== undefined);
  const lows = histograms.map((histogram) => quantile(histogram, 0.005)).sort((a, b) => a - b);
  const highs = histograms.map((histogram) => quantile(histogram, 0.995)).sort((a, b) => a - b);
  const low = lows[Math.floor(lows.length * 0.01)] ?? -1;
  const high = highs[Math.ceil(highs.length * 0.99) - 1] ?? 1;
  return high > low ? [low, high] : [low - 1, low + 1];
}

function quantile({ width, first, counts }: Histogram, share: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let sum = 0;
  for (const [i, count] of counts.entries()) {
    sum += count;
    if (sum >= share * total) return (first + i + (share < 0.5 ? 0 : share > 0.5 ? 1 : 0.5)) * width;
  }
  return 0;
}

function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const found: number[] = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(i * step);
  return found;
}

function isDark(): boolean {
  const { theme } = document.documentElement.dataset;
  return theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
}
