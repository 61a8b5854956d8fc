// Kills before and after everything that touches the disk. `npm run test:kill` makes 200 of them; STYLEGAN_KILLS says how many.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { metricFilePattern, runFiles } from "../../src/protocol/runFiles.js";
import { crc32 } from "../../src/system/crc32.js";
import { numbers } from "../torch/numeric.js";
import { expectSuccess, type Finished, runName, tinyRun, Workspace, writePictures } from "./helpers.js";

const kills = Number(process.env.STYLEGAN_KILLS ?? 2);
const hook = fileURLToPath(new URL("killHook.mjs", import.meta.url));
const work = new Workspace();
const perKillMs = 60_000;

/** Pictures more often than states, and a measure: 6 ticks of 8 images, a state every second. */
const args = [
  ...["train", "--data", "data", ...tinyRun, "--kimg", "0.048", "--tick", "0.008", "--snap", "2"],
  ...["--image-snap", "1", "--metrics", "swd"],
];

/** What there is to compare: everything but times, and answers to whoever has asked for something. */
function records(run: string): Record<string, unknown> {
  const rows = (file: string) =>
    readFileSync(join(run, file), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => {
        const { timestamp, secPerKimg, totalSeconds, memoryMb, total_time, total_time_str, ...rest } =
          JSON.parse(line);
        return rest;
      })
      .filter(({ event }) => event === undefined);
  const found: Record<string, unknown> = {};
  for (const name of readdirSync(run).sort()) {
    if (name === "log.txt" || name === "training-state-before.safetensors") continue;
    if (name === "stats.jsonl" || metricFilePattern.test(name)) found[name] = rows(name);
    // A state has the seconds that it took.
    else if (name === "training-state.safetensors") found[name] = "there";
    else found[name] = crc32(readFileSync(join(run, name)));
  }
  return found;
}

/** The snapshot that these rows say is the best. */
function bestOf(rows: unknown): string {
  const values = rows as { results: { swd: number }; snapshot_pkl: string }[];
  return values.reduce((best, row) => (row.results.swd < best.results.swd ? row : best)).snapshot_pkl;
}

interface Kill {
  at?: number;
  after?: boolean;
  steered?: boolean;
  countIn?: string;
}

/** Trains in `outdir`; a steered run is asked for a snapshot on the last step of its first tick and of its third. */
function train(outdir: string, { at = 0, after = false, steered = false, countIn }: Kill): Promise<Finished> {
  process.env.NODE_OPTIONS = `--import ${hook}`;
  process.env.KILL_AT = String(at);
  process.env.KILL_AFTER = after ? "1" : "0";
  process.env.KILL_COUNT = countIn ?? "";
  process.env.KILL_STEER = steered ? "2,6" : "";
  try {
    return work.run(...args, "--outdir", outdir);
  } finally {
    delete process.env.NODE_OPTIONS;
  }
}

let whole: Record<string, unknown>;
let operations = 0;
beforeAll(async () => {
  await writePictures(work.path("data"), 12);
  expectSuccess(await train("whole", { countIn: work.path("count") }));
  whole = records(work.path("whole", runName));
  expectSuccess(await train("steered", { steered: true, countIn: work.path("count") }));
  operations = Number(readFileSync(work.path("count"), "utf8"));
}, 120_000);
afterAll(() => work.dispose());

it("a snapshot that was asked for adds itself and nothing else", () => {
  const steered = records(work.path("steered", runName));
  expect(readFileSync(work.path("steered", runName, "stats.jsonl"), "utf8")).toContain('"event":"snapshot"');
  for (const [name, value] of Object.entries(whole))
    if (!name.startsWith("metric-") && name !== runFiles.best) expect(steered[name], name).toEqual(value);
});

it(`${kills} kills: the records are those of an undisturbed run`, {
  timeout: kills * perKillMs,
}, async () => {
  const next = numbers(Number(process.env.STYLEGAN_SEED ?? 12));
  const undisturbed = [whole, records(work.path("steered", runName))];
  let resumed = 0;
  for (let i = 0; i < kills; i++) {
    const kill = {
      at: 1 + Math.floor(((i + next()) / kills) * operations),
      after: next() < 0.5,
      steered: i % 2 === 1,
    };
    const what = `kill ${i} ${JSON.stringify(kill)}`;
    const outdir = `kill${i}`;
    await train(outdir, kill);
    const run = work.path(outdir, runName);
    if (!existsSync(join(run, "training-state.safetensors"))) continue; // before the first state there is nothing to resume
    const result = await work.run("train", "--resume", run, "--threads", "1");
    expect(result.code, `${what}\n${result.stderr}`).toBe(0);
    resumed++;
    // What had been asked for and not been done is not asked for again: of a steered run there may be fewer snapshots.
    const found = records(run);
    const [plain, steered] = undisturbed as [Record<string, unknown>, Record<string, unknown>];
    const most = kill.steered ? steered : plain;
    for (const name of Object.keys(plain)) expect(Object.keys(found), what).toContain(name);
    for (const [name, value] of Object.entries(found)) {
      if (name === runFiles.best) expect(value, what).toBe(found[bestOf(found["metric-swd.jsonl"])]);
      else if (!metricFilePattern.test(name)) expect(value, `${what}: ${name}`).toEqual(most[name]);
      else {
        expect(most[name], what).toEqual(expect.arrayContaining(value as unknown[]));
        expect(value, what).toEqual(expect.arrayContaining(plain[name] as unknown[]));
        expect(new Set((value as { nimg: number }[]).map(({ nimg }) => nimg)).size).toBe(
          (value as unknown[]).length,
        );
      }
    }
    expect(
      readdirSync(run).filter((name) => /tmp$|lock$/.test(name)),
      what,
    ).toEqual([]);
  }
  expect(resumed).toBeGreaterThan(0);
  console.log(`${kills} kills over ${operations} operations, ${resumed} resumed`);
});
