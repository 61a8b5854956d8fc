// npm run bench:generate: how much longer `generate` takes, from seeds to files, than it is inside of libtorch, and how
// much of the networks' time the convolutions are.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import { integerFrom, oneOf } from "../src/cli/values.js";
import { createGenerator } from "../src/networks/registry.js";
import { type ImageFormat, imageFormats } from "../src/synthesis/choices.js";
import { type GenerateOptions, generateFiles } from "../src/synthesis/generate.js";
import { latentsOfSeeds } from "../src/synthesis/latents.js";
import { mapLatents, synthesizeImages } from "../src/synthesis/render.js";
import { packageRoot } from "../src/system/packageRoot.js";
import { manualSeed } from "../src/torch/random.js";
import { setThreads, threads, torchVersion } from "../src/torch/runtime.js";
import { scope } from "../src/torch/scope.js";
import { presets } from "../src/training/presets.js";
import { configurations } from "./configurations.js";
import { recordConvolutions, replayTimes } from "./convolutions.js";
import { insideMs, timeTheAddon } from "./inside.js";
import { median } from "./statistics.js";
import { describe } from "./training.js";

interface BenchOptions {
  config?: string;
  cfg: string;
  resolution: number;
  images: number;
  batch: number;
  format: ImageFormat;
  threads?: number;
  repeats: number;
  json: boolean;
}

const integer = (flags: string, text: string) => new Option(flags, text).argParser(integerFrom(1));
const options = new Command("bench:generate")
  .description("Times generate, from seeds to complete files, and the networks alone in turn.")
  .addOption(
    new Option(
      "--config <name>",
      `one of ${Object.keys(configurations).join(", ")}; or the following two`,
    ).argParser(oneOf(Object.keys(configurations))),
  )
  .option("--cfg <name>", `configuration: ${Object.keys(presets).join(", ")}`, "stylegan2")
  .addOption(integer("--resolution <pixels>", "side of the pictures").default(128))
  .addOption(integer("--images <n>", "pictures in a round").default(64))
  .addOption(integer("--batch <n>", "pictures computed at once").default(8))
  .addOption(
    new Option("--format <name>", imageFormats.join(", ")).argParser(oneOf(imageFormats)).default("png"),
  )
  .addOption(integer("--threads <n>", "threads of libtorch (default: all cores)"))
  .addOption(integer("--repeats <n>", "measured rounds").default(5))
  .option("--json", "one line of JSON", false)
  .parse()
  .opts<BenchOptions>();

timeTheAddon();
setThreads(options.threads);
manualSeed(0);
const { cfg, resolution, images, batch, format, repeats } = options;
const configuration = configurations[options.config ?? ""] ?? { cfg, resolution, overrides: {} };
const G = createGenerator(describe(configuration).network);
G.setRequiresGrad(false);
const seeds = Array.from({ length: images }, (_, i) => i);
// Beside the program, where pictures go as well: a system's folder for temporary files can be another disk.
const outdir = mkdtempSync(join(packageRoot(), "build", "bench-"));
const request: Omit<GenerateOptions, "outdir"> = {
  source: { seeds, truncations: [1], classIndex: 0 },
  ...{ noiseMode: "const", batch, format },
};

/** Map and synthesize alone, with latents that are there already. */
const networks = () =>
  scope(() => {
    const z = latentsOfSeeds(seeds, G.zDim);
    const start = performance.now();
    for (let first = 0; first < images; first += batch) {
      const part = z.narrow(0, first, Math.min(batch, images - first));
      scope(() => {
        synthesizeImages(G, mapLatents(G, { z: part, classes: [] }), "const");
      });
    }
    return (performance.now() - start) / 1000;
  });
/** Into a new folder each time: replacing files is another, slower thing. */
const whole = async () => {
  const folder = mkdtempSync(join(outdir, "round-"));
  const [start, insideStart] = [performance.now(), insideMs()];
  await generateFiles(G, { ...request, outdir: folder });
  return { whole: (performance.now() - start) / 1000, inside: (insideMs() - insideStart) / 1000 };
};

const rounds: { networks: number; convolutions: number; whole: number; inside: number }[] = [];
try {
  networks();
  await whole();
  const calls = recordConvolutions(networks);
  // In turn, so that a change in the machine's speed meets both.
  for (let i = 0; i < repeats; i++)
    rounds.push({ networks: networks(), convolutions: replayTimes(calls).seconds, ...(await whole()) });
} finally {
  rmSync(outdir, { recursive: true });
  G.dispose();
}
const result = {
  ...{
    cfg: configuration.cfg,
    resolution: G.resolution,
    images,
    batch,
    format,
    threads: threads(),
    torch: torchVersion(),
  },
  networkSeconds: Number(median(rounds.map((round) => round.networks)).toPrecision(4)),
  wholeSeconds: Number(median(rounds.map((round) => round.whole)).toPrecision(4)),
  convBound: Number(median(rounds.map((round) => round.convolutions / round.networks)).toPrecision(3)),
  insideSeconds: Number(median(rounds.map((round) => round.inside)).toPrecision(4)),
  ratio: Number(median(rounds.map((round) => round.whole / round.inside)).toPrecision(3)),
};
process.stdout.write(
  options.json
    ? `${JSON.stringify(result)}\n`
    : `${images} pictures of ${configuration.cfg} at ${G.resolution} px: networks ${result.networkSeconds} s (convBound ${result.convBound}); generate ${result.wholeSeconds} s, ${result.ratio} times the ${result.insideSeconds} s inside libtorch (${threads()} threads)\n`,
);
