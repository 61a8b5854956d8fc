// stylegan train: what it does.

import { readdirSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { latestSnapshot } from "../../interop/loadNetwork.js";
import { openSnapshot } from "../../interop/openSnapshot.js";
import { snapshotPattern } from "../../protocol/runFiles.js";
import { UserError } from "../../system/errors.js";
import { isDirectory } from "../../system/files.js";
import { threads, torchVersion } from "../../torch/runtime.js";
import type { TrainingConfig } from "../../training/configSchema.js";
import { shortNumber } from "../../training/measuring.js";
import { asFlag, OptionError } from "../../training/optionError.js";
import { flagOf } from "../../training/options.js";
import { checkNetworkPath, foundationOf, prepareRun, type RunRequest } from "../../training/prepare.js";
import { differencesOf, recipeOf } from "../../training/recipe.js";
import {
  type FinishedRun,
  isSameRun,
  prepareResume,
  type RunListener,
  resumeRun,
  type StartedRun,
  startRun,
  trainingOfRun,
} from "../../training/run.js";
import { DivergenceError } from "../../training/statistics.js";
import { calledAs } from "../calledAs.js";
import { createReporter } from "../progress.js";
import { exitCodeOf, type StopSignal, watchSignals } from "../signals.js";
import type { TrainCommandOptions } from "../train.js";
import { givenOptions } from "../trainOptions.js";
import { printNotes, useDevice } from "./openNetwork.js";
import { type Preparation, preparation } from "./preparation.js";
import { serveTraining, type TrainingPage } from "./serveTraining.js";
import { printConfiguration, printDryRun, valueText } from "./trainFacts.js";

/** Errors about options name them as they stand on the command line. */
export async function run(options: TrainCommandOptions): Promise<void> {
  try {
    await runCommand(options);
  } catch (error) {
    throw error instanceof OptionError ? new UserError(error.named(asFlag)) : error;
  }
}

async function runCommand(options: TrainCommandOptions): Promise<void> {
  const { cfg, resume, device } = options;
  const given = givenOptions(options as unknown as Record<string, unknown>);
  if (options.show) {
    printConfiguration({ cfg, options: given, device });
    return;
  }
  useDevice(options);
  const request: RunRequest = { cfg, options: given, device };
  if (resume === undefined || !isDirectory(resume)) {
    await withPage(options, options.outdir ?? "runs", (telling) => startNew(request, options, telling));
    return;
  }
  const beside = dirname(resolve(resume));
  // With other pictures, or options that are the run's for good, a new run goes on from its networks.
  const silent = preparation(undefined, { mayTakeDays: true });
  if (given.data === undefined || (await isSameRun(resume, request, silent))) {
    await withPage(options, beside, (telling) => goOn(request, { resume, dryRun: options.dryRun }, telling));
    return;
  }
  const whole = { ...request, before: trainingOfRun(resume) };
  const from = { ...options, resume: latestSnapshot(resume), outdir: options.outdir ?? beside };
  await withPage(options, from.outdir, (telling) => startNew(whole, from, telling));
}

/** Where is told what goes on. */
interface Telling {
  page: TrainingPage | undefined;
  before: Preparation;
}

async function withPage(
  options: TrainCommandOptions,
  folder: string,
  body: (telling: Telling) => Promise<void>,
): Promise<void> {
  const page = await openPage(options, folder);
  const mayTakeDays = options.yes === true || "kimg" in options;
  try {
    await body({ page, before: preparation(page, { mayTakeDays }) });
  } finally {
    page?.close();
  }
}

async function goOn(
  request: RunRequest,
  { resume, dryRun }: { resume: string; dryRun: boolean | undefined },
  { page, before }: Telling,
): Promise<void> {
  if (!dryRun) {
    await trained(page, before, (listener) => resumeRun(resume, request, listener));
    return;
  }
  const prepared = await prepareResume(resume, request, before);
  try {
    const { config, curNimg } = prepared;
    const instead = { options: recipeOf(config).options, source: "the run" };
    printDryRun({ ...prepared, origins: { cfg: config.cfg, instead }, shownKimg: curNimg / 1000 }, request);
  } finally {
    prepared.dataset.close();
  }
}

async function openPage(
  { serve, dryRun }: TrainCommandOptions,
  folder: string,
): Promise<TrainingPage | undefined> {
  if (serve === undefined || dryRun) return undefined;
  const page = await serveTraining({ folder, port: serve === true ? undefined : serve });
  process.stdout.write(`Watch and steer it at ${page.url}\n`);
  return page;
}

async function startNew(
  request: RunRequest,
  { resume, outdir = "runs", dryRun }: TrainCommandOptions,
  { page, before }: Telling,
): Promise<void> {
  foundationOf(request, 64); // says at once when there is no such configuration
  if (resume !== undefined) checkNetworkPath(resume);
  const network = resume === undefined ? undefined : openSnapshot(resume);
  try {
    if (network) printNotes(network.notes);
    const whole = { ...request, network };
    if (!dryRun) {
      await trained(page, before, (listener) => startRun(whole, { outdir, listener }));
      return;
    }
    const prepared = await prepareRun(whole, before);
    try {
      const { foundation, config } = prepared;
      printDryRun({ ...prepared, origins: foundation, shownKimg: config.transfer?.kimg ?? 0 }, request);
    } finally {
      prepared.dataset.close();
    }
  } finally {
    network?.close();
  }
}

/** Runs a training to its end and says how it ended, and what comes next. */
async function trained(
  page: TrainingPage | undefined,
  before: Preparation,
  run: (listener: RunListener) => Promise<FinishedRun>,
): Promise<void> {
  let training:
    | { about: StartedRun; reporter: ReturnType<typeof createReporter>; stop: StopSignal }
    | undefined;
  const listener: RunListener = {
    ...before,
    started: (about) => {
      const reporter = createReporter({ stream: process.stdout, log: (line) => about.run.log(line) });
      const stop = watchSignals(() =>
        reporter.message("Stopping after this step, with a snapshot. Once more ends at once."),
      );
      training = { about, reporter, stop };
      page?.show({ state: "run", run: basename(resolve(about.run.path)) });
      reporter.message(headline(about));
      if (about.start) reporter.message(aboutStart(about.config, about.start));
      return reporter;
    },
    shouldStop: () => training?.stop.signal !== undefined,
  };
  try {
    const finished = await run(listener);
    for (const line of closing(finished)) training?.reporter.message(line);
    // Without a signal the page has asked for the end.
    if (!finished.complete && training?.stop.signal !== undefined)
      process.exitCode = exitCodeOf(training.stop);
  } catch (error) {
    if (!(error instanceof DivergenceError)) throw error;
    const message = `${error.message}; the run is stopped. ${training ? adviceAfterDivergence(training.about) : ""}`;
    training?.about.run.log(message);
    process.stderr.write(`stylegan: ${message}\n`);
    process.exitCode = 1;
  } finally {
    training?.stop.ignore();
  }
}

function headline({ run, config, dataset }: StartedRun): string {
  const { mirror } = config.data;
  const pictures = `${dataset.length} pictures${mirror ? ", mirrored," : ""} at ${dataset.resolution} px`;
  const shown = dataset.length * (mirror ? 2 : 1);
  const fewer = shown < config.batch ? " (more than there are: a step shows some several times)" : "";
  return `${run.path}: ${config.cfg} on ${pictures}, batch ${config.batch}${fewer}, libtorch ${torchVersion()}, ${threads()} threads`;
}

/** Whether the run is trained as its networks were, and what is otherwise. */
function aboutStart(
  config: TrainingConfig,
  { file, before, isKept }: NonNullable<StartedRun["start"]>,
): string {
  if (!before)
    return `${file} says nothing of its training, as files of earlier versions and of other programs: the options are those of --cfg ${config.cfg}`;
  if (!isKept)
    return `The options are those of --cfg ${config.cfg}; ${file} was trained with --cfg ${before.cfg}, and without --cfg a run takes over its options`;
  const changed = differencesOf(before, config).map(
    ({ name, before, after }) => `${flagOf(name)} ${valueText(after)} (was ${valueText(before)})`,
  );
  const but = changed.length === 0 ? "" : `, but ${changed.join(", ")}`;
  return `The options are those that ${file} was trained with${but}`;
}

/** Its command works as it stands. */
function adviceAfterDivergence({ run, config }: StartedRun): string {
  if (!readdirSync(run.path).some((name) => snapshotPattern.test(name)))
    return "Start again with a lower --lr or another --gamma.";
  const { source, mirror, conditional } = config.data;
  const flags = `${mirror ? " --mirror" : ""}${conditional ? " --cond" : ""}`;
  return `The networks that it has saved are finite: start from them with a lower --lr or another --gamma, as in: stylegan train --resume ${latestSnapshot(run.path)} --data ${source} --cfg ${config.cfg}${flags} --batch ${config.batch} --lr ${config.optimizer.gLr / 4}`;
}

/** What to do next. */
function closing({ run, config, complete, fakesFile, best, verdict }: FinishedRun): string[] {
  const folder = run.path;
  const program = calledAs();
  const bestLines = best
    ? [`Best: ${best.file}, ${best.name} ${shortNumber(best.value)} at ${best.curNimg / 1000} kimg`]
    : [];
  if (!complete) return [...bestLines, `Stopped and saved. Go on with: ${program} train --resume ${folder}`];
  if (verdict.length > 0)
    return [
      ...bestLines,
      `\nAll ${config.kimg} kimg are shown, but this run has failed: ${verdict.join("; ")}. See ${fakesFile}, beside reals.png.`,
      `Start again with the preset's own settings (without --lr, --gamma, --loss), or with a lower --lr than this run's ${config.optimizer.gLr}.`,
    ];
  return [
    ...bestLines,
    `\nDone. Look at ${fakesFile}, beside reals.png. What next:`,
    `  more pictures:  ${program} generate --network ${folder} --seeds 0-15 --outdir out`,
    `  train longer:   ${program} train --resume ${folder} --kimg ${Number((config.kimg * 2).toFixed(3))}`,
    `  your pictures:  ${program} train --data FOLDER --cfg stylegan2-small --resolution 32 --mirror`,
  ];
}
