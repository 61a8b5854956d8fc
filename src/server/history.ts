// The statistics of a run from its beginning, in columns: short to send, quick to read, whatever their number.

import { join } from "node:path";
import type { HistogramPoint, HistoryBlock, HistoryEnd } from "../protocol/api.js";
import { type EventRow, eventRowSchema, histogramSchema, runFiles } from "../protocol/runFiles.js";
import { fileState, parseObject } from "./files.js";
import { eachPart } from "./lines.js";
import type { Run } from "./runs.js";

// Of the histograms of a run so many are enough for a picture of them over time.
const histogramsWanted = 256;

/** Where in a file a reader is: `inode.offset`. */
export interface Cursor {
  inode: number;
  offset: number;
}

export function formatCursor({ inode, offset }: Cursor): string {
  return `${inode}.${offset}`;
}

/** null for what is no cursor. */
export function parseCursor(text: string | null): Cursor | null {
  const match = /^(\d{1,16})\.(\d{1,16})$/.exec(text ?? "");
  return match ? { inode: Number(match[1]), offset: Number(match[2]) } : null;
}

/** A row of stats.jsonl as it came: a tick, an event, or neither. */
export type ParsedRow = { tick: Record<string, unknown> } | { event: EventRow } | null;

export function parseRow(line: string): ParsedRow {
  const row = parseObject(line);
  if (!row) return null;
  if ("event" in row) {
    const event = eventRowSchema.safeParse(row).data;
    return event ? { event } : null;
  }
  return typeof row.nimg === "number" && typeof row.tick === "number" ? { tick: row } : null;
}

/** Blocks of a run's statistics after `from`, then where they end. A cursor of another file starts at the beginning. */
export async function* history(run: Run, from: Cursor | null): AsyncIterable<HistoryBlock | HistoryEnd> {
  const path = join(run.path, runFiles.stats);
  const state = await fileState(path);
  if (!state) {
    yield { cursor: formatCursor({ inode: 0, offset: 0 }) };
    return;
  }
  const start = from?.inode === state.inode && from.offset <= state.size ? from.offset : 0;
  let offset = start;
  let stride = 0;
  let ticks = 0;
  for await (const part of eachPart(path, start)) {
    const rows = part.lines.map(parseRow);
    if (stride === 0 && part.lines.length > 0) {
      const lineBytes = (part.next - offset) / part.lines.length;
      stride = Math.ceil((state.size - start) / lineBytes / histogramsWanted);
    }
    const block = blockOf(rows, (index) => (ticks + index) % stride === 0);
    ticks += block.length;
    offset = part.next;
    if (block.length > 0 || block.events.length > 0) yield block;
  }
  yield { cursor: formatCursor({ inode: state.inode, offset }) };
}

function blockOf(rows: readonly ParsedRow[], wantsHistogram: (index: number) => boolean): HistoryBlock {
  const ticks = rows.flatMap((row) => (row && "tick" in row ? [row.tick] : []));
  // No prototype: a column may have any name.
  const columns = Object.create(null) as Record<string, (number | null)[]>;
  const histograms: HistogramPoint[] = [];
  for (const [i, tick] of ticks.entries()) {
    for (const [name, value] of Object.entries(tick)) {
      if (typeof value !== "number") continue;
      columns[name] ??= new Array<number | null>(ticks.length).fill(null);
      columns[name][i] = isExact(name) ? value : Number(value.toPrecision(6));
    }
    if (wantsHistogram(i)) {
      const point = histogramsOf(tick);
      if (point) histograms.push(point);
    }
  }
  const events = rows.flatMap((row) => (row && "event" in row ? [row.event] : []));
  return { length: ticks.length, columns, events, histograms };
}

// Counts and times keep every digit.
const isExact = (name: string) => ["nimg", "tick", "timestamp"].includes(name);

function histogramsOf(tick: Record<string, unknown>): HistogramPoint | null {
  const real = histogramSchema.safeParse(tick["Histogram/scores/real"]).data;
  const fake = histogramSchema.safeParse(tick["Histogram/scores/fake"]).data;
  if (!real && !fake) return null;
  return { nimg: tick.nimg as number, ...(real ? { real } : {}), ...(fake ? { fake } : {}) };
}
