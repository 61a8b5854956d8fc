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
const mostMsOfOne = 1000;
const mostGrowthMb = 64;
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

const timed = async (work: () => Promise<string | undefined>) => {
  const start = performance.now();
  return { wrong: await work(), ms: performance.now() - start };
};

for (const reader of readers) {
  it(`${reader.name}`, { timeout: mostMs + 60_000 }, async () => {
    const next = numbers(seed);
    const pick = () => reader.seeds[Math.floor(next() * reader.seeds.length)] as Buffer;
    const own = join(corpus, reader.name.replaceAll(/\W+/g, "-"));
    for (const name of existsSync(own) ? readdirSync(own) : [])
      expect(await fault(reader, readFileSync(join(own, name))), name).toBeUndefined();
    for (const whole of reader.seeds) await fault(reader, whole); // memory of a first time
    const [live, peak, start] = [liveTensors(), process.resourceUsage().maxRSS, performance.now()];
    let done = 0;
    let slowest = 0;
    for (; done < count && performance.now() - start < mostMs; done++) {
      const bytes = mutate(pick(), pick(), next);
      let { wrong, ms } = await timed(() => fault(reader, bytes));
      // A busy machine stands still at times; a reader that does so does it again.
      if (ms > mostMsOfOne) ({ wrong, ms } = await timed(() => fault(reader, bytes)));
      slowest = Math.max(slowest, ms);
      if (ms > mostMsOfOne) wrong ??= `it took ${ms.toFixed(0)} ms`;
      if (wrong !== undefined) {
        mkdirSync(own, { recursive: true });
        writeFileSync(join(own, `seed${seed}-${done}`), bytes);
      }
      expect(wrong, `${reader.name}: mutation ${done} of seed ${seed}`).toBeUndefined();
    }
    const grownMb = (process.resourceUsage().maxRSS - peak) / 1024;
    const largestMb = Math.max(...reader.seeds.map(({ length }) => length)) / 2 ** 20;
    if (process.env.STYLEGAN_FUZZ !== undefined)
      console.log(
        `${reader.name}: ${done} mutations, slowest ${slowest.toFixed(0)} ms, ${grownMb.toFixed(0)} MB more at most`,
      );
    expect(grownMb).toBeLessThan(mostGrowthMb + largestMb);
    expect(liveTensors()).toBe(live);
  });
}
