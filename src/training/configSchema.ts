// What training_options.json holds: a resolved run, everything that an exact resume starts from.

import { z } from "zod";
import { networkDescriptionSchema } from "../networks/registry.js";
import { isObject } from "../system/isObject.js";
import { optionNames, optionOf, type PlacedOptions } from "./options.js";
import { growthScheduleSchema } from "./schedule.js";

/** What no single option decides. */
const ownFields = {
  cfg: z.string(),
  data: z.strictObject({
    source: z.string(),
    background: z.string(),
    conditional: z.boolean(),
    subset: z.number().int().positive().nullable(),
    /** Of the draw of a subset. */
    subsetSeed: z.number().int().nonnegative(),
    mirror: z.boolean(),
    /** Of the prepared pictures, so that a resume notices when they have changed. */
    fingerprint: z.string(),
    classNames: z.array(z.string()),
  }),
  network: networkDescriptionSchema,
  loss: z.strictObject({
    name: z.string(),
    /** Only what the user has set; the loss has its own defaults. */
    options: z.strictObject({
      generatorWeight: z.number().optional(),
      realLabel: z.number().optional(),
      fakeLabel: z.number().optional(),
      driftEpsilon: z.number().optional(),
    }),
  }),
  growth: growthScheduleSchema.nullable(),
  /** Of the grids of pictures; kept by a resume, so that they compare. */
  grid: z.strictObject({ columns: z.number().int().positive(), rows: z.number().int().positive() }),
  /** Which networks the run started from; null: fresh ones. */
  transfer: z
    .strictObject({
      from: z.string(),
      /** Layers of the discriminator that are not trained, counted from the image side. */
      freezeD: z.number().int().nonnegative(),
      /** Where the schedule starts, in thousands of images. */
      kimg: z.number().nonnegative(),
    })
    .nullable(),
};

type OwnFields = { -readonly [Key in keyof typeof ownFields]: z.infer<(typeof ownFields)[Key]> };

/** Its other fields are options, each where its row in options.ts has it (`at`). */
export type TrainingConfig = OwnFields & PlacedOptions;

const currentSchema = z.strictObject({
  ...ownFields,
  ...placedFields(),
}) as unknown as z.ZodType<TrainingConfig>;

/** The schemas of all options that live in the configuration; those of one object together. */
function placedFields(): Record<string, z.ZodType> {
  const fields: Record<string, z.ZodType> = {};
  const objects: Record<string, Record<string, z.ZodType>> = {};
  for (const name of optionNames) {
    const { at, type } = optionOf(name);
    const [first, second] = at?.split(".") ?? [];
    const stored = z.custom(type.isStored, `not ${type.wanted}`);
    if (first !== undefined && second !== undefined) objects[first] = { ...objects[first], [second]: stored };
    else if (first !== undefined) fields[first] = stored;
  }
  for (const [name, shape] of Object.entries(objects)) fields[name] = z.strictObject(shape);
  return fields;
}

/** The file of this version or of an earlier one, which means what it meant. */
export const trainingConfigSchema = z.preprocess(migrated, currentSchema);

/** What earlier versions, which had no such options, did. */
const before = {
  precision: "float32",
  batchGpu: null,
  dRepeats: 1,
  minibatchRepeats: 1,
  imageSnapshotTicks: null,
  histograms: false,
  augment: { mode: "none", pipeline: "bgc", p: 0, target: 0.6, kimg: 500 },
  transfer: null,
} as const satisfies Partial<TrainingConfig>;

function migrated(file: unknown): unknown {
  if (!isObject(file)) return file;
  const { data, optimizer, pathLength, growth, transfer, seed } = file;
  return {
    ...before,
    ...file,
    ...(isObject(data) && { data: { subsetSeed: seed, ...data } }),
    ...(isObject(optimizer) && { optimizer: { lrRampupKimg: 0, ...optimizer } }),
    ...(isObject(pathLength) && { pathLength: { meanInGradient: false, ...pathLength } }),
    ...(isObject(transfer) && { transfer: { kimg: 0, ...transfer } }),
    ...(isObject(growth) && { growth: migratedGrowth(growth) }),
  };
}

/** One learning rate became two. */
function migratedGrowth({ lr, ...growth }: Record<string, unknown>): Record<string, unknown> {
  const rates = lr === undefined ? {} : { gLr: lr, dLr: lr };
  return { tickKimg: null, batchGpu: null, ...rates, ...growth };
}
