// The charts of a run, and the controls that they share.

import { useMemo, useState } from "preact/hooks";
import type { MetricFacts, MetricPoint } from "../../src/protocol/api.js";
import { Chart, type ChartView, type Line, type Mark, xsOf } from "./Chart.js";
import { useStored } from "./hooks.js";
import type { LiveRun } from "./live.js";
import { titleOf } from "./measures.js";
import { ScoreMap } from "./ScoreMap.js";
import { markOf } from "./Steer.js";
import { Series } from "./series.js";

interface ChartKind {
  title: string;
  unit?: string;
  /** Shown only where a run has one of its columns. */
  optional?: boolean;
  logarithmic?: boolean;
  lines: readonly Omit<Line, "series">[];
}

const kinds: readonly ChartKind[] = [
  {
    title: "Losses",
    lines: [
      { label: "G", colour: "fake", column: "Loss/G/loss" },
      { label: "D", colour: "real", column: "Loss/D/loss" },
    ],
  },
  {
    title: "Scores",
    lines: [
      { label: "real", colour: "real", column: "Loss/scores/real" },
      { label: "fake", colour: "fake", column: "Loss/scores/fake" },
    ],
  },
  {
    title: "Overfitting: sign of real scores",
    optional: true,
    lines: [{ label: "mean sign", colour: "real", column: "Loss/signs/real" }],
  },
  {
    title: "Augmentation",
    optional: true,
    lines: [{ label: "p", colour: "plain", column: "Progress/augment" }],
  },
  {
    title: "R1 penalty",
    optional: true,
    lines: [{ label: "R1", colour: "real", column: "Loss/r1_penalty" }],
  },
  {
    title: "R2 penalty",
    optional: true,
    lines: [{ label: "R2", colour: "fake", column: "Loss/r2_penalty" }],
  },
  {
    title: "Gradient penalty",
    optional: true,
    lines: [{ label: "WGAN-GP", colour: "real", column: "Loss/gradient_penalty" }],
  },
  {
    title: "Path length",
    optional: true,
    lines: [
      { label: "length", colour: "fake", column: "Loss/pl_length" },
      { label: "penalty", colour: "real", column: "Loss/pl_penalty", dashed: true },
    ],
  },
];

const resources: readonly ChartKind[] = [
  { title: "Speed", unit: "sec/kimg", lines: [{ label: "now", colour: "plain", column: "secPerKimg" }] },
  { title: "Memory", unit: "MB", lines: [{ label: "process", colour: "plain", column: "memoryMb" }] },
];

export function Charts({ runs }: { runs: readonly LiveRun[] }) {
  const [x, setX] = useStored<ChartView["x"]>("x", "kimg");
  const [smoothing, setSmoothing] = useStored<number>("smoothing", 0);
  const [range, setRange] = useState<[number, number] | null>(null);
  const view: ChartView = { x, smoothing, range, setRange, syncKey: "run" };
  const [only] = runs.length === 1 ? runs : [];
  const marks = only ? marksOf(only, x) : [];
  const chart = ({ lines, ...kind }: ChartKind) => {
    const shown = runs.flatMap((run, i) =>
      lines.map((line) => ({
        ...line,
        ...(only ? {} : compared(line, { run, i, single: lines.length === 1 })),
        series: run.series,
      })),
    );
    if (kind.optional && !shown.some(({ series, column }) => series.has(column))) return null;
    return <Chart key={kind.title} {...kind} lines={shown} marks={marks} view={view} />;
  };
  return (
    <section class="charts" aria-label="Charts">
      <div class="chart-tools">
        <fieldset class="segmented">
          <legend class="visually-hidden">Horizontal axis</legend>
          {(["kimg", "hours"] as const).map((name) => (
            <label key={name}>
              <input
                type="radio"
                name="x"
                checked={x === name}
                onChange={() => {
                  setX(name);
                  setRange(null);
                }}
              />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
        <label class="inline">
          Smoothing
          <input
            type="range"
            min={0}
            max={0.98}
            step={0.02}
            value={smoothing}
            onInput={(event) => setSmoothing(Number(event.currentTarget.value))}
          />
        </label>
        <button type="button" disabled={range === null} onClick={() => setRange(null)}>
          Show all
        </button>
        <span class="soft wide-only">Drag over a chart to zoom; double-click shows all.</span>
      </div>
      <div class="chart-grid">
        {kinds.slice(0, 2).map(chart)}
        {only ? (
          <ScoreMap
            points={only.series.histograms}
            length={only.series.length}
            range={x === "kimg" ? range : null}
          />
        ) : null}
        <Metrics {...{ runs, view, marks }} />
        {kinds.slice(2).map(chart)}
        {resources.map(chart)}
      </div>
    </section>
  );
}

/** A line among those of other runs: the colour is the run's. */
function compared(
  { label }: Omit<Line, "series">,
  { run, i, single }: { run: LiveRun; i: number; single: boolean },
): Pick<Line, "label" | "colour" | "dashed"> {
  const name = /^\d+/.exec(run.name)?.[0] ?? run.name;
  const dashed = ["D", "real", "penalty"].includes(label);
  return { label: single ? name : `${name} ${label}`, colour: `run-${i}`, dashed };
}

function Metrics({
  runs,
  view,
  marks,
}: {
  runs: readonly LiveRun[];
  view: ChartView;
  marks: readonly Mark[];
}) {
  const names = [...new Set(runs.flatMap(({ detail }) => Object.keys(detail?.metrics ?? {})))].filter(
    (name) => !factsOf(name, runs)?.isSpread,
  );
  return (
    <>
      {names.map((name) => (
        <Metric key={name} {...{ name, runs, view, marks }} />
      ))}
    </>
  );
}

interface MetricProps {
  name: string;
  runs: readonly LiveRun[];
  view: ChartView;
  marks: readonly Mark[];
}

function Metric({ name, runs, view, marks }: MetricProps) {
  const facts = factsOf(name, runs);
  const title = facts ? titleOf(name, facts) : name;
  // Dependencies: details are replaced when they change.
  const lines = useMemo(
    () =>
      runs.map((run, i) => ({
        ...(runs.length === 1
          ? { label: title, colour: "accent" }
          : compared({ label: "", column: "", colour: "" }, { run, i, single: true })),
        series: seriesOf(run.detail?.metrics[name] ?? [], run),
        column: "value",
      })),
    [name, runs.map(({ detail }) => detail?.metrics[name]?.length).join(), view.x],
  );
  return (
    <Chart
      title={title}
      {...(facts ? { unit: `${facts.better} is better` } : {})}
      lines={lines}
      marks={marks}
      view={{ ...view, smoothing: 0, syncKey: `metric-${name}` }}
    />
  );
}

function factsOf(name: string, runs: readonly LiveRun[]): MetricFacts | undefined {
  return runs.map(({ detail }) => detail?.metricFacts[name]).find((facts) => facts !== undefined);
}

/** A metric's points as a series, with the hours of the ticks nearest to them. */
function seriesOf(points: readonly MetricPoint[], { series }: LiveRun): Series {
  const made = new Series();
  const nimgs = series.column("nimg");
  const totals = series.column("totalSeconds");
  let tick = 0;
  const totalSeconds = points.map(({ nimg }) => {
    while (tick < nimgs.length - 1 && (nimgs[tick] as number) < nimg) tick += 1;
    return totals[tick] ?? 0;
  });
  made.append({
    length: points.length,
    columns: {
      nimg: points.map(({ nimg }) => nimg),
      value: points.map(({ value }) => value),
      totalSeconds,
    },
    events: [],
    histograms: [],
  });
  return made;
}

function marksOf({ series }: LiveRun, x: ChartView["x"]): Mark[] {
  const nimgs = series.column("nimg");
  const xs = xsOf(series, x);
  return series.events.flatMap((event) => {
    const text = markOf(event);
    if (text === null) return [];
    if (x === "kimg") return [{ x: event.nimg / 1000, text }];
    const tick = nimgs.findIndex((nimg) => nimg >= event.nimg);
    return [{ x: xs[tick < 0 ? xs.length - 1 : tick] ?? 0, text }];
  });
}
