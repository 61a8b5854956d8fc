// stylegan train

import { existsSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { type Command, Option } from "commander";
import { type Dataset, openDataset } from "../data/dataset.js";
import { type OpenSnapshot, openSnapshot } from "../interop/openSnapshot.js";
import { adversarialLosses } from "../losses/adversarial.js";
import { metricNames } from "../metrics/names.js";
import { createDiscriminator } from "../networks/registry.js";
import { networkPrefixes } from "../networks/snapshot.js";
import { runFiles } from "../protocol/runFiles.js";
import { UserError } from "../system/errors.js";
import { isDirectory } from "../system/files.js";
import { checkPrecision, precisions } from "../torch/precision.js";
import { threads, torchVersion } from "../torch/runtime.js";
import { readSettingChanges } from "../training/checkpoint.js";
import { type DatasetFacts, resolveConfig, type TrainingOverrides } from "../training/config.js";
import type { TrainingConfig } from "../training/configSchema.js";
import { estimateRun } from "../training/dryRun.js";
import { train } from "../training/loop.js";
import { defaultPreset, penaltyNames, presetNamed, presets } from "../training/presets.js";
import { RunDirectory } from "../training/runDirectory.js";
import { largestBatch } from "../training/schedule.js";
import { withChanges } from "../training/settings.js";
import { DivergenceError } from "../training/statistics.js";
import { printNotes, useDevice } from "./actions/openNetwork.js";
import { serveTraining, type TrainingPage } from "./actions/serveTraining.js";
import { addDeviceOptions, type DeviceOptions } from "./networkOptions.js";
import { createReporter, duration } from "./progress.js";
import { portNumber } from "./serve.js";
import { exitCodeOf, watchSignals } from "./signals.js";
import { integerFrom, listOf, maxSeed, type NumberRange, numberIn, oneOf } from "./values.js";

interface TrainOptions extends TrainingOverrides, DeviceOptions {
  data?: string;
  outdir: string;
  cfg: string;
  resolution?: number;
  mirror?: boolean;
  cond?: boolean;
  subset?: number;
  background: string;
  resume?: string;
  dryRun?: boolean;
  /** true: at the usual port. */
  serve?: true | number;
  freezeD?: number;
}

const example = `
Examples:
  stylegan train --data emoji:smileys --cfg stylegan2-small --resolution 32 --mirror
  stylegan train --data ~/pictures --resolution 64 --kimg 500
  stylegan train --data ~/pictures --cfg progan --loss hinge --penalty wgan-gp --growth-kimg 50
  stylegan train --resume ffhq.pkl --data ~/pictures --freeze-d 10
  stylegan train --resume runs/00000-emoji-smileys-stylegan2-small-32 --serve

Configurations (--cfg):
${Object.entries(presets)
  .map(([name, { summary }]) => `  ${name.padEnd(18)}${summary}`)
  .join("\n")}

Losses (--loss):
${Object.entries(adversarialLosses)
  .map(([name, { description }]) => `  ${name.padEnd(21)}${description}`)
  .join("\n")}
`;

/** Options that a run keeps when it is resumed, beside those that may change. */
const changeable = new Set([
  "resume",
  "kimg",
  "tickKimg",
  "snapshotTicks",
  "metrics",
  "device",
  "threads",
  "serve",
]);

export function addTrain(program: Command): void {
  const number = (flags: string, text: string, range: NumberRange) =>
    new Option(flags, text).argParser(numberIn(range));
  const anyNumber = (flags: string, text: string) => number(flags, text, { min: -1e6, max: 1e6 });
  const integer = (flags: string, text: string, min: number) =>
    new Option(flags, text).argParser(integerFrom(min));
  const named = (option: Option, attribute: string) => {
    option.attributeName = () => attribute;
    return option;
  };
  const command = program
    .command("train")
    .summary("train a generator on a folder of pictures")
    .description("Trains a generator on a folder or zip of pictures, or on the built-in emoji.")
    .option("--data <source>", "folder, zip, emoji or emoji:GROUP (smileys, animals, food, …)")
    .option("--outdir <folder>", "where runs are written", "runs")
    .option("--cfg <name>", `configuration: ${Object.keys(presets).join(", ")}`, defaultPreset)
    .addOption(
      integer(
        "--resolution <pixels>",
        "side of the pictures, a power of two (default: a zip's own, else 64)",
        4,
      ),
    )
    .addOption(integer("--batch <n>", "pictures per step (default: by configuration and resolution)", 1))
    .addOption(
      number("--kimg <n>", "length of the run in thousands of pictures, earlier parts included", {
        min: 0,
        aboveMin: true,
      }),
    )
    .option("--loss <name>", "adversarial loss (default: by configuration)")
    .addOption(
      named(
        number("--g-loss-weight <x>", "factor of the generator's loss", { min: 0, aboveMin: true }),
        "generatorWeight",
      ),
    )
    .addOption(anyNumber("--real-label <x>", "what the discriminator should say of reals (vanilla, lsgan)"))
    .addOption(anyNumber("--fake-label <x>", "what it should say of fakes (vanilla, lsgan)"))
    .addOption(
      new Option("--penalty <list>", `${penaltyNames.join(", ")} (several with commas) or none`).argParser(
        listOf(penaltyNames),
      ),
    )
    .addOption(number("--gamma <x>", "weight of the R1 penalty; 0 turns it off", { min: 0 }))
    .addOption(number("--r2-gamma <x>", "weight of the R2 penalty (default: as R1's)", { min: 0 }))
    .addOption(number("--gp-lambda <x>", "weight of the WGAN-GP penalty", { min: 0 }))
    .addOption(
      number("--gp-target <x>", "norm that WGAN-GP wants gradients to have", { min: 0, aboveMin: true }),
    )
    .addOption(
      integer("--penalty-interval <n>", "apply the penalties in every n-th step, n times as strongly", 1),
    )
    .option("--mirror", "show every picture flipped left-right as well")
    .option("--cond", "learn classes: from dataset.json, subfolders or emoji groups")
    .addOption(integer("--subset <n>", "use only n pictures, chosen at random", 1))
    .option("--background <colour>", "colour under transparent pixels", "white")
    .addOption(
      new Option("--seed <n>", "start of all random numbers (default: 0)").argParser(integerFrom(0, maxSeed)),
    )
    .addOption(
      named(
        number("--tick <kimg>", "thousands of pictures between lines of progress", {
          min: 0,
          aboveMin: true,
        }),
        "tickKimg",
      ),
    )
    .addOption(named(integer("--snap <ticks>", "ticks between snapshots", 1), "snapshotTicks"))
    .addOption(
      new Option("--metrics <list>", `measured at every snapshot: ${metricNames.join(", ")}`).argParser(
        listOf(metricNames),
      ),
    )
    .option(
      "--resume <path>",
      "a run's folder: go on exactly; a snapshot or a file of another program (see import): start from its networks",
    )
    .addOption(
      integer(
        "--freeze-d <n>",
        "with --resume and a file: keep the discriminator's first n layers as they are",
        0,
      ),
    )
    .addOption(number("--lr <x>", "learning rate of both networks", { min: 0, aboveMin: true }))
    .addOption(integer("--channel-base <n>", "channels at resolution r are n / r …", 1))
    .addOption(integer("--channel-max <n>", "… but at most n", 1))
    .addOption(integer("--latent-dim <n>", "elements of z and of w", 1))
    .addOption(integer("--mapping-layers <n>", "layers of the mapping network", 1))
    .addOption(
      number("--pl-weight <x>", "weight of the path length regularization; 0 turns it off", { min: 0 }),
    )
    .addOption(
      number("--growth-kimg <n>", "kimg to fade a resolution in and to stabilize it (progan, stylegan1)", {
        min: 0,
        aboveMin: true,
      }),
    )
    .addOption(number("--style-mixing <p>", "probability of style mixing", { min: 0, max: 1 }))
    .addOption(
      new Option(
        "--precision <name>",
        `of convolutions: ${precisions.join(", ")} (bfloat16: several times as fast on processors with AMX or AVX512-BF16)`,
      ).argParser(oneOf(precisions)),
    )
    .addOption(
      named(
        number("--ema-kimg <n>", "half-life of the generator's moving average", { min: 0, aboveMin: true }),
        "emaKimg",
      ),
    );
  addDeviceOptions(command)
    .addOption(
      new Option("--serve [port]", "show the training in a browser, and let it be steered there").argParser(
        portNumber,
      ),
    )
    .option("--dry-run", "print configuration, parameters, memory and time; write nothing")
    .addHelpText("after", example)
    .action(async (options: TrainOptions, command: Command) => {
      useDevice(options);
      if (options.precision) checkPrecision(options.precision, options.device);
      const given = Object.keys(options).filter((name) => command.getOptionValueSource(name) === "cli");
      const isResume = options.resume !== undefined && isDirectory(options.resume);
      const page = await openPage(options, isResume);
      try {
        if (isResume) await resumeRun(options, { given, command, page });
        else await startRun(options, page);
      } finally {
        page?.close();
      }
    });
}

async function openPage(options: TrainOptions, isResume: boolean): Promise<TrainingPage | undefined> {
  if (options.serve === undefined || options.dryRun) return undefined;
  const folder = isResume ? dirname(resolve(options.resume as string)) : options.outdir;
  const page = await serveTraining({
    folder,
    port: options.serve === true ? undefined : options.serve,
  });
  process.stdout.write(`Watch and steer it at ${page.url}\n`);
  return page;
}

async function startRun(options: TrainOptions, page: TrainingPage | undefined): Promise<void> {
  const { resume, freezeD } = options;
  if (resume === undefined) {
    if (freezeD !== undefined)
      throw new UserError(
        "--freeze-d keeps layers of a trained network as they are; give --resume and a file",
      );
    await startFrom(undefined, options, page);
    return;
  }
  checkSnapshotPath(resume);
  const snapshot = openSnapshot(resume);
  try {
    checkTransfer(snapshot, freezeD);
    printNotes(snapshot.notes);
    await startFrom(snapshot, options, page);
  } finally {
    snapshot.close();
  }
}

/** @throws UserError when no training can start from the file, or it has fewer layers to freeze */
function checkTransfer({ file, info, shapes }: OpenSnapshot, freezeD = 0): void {
  const prefixes = networkPrefixes(shapes);
  if (!prefixes.includes("D") || !prefixes.includes("G_ema"))
    throw new UserError(
      `--resume ${file}: it has ${prefixes.join(", ")} alone; a training needs a generator and its discriminator`,
    );
  if (freezeD === 0) return;
  const D = createDiscriminator(info.description);
  const { length } = D.layersFromImage();
  D.dispose();
  if (length === 0)
    throw new UserError(
      `--freeze-d: the discriminator of ${info.description.architecture} grows, its first layers change; leave it out`,
    );
  if (freezeD > length)
    throw new UserError(
      `--freeze-d ${freezeD}: the discriminator has ${length} layers before 4 px; give at most ${length}`,
    );
}

async function startFrom(
  snapshot: OpenSnapshot | undefined,
  options: TrainOptions,
  page: TrainingPage | undefined,
): Promise<void> {
  if (options.data === undefined)
    throw new UserError("--data is missing: give a folder, a zip or emoji, for example --data emoji:smileys");
  presetNamed(options.cfg);
  const conditional = options.cond ?? false;
  const resolution = options.resolution ?? snapshot?.info.description.config.resolution;
  const request = { ...dataRequest(options), ...(resolution === undefined ? {} : { resolution }) };
  const dataset = await open({ ...request, conditional }, page);
  try {
    const facts: DatasetFacts = {
      resolution: dataset.resolution,
      source: options.data,
      background: options.background,
      conditional,
      subset: options.subset ?? null,
      subsetSeed: options.seed ?? 0,
      mirror: options.mirror ?? false,
      fingerprint: dataset.fingerprint,
      classNames: [...dataset.classNames],
    };
    const transfer = snapshot && {
      from: snapshot.file,
      description: snapshot.info.description,
      freezeD: options.freezeD ?? 0,
    };
    const config = resolveConfig(options.cfg, facts, {
      ...overridesOf(options),
      ...(transfer ? { transfer } : {}),
    });
    checkBatch(dataset, config.growth ? largestBatch(config.growth) : config.batch);
    if (options.dryRun) {
      printDryRun(config, dataset, options.device);
      return;
    }
    const run = RunDirectory.create(options.outdir, `${dataset.name}-${config.cfg}-${dataset.resolution}`);
    run.writeOptions(config);
    page?.show({ state: "run", run: basename(run.path) });
    const resume = snapshot ? { resume: { snapshot } } : {};
    await runTraining({ config, dataset, run, device: options.device, ...resume });
  } finally {
    dataset.close();
  }
}

async function resumeRun(
  options: TrainOptions,
  { given, command, page }: { given: readonly string[]; command: Command; page: TrainingPage | undefined },
): Promise<void> {
  const run = RunDirectory.open(options.resume as string);
  const saved = withChanges(run.readOptions(), readSettingChanges(run.stateFile));
  const fixed = given.filter((name) => !changeable.has(name));
  if (fixed.length > 0) {
    const flags = fixed.map((name) => command.options.find((o) => o.attributeName() === name)?.long ?? name);
    throw new UserError(
      `${flags.join(", ")} cannot change when a run is resumed; leave it out, or start a new run with --resume and a snapshot file`,
    );
  }
  const { kimg, tickKimg, snapshotTicks, metrics } = { ...saved, ...overridesOf(options) };
  const config: TrainingConfig = { ...saved, kimg, tickKimg, snapshotTicks, metrics: [...metrics] };
  const { source, background, conditional, subset, subsetSeed, fingerprint } = saved.data;
  const request = {
    ...{ source, background, conditional, subsetSeed },
    resolution: saved.network.config.resolution,
    ...(subset === null ? {} : { subset }),
  };
  const dataset = await open(request, page);
  try {
    if (dataset.fingerprint !== fingerprint)
      throw new UserError(
        `the pictures in ${source} are not those that the run was started with; start a new run with --resume and a snapshot file`,
      );
    run.writeOptions(config);
    page?.show({ state: "run", run: basename(resolve(run.path)) });
    await runTraining({ config, dataset, run, device: options.device, resume: "run" });
  } finally {
    dataset.close();
  }
}

async function runTraining(
  options: Pick<Parameters<typeof train>[0], "config" | "dataset" | "run" | "device" | "resume">,
): Promise<void> {
  const { config, dataset, run } = options;
  const reporter = createReporter({ stream: process.stdout, log: (line) => run.log(line) });
  const pictures = `${dataset.length} pictures${config.data.mirror ? ", mirrored," : ""} at ${dataset.resolution} px`;
  reporter.message(
    `${run.path}: ${config.cfg} on ${pictures}, batch ${config.batch}, libtorch ${torchVersion()}, ${threads()} threads`,
  );
  const stop = watchSignals(() =>
    reporter.message("Stopping after this step, with a snapshot. Once more ends at once."),
  );
  try {
    const { complete, fakesFile } = await train({
      ...options,
      reporter,
      shouldStop: () => stop.signal !== undefined,
    });
    const folder = run.path;
    if (complete) {
      reporter.message(`\nDone. Look at ${fakesFile}, beside reals.png. What next:`);
      reporter.message(
        `  more pictures:  npm run stylegan -- generate --network ${folder} --seeds 0-15 --outdir out`,
      );
      reporter.message(
        `  train longer:   npm run stylegan -- train --resume ${folder} --kimg ${config.kimg * 2}`,
      );
      reporter.message(
        "  your pictures:  npm run stylegan -- train --data FOLDER --cfg stylegan2-small --resolution 32 --mirror",
      );
    } else {
      reporter.message(`Stopped and saved. Go on with: npm run stylegan -- train --resume ${folder}`);
      // Without a signal the page has asked for it.
      if (stop.signal !== undefined) process.exitCode = exitCodeOf(stop);
    }
  } catch (error) {
    if (error instanceof DivergenceError) {
      const message = `${error.message}; the run is stopped. Start again from the last snapshot in ${run.path} with a lower --lr or another --gamma.`;
      run.log(message);
      process.stderr.write(`stylegan: ${message}\n`);
      process.exitCode = 1;
      return;
    }
    if (error instanceof UserError) run.log(error.message);
    throw error;
  } finally {
    stop.ignore();
  }
}

/** The user's choices among all options, by the names that the configuration has for them. */
function overridesOf(options: TrainOptions): TrainingOverrides {
  const {
    data,
    outdir,
    cfg,
    resolution,
    mirror,
    cond,
    subset,
    background,
    resume,
    device,
    threads,
    dryRun,
    serve,
    freezeD,
    ...overrides
  } = options;
  return overrides;
}

function dataRequest(options: TrainOptions) {
  const { data, background, resolution, subset, seed } = options;
  return {
    source: data as string,
    background,
    subsetSeed: seed ?? 0,
    ...(resolution === undefined ? {} : { resolution }),
    ...(subset === undefined ? {} : { subset }),
  };
}

/** Opens the data with a word on what takes long and what was left out. */
async function open(
  request: Parameters<typeof openDataset>[0],
  page: TrainingPage | undefined,
): Promise<Dataset> {
  const { stdout, stderr } = process;
  const { source } = request;
  page?.show({ state: "preparing", source, done: 0, total: null });
  let shown = 0;
  const dataset = await openDataset({
    ...request,
    onProgress: (done, total) => {
      const now = performance.now();
      if (done !== total && now - shown < (stdout.isTTY ? 100 : 10_000)) return;
      shown = now;
      page?.show({ state: "preparing", source, done, total });
      const line = `preparing pictures ${done}/${total}`;
      stdout.write(stdout.isTTY ? `\r${line}${done === total ? "\n" : ""}` : `${line}\n`);
    },
  });
  const { skipped } = dataset;
  if (skipped.length > 0) {
    stderr.write(`${skipped.length} files could not be read and are left out:\n`);
    for (const { file, reason } of skipped.slice(0, 20)) stderr.write(`  ${file}: ${reason}\n`);
    if (skipped.length > 20) stderr.write(`  … and ${skipped.length - 20} more\n`);
  }
  return dataset;
}

function checkBatch(dataset: Dataset, batch: number): void {
  if (dataset.length < batch)
    throw new UserError(
      `${dataset.source} has ${dataset.length} usable pictures, fewer than a batch of ${batch}; add pictures or give --batch ${dataset.length}`,
    );
}

function checkSnapshotPath(path: string): void {
  const isAddress = path.includes("://"); // opening it says more
  if (!isAddress && !existsSync(path)) throw new UserError(`--resume ${path}: no such file or folder`);
  if (basename(path) === runFiles.state)
    throw new UserError(
      "--resume takes a run's folder (exact) or a network-snapshot file, not the state file itself",
    );
}

function printDryRun(config: TrainingConfig, dataset: Dataset, device: string): void {
  const out = (line: string) => process.stdout.write(`${line}\n`);
  out(JSON.stringify(config, null, 2));
  const { sizes, phaseSeconds, secPerKimg, peakMemoryMb } = estimateRun(config, device);
  out(`\n${"part".padEnd(28)}${"parameters".padStart(12)}${"buffers".padStart(12)}`);
  for (const { name, parameters, buffers } of sizes)
    out(`${name.padEnd(28)}${String(parameters).padStart(12)}${String(buffers).padStart(12)}`);
  out(`\n${dataset.length} pictures. One step of each phase, measured on random pictures:`);
  for (const [name, seconds] of Object.entries(phaseSeconds))
    out(`  ${name.padEnd(8)}${seconds.toFixed(3)} s`);
  out(
    `${secPerKimg.toFixed(1)} sec/kimg; ${config.kimg} kimg take about ${duration(secPerKimg * config.kimg)}`,
  );
  out(`memory: ${peakMemoryMb} MB at the peak`);
}
