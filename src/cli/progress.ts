// How long work shows itself: a bar on a terminal, plain lines elsewhere.

import type { Reporter, TickReport } from "../training/loop.js";

const barWidth = 24;
const clearLine = "\r\u001b[K";

export interface ProgressOptions {
  stream: NodeJS.WriteStream;
  /** Receives every line that is not the bar. */
  log: (line: string) => void;
}

export function createReporter({ stream, log }: ProgressOptions): Reporter {
  let last: TickReport | undefined;
  let started: { time: number; nimg: number } | undefined;
  /** Whether there was a line of the first steps, where there is no bar and the first tick takes long. */
  let isBegun = false;

  const clearBar = () => {
    if (stream.isTTY) stream.write(clearLine);
  };
  const print = (line: string) => {
    clearBar();
    stream.write(`${line}\n`);
    log(line);
  };

  return {
    step(curNimg, totalNimg) {
      // Not from the call before the first step: pictures are made between the two.
      if (started === undefined || curNimg === started.nimg)
        started = { time: performance.now(), nimg: curNimg };
      const seconds = (performance.now() - started.time) / 1000;
      const secPerImage = curNimg > started.nimg ? seconds / (curNimg - started.nimg) : Number.NaN;
      const eta = Number.isNaN(secPerImage) ? "…" : duration(secPerImage * (totalNimg - curNimg));
      const line = `${kimg(curNimg)}/${kimg(totalNimg)} kimg  ${rate(secPerImage * 1000)}  ETA ${eta}`;
      if (stream.isTTY) {
        const losses = last ? `  ${lossText(last)}  ${last.memoryMb} MB` : "";
        writeBar(stream, `${barOf(curNimg / totalNimg)} ${line}${losses}`);
      } else if (!isBegun && last === undefined && seconds >= lineInterval) {
        isBegun = true;
        stream.write(`${line}\n`);
      }
    },
    tick(report) {
      last = report;
      const { tick, curNimg, totalNimg, secPerKimg, totalSeconds, etaSeconds, memoryMb } = report;
      print(
        `tick ${tick}  kimg ${kimg(curNimg)}/${kimg(totalNimg)}  time ${duration(totalSeconds)}  ${rate(secPerKimg)}  ETA ${duration(etaSeconds)}  ${lossText(report)}  ${memoryMb} MB`,
      );
    },
    message: print,
  };
}

/** Seconds between plain lines, where there is no bar. */
const lineInterval = 10;
/** Seconds between changes of the bar. */
const barInterval = 0.1;

export interface Progress {
  /** So many of the total are done. `note` stands at the end of the line, a loss for example. */
  update(done: number, note?: string): void;
  /** Takes the bar away. */
  finish(): void;
}

/**
 * The progress of `total` pieces of work: a bar on a terminal, elsewhere a line every ten seconds, so that short
 * work says nothing.
 * @param options unit: what is counted, for example `pictures`
 */
export function createProgress(options: {
  stream: NodeJS.WriteStream;
  total: number;
  unit: string;
}): Progress {
  const { stream, total, unit } = options;
  const started = performance.now();
  let shown = stream.isTTY ? Number.NEGATIVE_INFINITY : started;
  return {
    update(done, note = "") {
      const now = performance.now();
      if (
        (now - shown) / 1000 < (stream.isTTY ? barInterval : lineInterval) &&
        (done < total || !stream.isTTY)
      )
        return;
      shown = now;
      const left = done > 0 ? duration(((now - started) / 1000 / done) * (total - done)) : "…";
      const text = `${done}/${total} ${unit}  ETA ${left}${note && `  ${note}`}`;
      if (stream.isTTY) writeBar(stream, `${barOf(done / total)} ${text}`);
      else stream.write(`${text}\n`);
    },
    finish() {
      if (stream.isTTY) stream.write(clearLine);
    },
  };
}

function barOf(share: number): string {
  const filled = Math.floor(share * barWidth);
  return "█".repeat(filled) + "░".repeat(barWidth - filled);
}

function writeBar(stream: NodeJS.WriteStream, line: string): void {
  stream.write(`${clearLine}${line.slice(0, (stream.columns ?? 80) - 1)}`);
}

function lossText({ stats }: TickReport): string {
  const named: [string, string][] = [
    ["G", "Loss/G/loss"],
    ["D", "Loss/D/loss"],
    ["R1", "Loss/r1_penalty"],
    ["PL", "Loss/pl_penalty"],
  ];
  return named
    .filter(([, key]) => stats[key] !== undefined)
    .map(([label, key]) => `${label} ${(stats[key] as number).toFixed(3)}`)
    .join("  ");
}

function kimg(nimg: number): string {
  return (nimg / 1000).toFixed(nimg < 100_000 ? 1 : 0);
}

function rate(secPerKimg: number): string {
  return `${Number.isFinite(secPerKimg) ? secPerKimg.toFixed(1) : "…"} sec/kimg`;
}

/** Seconds as 1h 02m 03s, without leading zeros. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const h = Math.floor(whole / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const s = whole % 60;
  const two = (n: number) => String(n).padStart(2, "0");
  if (h > 0) return `${h}h ${two(m)}m`;
  if (m > 0) return `${m}m ${two(s)}s`;
  return `${s}s`;
}
