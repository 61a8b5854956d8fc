// The grids of fakes over time beside the reals, and one sample of them large.

import { useEffect, useRef, useState } from "preact/hooks";
import type { RunDetail, RunFile } from "../../src/protocol/api.js";
import { fileAddress } from "./api.js";
import { remPixels, useImage, useWidth } from "./hooks.js";

// A sample is at least this wide on the screen; a grid that would need more shows its first columns only.
const leastCellRem = 2.9;
const mostRows = 6;
const playEveryMs = 350;

interface Grid {
  columns: number;
  rows: number;
}

interface Cell {
  column: number;
  row: number;
}

export function Pictures({ name, detail }: { name: string; detail: RunDetail }) {
  const { fakes, reals } = detail;
  const grid = gridOf(detail);
  // null: the latest, whatever comes.
  const [chosen, setChosen] = useState<string | null>(null);
  const [playing, setPlaying] = useState(false);
  const [cell, setCell] = useState<Cell | null>(null);
  const [whole, setWhole] = useState(false);
  const found = fakes.findIndex((file) => file.name === chosen);
  const index = found < 0 ? fakes.length - 1 : found;
  const file = fakes[index];
  const choose = (next: number) => setChosen(next >= fakes.length - 1 ? null : (fakes[next]?.name ?? null));

  useEffect(() => {
    if (!playing) return;
    const timer = setInterval(() => {
      if (index >= fakes.length - 1) setPlaying(false);
      else choose(index + 1);
    }, playEveryMs);
    return () => clearInterval(timer);
  });

  if (!grid || !file)
    return (
      <section class="pictures panel">
        <h2>Pictures</h2>
        <p class="empty tall">The first pictures come when training starts.</p>
      </section>
    );
  const slider = (
    <TimeSlider
      {...{ fakes, index, playing }}
      onChange={(next) => {
        setPlaying(false);
        choose(next);
      }}
      onPlay={() => {
        if (!playing && index === fakes.length - 1) choose(0);
        setPlaying(!playing);
      }}
    />
  );
  return (
    <section class="pictures panel" aria-label="Pictures">
      <div class="sides">
        <figure>
          <figcaption>
            Fakes <span class="soft">{momentOf(file)}</span>
          </figcaption>
          <GridView {...{ name, file, grid, whole }} label={`Fakes ${momentOf(file)}`} onOpen={setCell} />
        </figure>
        {reals ? (
          <figure>
            <figcaption>
              Reals <span class="soft">from the data</span>
            </figcaption>
            <GridView {...{ name, file: reals, grid, whole }} label="Reals" onOpen={null} />
          </figure>
        ) : null}
      </div>
      {slider}
      <p class="hint">
        <button type="button" class="link" onClick={() => setWhole(!whole)} aria-pressed={whole}>
          {whole ? "Fewer, larger" : `All ${grid.columns * grid.rows}`}
        </button>
        <a href={fileAddress(name, file.name)} download>
          Download
        </a>
      </p>
      {cell ? (
        <SampleDialog {...{ name, file, grid, cell, setCell }} onClose={() => setCell(null)}>
          {slider}
        </SampleDialog>
      ) : null}
    </section>
  );
}

interface TimeSliderProps {
  fakes: readonly RunFile[];
  index: number;
  playing: boolean;
  onChange: (index: number) => void;
  onPlay: () => void;
}

function TimeSlider({ fakes, index, playing, onChange, onPlay }: TimeSliderProps) {
  const file = fakes[index];
  return (
    <div class="time">
      <button
        type="button"
        class="icon"
        onClick={onPlay}
        disabled={fakes.length < 2}
        aria-label={playing ? "Stop" : "Play over time"}
      >
        {playing ? "◼" : "▶"}
      </button>
      <input
        type="range"
        min={0}
        max={Math.max(fakes.length - 1, 1)}
        value={index}
        disabled={fakes.length < 2}
        aria-label="Moment of the run"
        aria-valuetext={file ? momentOf(file) : ""}
        onInput={(event) => onChange(Number(event.currentTarget.value))}
      />
      <output>{file ? momentOf(file) : ""}</output>
    </div>
  );
}

interface GridViewProps {
  name: string;
  file: RunFile;
  grid: Grid;
  whole: boolean;
  label: string;
  onOpen: ((cell: Cell) => void) | null;
}

function GridView({ name, file, grid, whole, label, onOpen }: GridViewProps) {
  const [box, width] = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const image = useImage(fileAddress(name, file.name, file.version));
  const [focus, setFocus] = useState<Cell | null>(null);
  const columns = whole
    ? grid.columns
    : Math.min(grid.columns, Math.max(Math.floor(width / remPixels(leastCellRem)), 1));
  const rows = whole ? grid.rows : Math.min(grid.rows, mostRows);
  const size = Math.floor(width / columns);
  useEffect(() => {
    if (canvas.current && image && size > 0) drawPart(canvas.current, { image, grid, columns, rows, size });
  }, [image, grid, columns, rows, size]);

  const cellAt = (event: MouseEvent): Cell => {
    const { left, top } = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const within = (position: number, count: number) =>
      Math.min(Math.max(Math.floor(position / size), 0), count - 1);
    return { column: within(event.clientX - left, columns), row: within(event.clientY - top, rows) };
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const { column, row } = focus ?? { column: 0, row: 0 };
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      event.preventDefault();
      const within = (position: number, count: number) => Math.min(Math.max(position, 0), count - 1);
      setFocus({ column: within(column + (step[0] ?? 0), columns), row: within(row + (step[1] ?? 0), rows) });
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onOpen?.({ column, row });
    }
  };
  const style = { "--columns": String(columns), "--rows": String(rows) };
  const picture = <canvas ref={canvas} role="img" aria-label={label} />;
  return (
    <div class="grid-box" ref={box} style={style}>
      {onOpen ? (
        <button
          type="button"
          class="grid-button"
          aria-label={`${label}. Arrow keys choose a sample${focus ? ` (row ${focus.row + 1}, column ${focus.column + 1})` : ""}, Enter shows it large.`}
          onKeyDown={onKeyDown}
          onFocus={() => setFocus((old) => old ?? { column: 0, row: 0 })}
          onBlur={() => setFocus(null)}
          onClick={(event) => {
            // A click by the keyboard has no place.
            if (event.detail > 0) onOpen(cellAt(event));
          }}
        >
          {picture}
          {focus ? (
            <span
              class="cell-focus"
              style={{
                left: `${focus.column * size}px`,
                top: `${focus.row * size}px`,
                width: `${size}px`,
                height: `${size}px`,
              }}
            />
          ) : null}
        </button>
      ) : (
        picture
      )}
    </div>
  );
}

interface Part {
  image: HTMLImageElement;
  grid: Grid;
  columns: number;
  rows: number;
  /** Of a sample on the screen, in CSS pixels. */
  size: number;
}

/** The first columns and rows of a grid. Small samples keep their pixels as squares. */
function drawPart(canvas: HTMLCanvasElement, { image, grid, columns, rows, size }: Part): void {
  const sample = image.naturalWidth / grid.columns;
  const ratio = devicePixelRatio;
  canvas.width = Math.round(columns * size * ratio);
  canvas.height = Math.round(rows * size * ratio);
  canvas.style.width = `${columns * size}px`;
  canvas.style.height = `${rows * size}px`;
  const context = canvas.getContext("2d");
  if (!context) return;
  context.imageSmoothingEnabled = size * ratio < sample * 2;
  context.imageSmoothingQuality = "high";
  const [width, height] = [columns * sample, rows * sample];
  context.drawImage(image, 0, 0, width, height, 0, 0, canvas.width, canvas.height);
}

interface SampleDialogProps {
  name: string;
  file: RunFile;
  grid: Grid;
  cell: Cell;
  setCell: (cell: Cell) => void;
  onClose: () => void;
  children: preact.ComponentChildren;
}

/** One sample as large as the screen allows; the slider shows it over time. */
function SampleDialog({ name, file, grid, cell, setCell, onClose, children }: SampleDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const image = useImage(fileAddress(name, file.name, file.version));
  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!image || !element || !context) return;
    const sample = image.naturalWidth / grid.columns;
    element.width = sample;
    element.height = sample;
    context.drawImage(image, cell.column * sample, cell.row * sample, sample, sample, 0, 0, sample, sample);
  }, [image, grid, cell]);
  const index = cell.row * grid.columns + cell.column;
  const go = (step: number) => {
    const next = (index + step + grid.columns * grid.rows) % (grid.columns * grid.rows);
    setCell({ column: next % grid.columns, row: Math.floor(next / grid.columns) });
  };
  return (
    <dialog ref={dialog} class="sample" onClose={onClose} aria-label={`Sample ${index + 1}, large`}>
      <header>
        <h2>
          Sample {index + 1} <span class="soft">{momentOf(file)}</span>
        </h2>
        <button type="button" class="icon" onClick={() => go(-1)} aria-label="Sample before">
          ←
        </button>
        <button type="button" class="icon" onClick={() => go(1)} aria-label="Next sample">
          →
        </button>
        <button type="button" class="icon" onClick={() => dialog.current?.close()} aria-label="Close">
          ✕
        </button>
      </header>
      <canvas ref={canvas} role="img" aria-label={`Sample ${index + 1} ${momentOf(file)}`} />
      {children}
    </dialog>
  );
}

function momentOf({ name, kimg }: RunFile): string {
  return name === "fakes_init.png" ? "at the start" : `at ${kimg.toLocaleString("en")} kimg`;
}

const grids = new WeakMap<object, Grid>();

/** Columns and rows of the run's grids; null when its options do not say. */
function gridOf({ options }: RunDetail): Grid | null {
  const grid = options?.grid as Partial<Grid> | undefined;
  if (!grid || !(Number(grid.columns) > 0) || !(Number(grid.rows) > 0)) return null;
  const known = grids.get(grid) ?? { columns: Number(grid.columns), rows: Number(grid.rows) };
  grids.set(grid, known);
  return known;
}
