// How a run shows itself: a bar on a terminal, plain lines elsewhere.

import type { Reporter, TickReport } from "../training/loop.js";

const barWidth = 24;

export interface ProgressOptions {
  stream: NodeJS.WriteStream;
  /** Receives every line that is not the bar. */
  log: (line: string) => void;
}

export function createReporter({ stream, log }: ProgressOptions): Reporter {
  let last: TickReport | undefined;
  let started: { time: number; nimg: number } | undefined;

  const clearBar = () => {
    if (stream.isTTY) stream.write("\r\u001b[K");
  };
  const print = (line: string) => {
    clearBar();
    stream.write(`${line}\n`);
    log(line);
  };

  return {
    step(curNimg, totalNimg) {
      if (!stream.isTTY) return;
      started ??= { time: performance.now(), nimg: curNimg };
      const seconds = (performance.now() - started.time) / 1000;
      const secPerImage = curNimg > started.nimg ? seconds / (curNimg - started.nimg) : Number.NaN;
      const share = curNimg / totalNimg;
      const filled = Math.floor(share * barWidth);
      const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
      const eta = Number.isNaN(secPerImage) ? "…" : duration(secPerImage * (totalNimg - curNimg));
      const losses = last ? `  ${lossText(last)}  ${last.memoryMb} MB` : "";
      const line = `${bar} ${kimg(curNimg)}/${kimg(totalNimg)} kimg  ${rate(secPerImage * 1000)}  ETA ${eta}${losses}`;
      stream.write(`\r\u001b[K${line.slice(0, (stream.columns ?? 80) - 1)}`);
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
