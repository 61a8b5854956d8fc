// stylegan generate

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { writeError } from "../atomicFile.js";
import { UserError } from "../errors.js";
import type { NoiseMode } from "../networks/network.js";
import { loadGenerator, type SnapshotInfo } from "../networks/snapshot.js";
import { latentsOfSeeds } from "../synthesis/latents.js";
import { type Picture, renderLatents, tile, writePng } from "../synthesis/render.js";
import { checkDevice, setThreads } from "../torch/runtime.js";
import { latestSnapshot } from "../training/runDirectory.js";
import { grid, integerFrom, kinds, numberIn, oneOf, seeds } from "./values.js";

interface GenerateOptions {
  network: string;
  seeds: number[];
  trunc: number;
  truncCutoff?: number;
  class?: string;
  noiseMode: NoiseMode;
  outdir: string;
  grid?: { columns: number; rows: number };
  device: "cpu" | "cuda";
  threads?: number;
}

// Pictures computed at once: enough to keep the cores busy, few enough for 1024 px.
const batch = 8;

const example = `
Example:
  stylegan generate --network runs/00000-emoji-smileys-stylegan2-small-32 --seeds 0-15 --trunc 0.7 --outdir out --grid 4x4

A seed stands for the same latent as in NVIDIA's tools.
`;

export function addGenerate(program: Command): void {
  const modes = ["const", "random", "none"] as const;
  program
    .command("generate")
    .summary("make pictures with a trained generator")
    .description("Writes one picture for each seed: seed0000.png, seed0001.png, …")
    .requiredOption("--network <file>", "a network snapshot, or a run's folder for its latest")
    .addOption(new Option("--seeds <list>", "for example 0-5,8").argParser(seeds).makeOptionMandatory())
    .addOption(
      new Option("--trunc <psi>", "truncation: 1 none, 0 the mean picture")
        .argParser(numberIn({ min: -10, max: 10 }))
        .default(1),
    )
    .addOption(new Option("--trunc-cutoff <n>", "truncate only the first n layers").argParser(integerFrom(0)))
    .option("--class <k>", "class by number or name, for conditional networks")
    .addOption(new Option("--noise-mode <mode>", modes.join(", ")).argParser(oneOf(modes)).default("const"))
    .requiredOption("--outdir <folder>", "where the pictures go")
    .addOption(new Option("--grid <CxR>", "also grid.png with so many columns and rows").argParser(grid))
    .addOption(new Option("--device <name>", "cpu or cuda").argParser(kinds.device).default("cpu"))
    .addOption(
      new Option("--threads <n>", "threads of libtorch (default: all cores)").argParser(integerFrom(1)),
    )
    .addHelpText("after", example)
    .action(generate);
}

async function generate(options: GenerateOptions): Promise<void> {
  const { seeds: list, trunc, truncCutoff, outdir, noiseMode } = options;
  setThreads(options.threads);
  checkDevice(options.device);
  const { G, info } = loadGenerator(latestSnapshot(options.network));
  G.to(options.device);
  const classIndex = classFrom(options.class, G.cDim, info);
  makeFolder(outdir);

  const z = latentsOfSeeds(list, G.zDim);
  const pictures = renderLatents(G, {
    z,
    classes: list.map(() => classIndex),
    noiseMode,
    batch,
    truncationPsi: trunc,
    ...(truncCutoff === undefined ? {} : { truncationCutoff: truncCutoff }),
  });
  const cells = options.grid ? options.grid.columns * options.grid.rows : 0;
  const inGrid: Picture[] = [];
  let done = 0;
  for (const picture of pictures) {
    await writePng(join(outdir, `seed${String(list[done]).padStart(4, "0")}.png`), picture);
    if (inGrid.length < cells) inGrid.push(picture);
    done += 1;
  }
  if (options.grid) {
    if (list.length < cells)
      process.stderr.write(`The grid has ${cells} places for ${list.length} seeds; the rest stays black.\n`);
    await writePng(join(outdir, "grid.png"), fill(inGrid, options.grid));
  }
  z.dispose();
  G.dispose();
  process.stdout.write(`${done} ${done === 1 ? "picture" : "pictures"} in ${outdir}\n`);
}

/** The grid with all of its rows, also where there are too few pictures. */
function fill(pictures: readonly Picture[], { columns, rows }: { columns: number; rows: number }): Picture {
  const [first] = pictures as [Picture];
  const black = { ...first, pixels: new Uint8Array(first.pixels.length) };
  return tile(
    Array.from({ length: columns * rows }, (_, i) => pictures[i] ?? black),
    columns,
  );
}

function classFrom(text: string | undefined, cDim: number, { classNames }: SnapshotInfo): number {
  if (cDim === 0) {
    if (text !== undefined) throw new UserError("--class: this network has no classes; leave the option out");
    return 0;
  }
  const names = classNames.map((name, i) => `${i} ${name}`).join(", ");
  if (text === undefined) throw new UserError(`--class is missing: this network has the classes ${names}`);
  const index = /^\d+$/.test(text) ? Number(text) : classNames.indexOf(text);
  if (index < 0 || index >= cDim)
    throw new UserError(`--class ${text}: no such class; choose one of ${names}`);
  return index;
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EEXIST" || code === "ENOTDIR")
      throw new UserError(`--outdir ${folder}: a file of that name is in the way; choose another folder`);
    throw writeError(folder, error);
  }
}
