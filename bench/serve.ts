// What the page's server costs: its memory while a day of events comes in a minute, and what it takes from a training
// while many pages are connected.
//
//     node dist/bench/serve.js replay [seconds]     24 hours of ticks into one run, 10 pages connected (60)
//     node dist/bench/serve.js pages [rounds]       a training with no page and with 50, in turn (8)

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replayEvents, trainBesidePages } from "./serveLoad.js";
import { median } from "./statistics.js";

const out = (line: string) => process.stdout.write(`${line}\n`);

async function replay(folder: string, seconds: number): Promise<void> {
  out(`24 hours of ticks in ${seconds} s, 10 pages connected`);
  const { memoryMb, sentMb } = await replayEvents(folder, {
    ...{ hours: 24, seconds, pages: 10 },
    onSample: (ticks, used) =>
      out(
        `  ${String(ticks).padStart(5)} ticks   ${used.memoryMb.toFixed(0)} MB   ${used.cpuSeconds.toFixed(1)} s of processor`,
      ),
  });
  const { first, second } = memoryMb;
  out(
    `memory: ${first.toFixed(0)} MB in the first half, ${second.toFixed(0)} MB in the second; ${sentMb.toFixed(1)} MB sent`,
  );
}

async function pages(folder: string, rounds: number): Promise<void> {
  const costs: number[] = [];
  const shares: number[] = [];
  for await (const round of trainBesidePages(folder, { pages: 50, rounds, ticks: 5, tickKimg: 0.5 })) {
    const { without, within } = round.secPerKimg;
    costs.push(within / without - 1);
    shares.push(round.serverShare);
    out(
      `${without.toFixed(2)} sec/kimg without a page, ${within.toFixed(2)} with 50; the server took ${percent(round.serverShare)} of a processor and sent ${round.sentMb.toFixed(1)} MB`,
    );
  }
  out(`median: ${percent(median(costs))} slower, ${percent(median(shares))} of a processor`);
}

const percent = (share: number) => `${(share * 100).toFixed(2)} %`;

const [what, amount] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "stylegan-serve-"));
try {
  if (what === "replay") await replay(folder, Number(amount ?? 60));
  else if (what === "pages") await pages(folder, Number(amount ?? 8));
  else out("say replay or pages; see the head of bench/serve.ts");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
