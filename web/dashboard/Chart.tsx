// Lines over time, of one run or several.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { short } from "./format.js";
import { canvasFont, colour, remPixels, useInSight, useTheme, useWidth } from "./hooks.js";
import { decimate, type Series, smoothed } from "./series.js";

export interface Line {
  label: string;
  /** Name of a colour of the style sheet. */
  colour: string;
  series: Series;
  column: string;
  dashed?: boolean;
}

/** A moment on the x axis at which someone changed something. */
export interface Mark {
  x: number;
  text: string;
}

/** What all charts of a page share. */
export interface ChartView {
  x: "kimg" | "hours";
  smoothing: number;
  /** The part that is shown; null: everything. */
  range: [number, number] | null;
  setRange: (range: [number, number] | null) => void;
  /** Pictures of cursors move together within one key. */
  syncKey: string;
}

interface ChartProps {
  title: string;
  unit?: string;
  lines: readonly Line[];
  marks?: readonly Mark[];
  view: ChartView;
  logarithmic?: boolean;
}

/** As in charts.css. */
const heightRem = 11.2;

export function Chart({ title, unit, lines, marks = [], view, logarithmic = false }: ChartProps) {
  const [box, width] = useWidth<HTMLDivElement>();
  const inSight = useInSight(box);
  const theme = useTheme();
  const plot = useRef<uPlot | null>(null);
  const current = useRef({ marks, view });
  current.current = { marks, view };
  const shown = lines.filter(({ series, column }) => series.has(column));
  const shape = JSON.stringify([
    shown.map(({ label, colour: c, column }) => [label, c, column]),
    view.smoothing > 0,
  ]);

  // Dependencies: `shape` stands for the lines.
  useEffect(() => {
    const element = box.current;
    if (!element || width === 0 || shown.length === 0) return;
    const options = optionsOf({ lines: shown, width, logarithmic, current, faint: view.smoothing > 0 });
    const created = new uPlot(options, [[]], element);
    plot.current = created;
    return () => {
      created.destroy();
      plot.current = null;
    };
  }, [shape, theme, width === 0, logarithmic, view.syncKey]);

  useEffect(() => {
    if (width > 0) plot.current?.setSize({ width, height: remPixels(heightRem) });
  }, [width]);

  const lengths = shown.map(({ series }) => series.length).join();
  // Dependencies: these say that the data or the view of them has changed.
  useEffect(() => {
    const chart = plot.current;
    if (!chart || !inSight) return;
    const { data, range } = dataOf(shown, view, Math.max(width, 100));
    chart.batch(() => {
      chart.setData(data, false);
      chart.setScale("x", { min: range[0], max: range[1] });
    });
    showValues(chart, shown.length);
  }, [lengths, shape, theme, width, inSight, view.x, view.smoothing, view.range, marks.length]);

  const values = shown.map((line) => ({ ...line, value: line.series.last(line.column) }));
  return (
    <section class="chart" aria-label={chartSummary(title, values)}>
      <header>
        <h3>
          {title}
          {unit ? <span class="unit"> {unit}</span> : null}
        </h3>
        <ul class="legend">
          {values.map(({ label, colour: c, value, dashed }) => (
            <li key={label}>
              <i class={dashed ? "dashed" : ""} data-colour={c} />
              {label} <output>{value === null ? "–" : short(value)}</output>
            </li>
          ))}
        </ul>
      </header>
      <div class="plot" ref={box}>
        {shown.length === 0 ? <p class="empty">Nothing yet</p> : null}
      </div>
    </section>
  );
}

function chartSummary(title: string, values: readonly { label: string; value: number | null }[]): string {
  const texts = values.map(({ label, value }) => `${label} ${value === null ? "none yet" : short(value)}`);
  return `${title}: ${texts.join(", ") || "nothing yet"}`;
}

interface OptionsInput {
  lines: readonly Line[];
  width: number;
  logarithmic: boolean;
  /** Whether the lines are drawn faintly under their smoothed ones. */
  faint: boolean;
  current: { current: { marks: readonly Mark[]; view: ChartView } };
}

function optionsOf({ lines, width, logarithmic, faint, current }: OptionsInput): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: colour("text-faint"),
    font: canvasFont(0.73),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
  };
  const lineOf = ({ label, colour: name, dashed }: Line, isFaint: boolean): uPlot.Series => ({
    label,
    stroke: colour(name),
    alpha: isFaint ? 0.28 : 1,
    width: isFaint ? 1 : 1.75,
    ...(dashed ? { dash: [5, 4] } : {}),
    points: {
      show: (chart, _, from, to) => !isFaint && to - from < 30 && chart.data[0].length < 200,
      size: 4,
    },
    value: (_, value) => (value === null ? "–" : short(value)),
  });
  return {
    width,
    height: remPixels(heightRem),
    padding: [8, remPixels(0.8), 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: current.current.view.syncKey, setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
    },
    scales: { x: { time: false }, y: logarithmic ? { distr: 3 } : {} },
    axes: [
      { ...axis, size: remPixels(1.75), gap: 4, space: remPixels(4) },
      {
        ...axis,
        size: remPixels(3.1),
        gap: 4,
        space: remPixels(2.1),
        values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : short(tick))),
      },
    ],
    series: [
      { label: "x" },
      ...(faint ? lines.map((line) => lineOf(line, true)) : []),
      ...lines.map((line) => lineOf(line, false)),
    ],
    hooks: {
      draw: [(chart) => drawMarks(chart, current.current.marks)],
      setCursor: [(chart) => showValues(chart, lines.length)],
      setSelect: [
        (chart) => {
          const { left, width: selected } = chart.select;
          if (selected < 4) return;
          const range = [left, left + selected].map((position) => chart.posToVal(position, "x"));
          chart.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          current.current.view.setRange(range as [number, number]);
        },
      ],
      ready: [
        (chart) =>
          chart.over.addEventListener("dblclick", () => {
            current.current.view.setRange(null);
          }),
      ],
    },
  };
}

/** While the pointer is over a chart its legend shows the values there. */
function showValues(chart: uPlot, count: number): void {
  const outputs = chart.root.closest(".chart")?.querySelectorAll("output") ?? [];
  const { idx } = chart.cursor;
  for (const [i, output] of outputs.entries()) {
    const values = chart.data[chart.data.length - count + i] ?? [];
    const value = idx === null || idx === undefined ? lastOf(values) : values[idx];
    // The text node is Preact's; only what it says is changed.
    if (output.firstChild)
      output.firstChild.nodeValue = value === null || value === undefined ? "–" : short(value);
  }
}

function lastOf(values: ArrayLike<number | null | undefined>): number | null {
  for (let i = values.length - 1; i >= 0; i--) if (typeof values[i] === "number") return values[i] as number;
  return null;
}

function drawMarks(chart: uPlot, marks: readonly Mark[]): void {
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = canvasFont(0.7, ratio);
  ctx.textBaseline = "top";
  let free = bbox.left;
  for (const { x, text } of marks) {
    const position = Math.round(chart.valToPos(x, "x", true));
    if (position < bbox.left || position > bbox.left + bbox.width) continue;
    ctx.fillStyle = colour("mark");
    ctx.fillRect(position, bbox.top, ratio, bbox.height);
    const textWidth = ctx.measureText(text).width;
    const left = Math.min(position + 4 * ratio, bbox.left + bbox.width - textWidth);
    if (left < free) continue; // no text over another
    ctx.fillStyle = colour("text-soft");
    ctx.fillText(text, left, bbox.top + 2 * ratio);
    free = left + textWidth + 6 * ratio;
  }
  ctx.restore();
}

function dataOf(lines: readonly Line[], view: ChartView, width: number) {
  const tables: uPlot.AlignedData[] = [];
  const range = view.range ?? fullRange(lines, view.x);
  const bySeries = new Map<Series, Line[]>();
  for (const line of lines) bySeries.set(line.series, [...(bySeries.get(line.series) ?? []), line]);
  const faint: number[][] = [];
  const bold: number[][] = [];
  let column = 1;
  const order: { line: Line; faintAt: number | null; boldAt: number }[] = [];
  for (const [series, own] of bySeries) {
    const raw = own.map((line) => series.column(line.column));
    const smooth = view.smoothing > 0 ? raw.map((values) => smoothed(values, view.smoothing)) : [];
    const columns = [...raw, ...smooth];
    const points = decimate(xsOf(series, view.x), columns, { x0: range[0], x1: range[1], width });
    tables.push([points.x, ...points.ys] as uPlot.AlignedData);
    for (const [i, line] of own.entries()) {
      const rawAt = column + i;
      order.push(
        smooth.length > 0
          ? { line, faintAt: rawAt, boldAt: rawAt + own.length }
          : { line, faintAt: null, boldAt: rawAt },
      );
    }
    column += columns.length;
  }
  const joined = (tables.length === 1 ? tables[0] : uPlot.join(tables)) as unknown as number[][];
  for (const line of lines) {
    const at = order.find((entry) => entry.line === line);
    if (!at) continue;
    if (at.faintAt !== null) faint.push(joined[at.faintAt] as number[]);
    bold.push(joined[at.boldAt] as number[]);
  }
  return { data: [joined[0], ...faint, ...bold] as uPlot.AlignedData, range };
}

function fullRange(lines: readonly Line[], x: ChartView["x"]): [number, number] {
  const ends = lines.map(({ series }) => xsOf(series, x).at(-1) ?? 0);
  return [0, Math.max(...ends, x === "kimg" ? 0.001 : 1 / 3600)];
}

const scaledColumns = new WeakMap<Series, Map<string, Float64Array>>();

/** x of the ticks: thousands of images, or hours of training. Kept, since every chart of a run asks for the same. */
export function xsOf(series: Series, x: ChartView["x"]): Float64Array {
  const known = scaledColumns.get(series) ?? new Map<string, Float64Array>();
  scaledColumns.set(series, known);
  let values = known.get(x);
  if (!values || values.length !== series.length) {
    const [name, scale] = x === "kimg" ? ["nimg", 1000] : ["totalSeconds", 3600];
    values = series.column(name as string).map((value) => value / (scale as number));
    known.set(x, values);
  }
  return values;
}
