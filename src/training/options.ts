// The one table of training options. The command line of `train`, its help, what the library takes, the configuration of
// a run with its checks, what a resume and a page may change: all follow from a row here. Which value an option has when
// nobody gives one stands in presets.ts.

import { augmentModes, pipelineNames } from "../augment/names.js";
import { penaltyNames } from "../losses/penalties.js";
import { isMetricName, metricNames } from "../metrics/names.js";
import { maxSeed } from "../numpy/randomState.js";
import { above0 } from "../system/numberRange.js";
import { precisions } from "../torch/precision.js";
import {
  byResolution,
  integer,
  listOf,
  listThat,
  number,
  type OptionType,
  oneOf,
  orNone,
  powerOfTwo,
  text,
  yesNo,
} from "./optionTypes.js";

/** What is said of an option: its name is its property in the library, and its flag unless `flag` says otherwise. */
export interface Option {
  type: OptionType<unknown, unknown>;
  /** One line for the help. */
  text: string;
  group:
    | "Data"
    | "Course of the run"
    | "Networks"
    | "Losses"
    | "Augmentation"
    | "Optimizers"
    | "Starting from a network";
  /** Where NVIDIA's programs have another name for it. */
  flag?: `--${string}`;
  /** Where it lives in the configuration of a run; what lives nowhere by itself is the work of config.ts. */
  at?: string;
  /** No preset has a value for it; this is what happens without one. */
  without?: string;
  /** When an existing run takes a new value: when it is resumed, while it trains (from a page), or both. */
  changes?: "resume" | "training" | "both";
}

const label = number({ min: -1e6, max: 1e6 });
const weight = number({ min: 0 });
const rate = number(above0);
const ticks = integer(1, 1e6);

export const options = {
  // ---- data ----
  data: {
    type: text("<source>"),
    text: "folder, zip, emoji or emoji:GROUP (smileys, animals, food, …)",
    group: "Data",
    without: "none, a new run needs it",
  },
  resolution: {
    type: powerOfTwo(4),
    text: "side of the pictures, a power of two",
    group: "Data",
    without: "a zip's own, else 64",
  },
  mirror: {
    type: yesNo(),
    text: "show every picture flipped left-right as well",
    group: "Data",
    without: "no",
  },
  cond: {
    type: yesNo(),
    text: "learn classes: from dataset.json, subfolders or emoji groups",
    group: "Data",
    without: "no",
  },
  subset: {
    type: integer(1),
    text: "use only n pictures, chosen at random",
    group: "Data",
    without: "all",
  },
  background: {
    type: text("<colour>"),
    text: "colour under transparent pixels",
    group: "Data",
    without: "white",
  },

  // ---- the course of a run ----
  kimg: {
    type: number(above0),
    text: "length of the run in thousands of pictures, earlier parts included",
    group: "Course of the run",
    at: "kimg",
    changes: "resume",
  },
  batch: {
    type: byResolution(integer(1, 65536)),
    text: "pictures per step; networks that grow take several, as 4,8:128",
    group: "Course of the run",
    at: "batch",
  },
  batchGpu: {
    type: orNone(byResolution(integer(1, 65536))),
    text: "pictures computed at once; the gradients of the parts of a batch add up",
    group: "Course of the run",
    at: "batchGpu",
  },
  seed: {
    type: integer(0, maxSeed),
    text: "start of all random numbers",
    group: "Course of the run",
    at: "seed",
  },
  tickKimg: {
    flag: "--tick",
    type: byResolution(number(above0)),
    text: "thousands of pictures between lines of progress",
    group: "Course of the run",
    at: "tickKimg",
    changes: "resume",
  },
  snapshotTicks: {
    flag: "--snap",
    type: ticks,
    text: "ticks between snapshots of the networks",
    group: "Course of the run",
    at: "snapshotTicks",
    changes: "both",
  },
  imageSnapshotTicks: {
    flag: "--image-snap",
    type: orNone(ticks),
    text: "ticks between pictures of fakes; none: with every snapshot",
    group: "Course of the run",
    at: "imageSnapshotTicks",
    changes: "resume",
  },
  metrics: {
    type: listThat(
      isMetricName,
      `a list of ${metricNames.join(", ")}, or of these by other thousands of pictures`,
    ),
    text: `measured at every snapshot: ${metricNames.join(", ")}, or none`,
    group: "Course of the run",
    at: "metrics",
    changes: "resume",
  },
  histograms: {
    type: yesNo(),
    text: "histograms of weights and activations in the statistics",
    group: "Course of the run",
    at: "histograms",
    changes: "resume",
  },
  dRepeats: {
    type: integer(1, 1000),
    text: "steps of the discriminator for each of the generator",
    group: "Course of the run",
    at: "dRepeats",
  },
  minibatchRepeats: {
    type: integer(1, 1000),
    text: "steps until size, batch and learning rate are looked at again",
    group: "Course of the run",
    at: "minibatchRepeats",
  },
  startResolution: {
    type: powerOfTwo(4),
    text: "size that networks that grow begin with",
    group: "Course of the run",
  },
  growthKimg: {
    type: number(above0),
    text: "kimg to fade a resolution in, and as many to stabilize it, in networks that grow",
    group: "Course of the run",
  },

  // ---- networks ----
  channelBase: {
    type: integer(1, 2 ** 20),
    text: "channels at resolution r are n / r …",
    group: "Networks",
  },
  channelMax: {
    type: integer(1, 4096),
    text: "… but at most n",
    group: "Networks",
  },
  latentDim: {
    type: integer(1, 8192),
    text: "elements of z and of w",
    group: "Networks",
  },
  mappingLayers: {
    type: integer(1, 64),
    text: "layers of the mapping network",
    group: "Networks",
  },
  mappingLrMultiplier: {
    type: rate,
    text: "how many times as fast the mapping network learns",
    group: "Networks",
  },
  zNorm: {
    type: oneOf(["length", "rms"]),
    text: "what the minimal StyleGAN2 scales z to: length 1, or rms, a mean square of 1",
    group: "Networks",
  },
  dArchitecture: {
    type: oneOf(["resnet", "orig"]),
    text: "blocks of StyleGAN2's discriminator: resnet, orig",
    group: "Networks",
  },
  mbstdGroup: {
    type: integer(1, 65536),
    text: "pictures that the discriminator takes its standard deviation over, at most",
    group: "Networks",
  },
  precision: {
    type: oneOf(precisions),
    text: `of convolutions: ${precisions.join(", ")} (bfloat16: several times as fast on processors with AMX or AVX512-BF16)`,
    group: "Networks",
    at: "precision",
  },

  // ---- losses ----
  loss: {
    type: text("<name>"),
    text: "adversarial loss, see below",
    group: "Losses",
  },
  generatorWeight: {
    flag: "--g-loss-weight",
    type: number(above0),
    text: "factor of the generator's loss",
    group: "Losses",
    without: "1",
  },
  realLabel: {
    type: label,
    text: "what the discriminator should say of reals (vanilla, lsgan)",
    group: "Losses",
    without: "1",
  },
  fakeLabel: {
    type: label,
    text: "what it should say of fakes (vanilla, lsgan)",
    group: "Losses",
    without: "0",
  },
  driftEpsilon: {
    type: weight,
    text: "weight of the squared scores of reals (wgan); 0 for plain WGAN",
    group: "Losses",
    without: "0.001",
  },
  penalty: {
    type: listOf(penaltyNames),
    text: `gradient penalties: ${penaltyNames.join(", ")} (several with commas) or none`,
    group: "Losses",
  },
  gamma: {
    type: weight,
    text: "weight of the R1 penalty; 0 turns it off",
    group: "Losses",
    at: "penalty.r1Gamma",
    changes: "training",
  },
  r2Gamma: {
    type: weight,
    text: "weight of the R2 penalty",
    group: "Losses",
    at: "penalty.r2Gamma",
    without: "as R1's",
    changes: "training",
  },
  gpLambda: {
    type: weight,
    text: "weight of the WGAN-GP penalty",
    group: "Losses",
    at: "penalty.gpLambda",
    changes: "training",
  },
  gpTarget: {
    type: number(above0),
    text: "norm that WGAN-GP wants gradients to have",
    group: "Losses",
    at: "penalty.gpTarget",
  },
  penaltyInterval: {
    type: integer(1),
    text: "apply the penalties in every n-th step, n times as strongly",
    group: "Losses",
    at: "penalty.interval",
  },
  plWeight: {
    type: weight,
    text: "weight of the path length regularization; 0 turns it off",
    group: "Losses",
    at: "pathLength.weight",
    changes: "training",
  },
  plDecay: {
    type: number({ ...above0, max: 1 }),
    text: "how fast the running mean of path lengths follows",
    group: "Losses",
    at: "pathLength.decay",
  },
  plBatchShrink: {
    type: integer(1, 65536),
    text: "path lengths are taken of an n-th of the batch",
    group: "Losses",
    at: "pathLength.batchShrink",
  },
  plInterval: {
    type: integer(1),
    text: "regularize path lengths in every n-th step, n times as strongly",
    group: "Losses",
    at: "pathLength.interval",
  },
  plStartSteps: {
    type: integer(0),
    text: "steps before that begins",
    group: "Losses",
    at: "pathLength.startSteps",
  },
  plBiasCorrection: {
    type: yesNo(),
    text: "correct the running mean of path lengths for its start at 0",
    group: "Losses",
    at: "pathLength.biasCorrection",
  },
  plMeanInGradient: {
    type: yesNo(),
    text: "let gradients flow through the running mean as well, as the PyTorch programs do",
    group: "Losses",
    at: "pathLength.meanInGradient",
  },
  styleMixing: {
    type: number({ min: 0, max: 1 }),
    text: "probability of style mixing",
    group: "Losses",
    at: "styleMixing",
  },

  // ---- augmentation ----
  aug: {
    type: oneOf(augmentModes),
    text: "what is done to pictures before the discriminator sees them: none, ada (as much as it needs), fixed, diffaug",
    group: "Augmentation",
    at: "augment.mode",
  },
  augpipe: {
    type: oneOf(pipelineNames),
    text: `which augmentations ada and fixed apply: ${pipelineNames.join(", ")}`,
    group: "Augmentation",
    at: "augment.pipeline",
  },
  augP: {
    flag: "--p",
    type: number({ min: 0, max: 1 }),
    text: "probability of each augmentation; of ada where it starts",
    group: "Augmentation",
    at: "augment.p",
    changes: "training",
  },
  augTarget: {
    flag: "--target",
    type: number({ min: -1, max: 1 }),
    text: "what ada wants the mean sign of the scores of reals to be",
    group: "Augmentation",
    at: "augment.target",
  },
  adaKimg: {
    type: number(above0),
    text: "kimg in which ada takes the probability from 0 to 1 at the most",
    group: "Augmentation",
    at: "augment.kimg",
  },

  // ---- optimizers ----
  lr: {
    type: byResolution(rate),
    text: "learning rate of both networks",
    group: "Optimizers",
    changes: "training",
  },
  gLr: {
    type: byResolution(rate),
    text: "learning rate of the generator",
    group: "Optimizers",
    at: "optimizer.gLr",
    without: "as --lr",
    changes: "training",
  },
  dLr: {
    type: byResolution(rate),
    text: "learning rate of the discriminator",
    group: "Optimizers",
    at: "optimizer.dLr",
    without: "as --lr",
    changes: "training",
  },
  lrRampupKimg: {
    type: number({ min: 0 }),
    text: "kimg over which both learning rates rise from 0",
    group: "Optimizers",
    at: "optimizer.lrRampupKimg",
  },
  adamBeta1: {
    type: number({ min: 0, max: 0.9999 }),
    text: "decay of Adam's first moment",
    group: "Optimizers",
    at: "optimizer.beta1",
  },
  adamBeta2: {
    type: number({ min: 0, max: 0.99999 }),
    text: "decay of Adam's second moment",
    group: "Optimizers",
    at: "optimizer.beta2",
  },
  adamEpsilon: {
    type: number(above0),
    text: "what Adam adds to the root of the second moment",
    group: "Optimizers",
    at: "optimizer.eps",
  },
  maxGradientNorm: {
    type: orNone(number(above0)),
    text: "norm that the gradients of a network are scaled down to, or none",
    group: "Optimizers",
    at: "optimizer.maxGradientNorm",
  },
  emaKimg: {
    type: number(above0),
    text: "half-life of the generator's moving average",
    group: "Optimizers",
    at: "ema.kimg",
    changes: "training",
  },
  emaRampup: {
    type: orNone(number(above0)),
    text: "share of the pictures shown that the half-life is at most, or none",
    group: "Optimizers",
    at: "ema.rampup",
  },

  // ---- starting from a network ----
  resumeKimg: {
    type: number({ min: 0 }),
    text: "where the run begins: its schedule, moving average and file names",
    group: "Starting from a network",
    without: "0; where networks that grow had grown to",
  },
  freezeD: {
    type: integer(0),
    text: "keep the discriminator's first n layers as they are",
    group: "Starting from a network",
    without: "0",
  },
} as const satisfies Record<string, Option>;

export type OptionName = keyof typeof options;
export const optionNames = Object.keys(options) as OptionName[];

type Row<Name extends OptionName> = (typeof options)[Name];
/** What a user may give for an option. */
export type GivenValue<Name extends OptionName> =
  Row<Name>["type"] extends OptionType<infer Given, infer _> ? Given : never;

/** The options as a program gives them; what is absent comes from the preset. */
export type TrainingOptions = { [Name in OptionName]?: GivenValue<Name> | undefined };

/** Options that every preset has a value for. */
export type PresetOptionName = {
  [Name in OptionName]: Row<Name> extends { without: string } ? never : Name;
}[OptionName];

/** Where the options that have a place live in a configuration: `{ batch: number; penalty: { r1Gamma: number; … }; … }`. */
export type PlacedOptions = Merged<
  Intersection<
    {
      [Name in OptionName]: Row<Name> extends { at: infer Path extends string; type: infer Type }
        ? Type extends OptionType<infer _, infer Stored>
          ? Nested<Path, Stored>
          : never
        : never;
    }[OptionName]
  >
>;

type Nested<Path extends string, Value> = Path extends `${infer Head}.${infer Rest}`
  ? { [Key in Head]: Nested<Rest, Value> }
  : { [Key in Path]: Value };
type Intersection<Union> = (Union extends unknown ? (part: Union) => void : never) extends (
  all: infer All,
) => void
  ? All
  : never;
type Merged<Parts> = {
  [Key in keyof Parts]: Parts[Key] extends readonly unknown[] ? Parts[Key] : Flat<Parts[Key]>;
};
type Flat<Value> = Value extends object ? { [Key in keyof Value]: Value[Key] } : Value;

/** The row, without the exact types of the table. */
export function optionOf(name: OptionName): Option {
  return options[name];
}

/** `--r2-gamma` */
export function flagOf(name: string): string {
  const flag = Object.hasOwn(options, name) ? optionOf(name as OptionName).flag : undefined;
  return flag ?? `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
