// Mutated files of every kind, read: nothing crashes, hangs, takes much memory, shows a stack trace, or is accepted with
// numbers that are not finite. `npm run test:fuzz` makes 50,000 of each; STYLEGAN_FUZZ says how many, STYLEGAN_SEED which.
// A file that fails is kept under test/fuzz/corpus/<reader>, and is read before all others from then on.

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { UserError } from "../../src/system/errors.js";
import { liveTensors } from "../../src/torch/scope.js";
import { numbers } from "../torch/numeric.js";
import { mutate } from "./mutate.js";
import { makeReaders, type Reader } from "./readers.js";

const count = Number(process.env.STYLEGAN_FUZZ ?? 40);
const seed = Number(process.env.STYLEGAN_SEED ?? 1);
/** Of a reader; the rest of its mutations is left out, and said. */
const mostMs = Number(process.env.STYLEGAN_FUZZ_SECONDS ?? 600) * 1000;
/** Of computing; and of all time, which a busy machine takes some of. */
const mostMsOfOne = 1000;
const mostWaitMs = 20_000;
const mostGrowthMb = 64;
/** Of a reader in all: what the heap and the allocator keep for later. */
const mostKeptMb = 128;
const corpus = fileURLToPath(new URL("corpus", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "stylegan-fuzz-"));
const { readers, close } = await makeReaders(folder);
afterAll(async () => {
  await close();
  rmSync(folder, { recursive: true });
});

/** What is wrong with how the bytes were read; undefined when nothing is. */
async function fault({ read, refuses }: Reader, bytes: Buffer): Promise<string | undefined> {
  const file = join(folder, "mutated");
  writeFileSync(file, bytes);
  try {
    await read(file, bytes);
  } catch (error) {
    if (!(error instanceof Error)) return String(error);
    if (!(error instanceof UserError) && !refuses?.(error)) return error.stack;
    if (error.message.includes("\n    at ")) return error.message;
  }
  return undefined;
}

/** Memory of the process in MB: what it has, and the most that it has had since `forgetPeak`. */
function memory(): { now: number; peak: number } {
  if (process.platform !== "linux") {
    const peak = process.resourceUsage().maxRSS / 1024;
    return { now: peak, peak };
  }
  const status = readFileSync("/proc/self/status", "utf8");
  const mb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
  return { now: mb("VmRSS"), peak: mb("VmHWM") };
}

function forgetPeak(): void {
  if (process.platform === "linux") writeFileSync("/proc/self/clear_refs", "5");
}

const measured = async (work: () => Promise<string | undefined>) => {
  forgetPeak();
  const [before, cpu, start] = [memory().now, process.cpuUsage(), performance.now()];
  const wrong = await work();
  const { user, system } = process.cpuUsage(cpu);
  return {
    wrong,
    ms: (user + system) / 1000,
    waitedMs: performance.now() - start,
    mb: memory().peak - before,
  };
};

for (const reader of readers) {
  it(`${reader.name}`, { timeout: mostMs + 60_000 }, async () => {
    const next = numbers(seed);
    const pick = () => reader.seeds[Math.floor(next() * reader.seeds.length)] as Buffer;
    const own = join(corpus, reader.name.replaceAll(/\W+/g, "-"));
    for (const name of existsSync(own) ? readdirSync(own) : []) {
      const { wrong, ms } = await measured(() => fault(reader, readFileSync(join(own, name))));
      expect(wrong, name).toBeUndefined();
      expect(ms, name).toBeLessThan(mostMsOfOne);
    }
    for (const whole of reader.seeds) await fault(reader, whole); // memory of a first time
    const [live, first, start] = [liveTensors(), memory().now, performance.now()];
    const allowedMb = mostGrowthMb + Math.max(...reader.seeds.map(({ length }) => length)) / 2 ** 20;
    let done = 0;
    const most = { ms: 0, mb: 0 };
    for (; done < count && performance.now() - start < mostMs; done++) {
      const bytes = mutate(pick(), pick(), next);
      let { wrong, ms, waitedMs, mb } = await measured(() => fault(reader, bytes));
      most.ms = Math.max(most.ms, ms);
      most.mb = Math.max(most.mb, mb);
      if (ms > mostMsOfOne) wrong ??= `it computed for ${ms.toFixed(0)} ms`;
      if (waitedMs > mostWaitMs) wrong ??= `it took ${waitedMs.toFixed(0)} ms`;
      if (mb > allowedMb) wrong ??= `it took ${mb.toFixed(0)} MB`;
      if (wrong !== undefined) {
        mkdirSync(own, { recursive: true });
        writeFileSync(join(own, `seed${seed}-${done}`), bytes);
      }
      expect(wrong, `${reader.name}: mutation ${done} of seed ${seed}`).toBeUndefined();
    }
    const keptMb = memory().now - first;
    if (process.env.STYLEGAN_FUZZ !== undefined)
      console.log(
        `${reader.name}: ${done} mutations, ${most.ms.toFixed(0)} ms and ${most.mb.toFixed(0)} MB at most, ${keptMb.toFixed(0)} MB kept`,
      );
    expect(keptMb).toBeLessThan(mostKeptMb);
    expect(liveTensors()).toBe(live);
  });
}
