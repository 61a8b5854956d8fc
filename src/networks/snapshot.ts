// Network snapshots: G_ema, G and D in one safetensors file that says how to rebuild them.

import { z } from "zod";
import { parseBoundedJson } from "../system/boundedJson.js";
import { UserError } from "../system/errors.js";
import type { Module } from "../torch/module.js";
import { withoutElements } from "../torch/ops.js";
import { readSafetensors, readSafetensorsHeader, writeSafetensors } from "../torch/safetensors.js";
import type { Shape, Tensor } from "../torch/tensor.js";
import { type Growth, growthSchema } from "./progressive.js";
import {
  createDiscriminator,
  createGenerator,
  type NetworkDescription,
  networkDescriptionSchema,
} from "./registry.js";

const format = "stylegan.ts snapshot 1";

/** As many names of classes as there may be, and some more. */
const infoBounds = { values: 200_000, depth: 8 };

export interface SnapshotInfo {
  description: NetworkDescription;
  /** Real images shown until then; null: not known, as for most networks of other programs. */
  curNimg: number | null;
  /** Names of the classes; empty when unconditional or when nobody has named them. */
  classNames: string[];
  /** How far networks that grow had grown. */
  growth?: Growth | undefined;
  /** Where the networks come from, when not from a training of this program alone. */
  origin?: Origin | undefined;
  /** The options of the training that they come from, which knows how to read them. */
  training?: unknown;
}

const originSchema = z.strictObject({
  /** What kind of file it was, for people. */
  format: z.string(),
  /** Its name. */
  file: z.string(),
});

export type Origin = z.infer<typeof originSchema>;

export interface Snapshot extends SnapshotInfo {
  /** All tensors, under `G_ema.`, `G.` and `D.`; owned by the caller. */
  tensors: Map<string, Tensor>;
}

const prefixes = ["G_ema", "G", "D"] as const;
/** Networks in a file, whichever program wrote it. */
export interface SnapshotSource {
  readonly file: string;
  readonly info: SnapshotInfo;
  /** Of all tensors, under `G_ema.`, `G.` and `D.`. */
  readonly shapes: ReadonlyMap<string, Shape>;
  /** The tensors of some of the networks, by full name; owned by the caller. */
  read(networks: readonly NetworkPrefix[]): Map<string, Tensor>;
}

export type NetworkPrefix = (typeof prefixes)[number];

/** The networks of which there are tensors among these full names. */
export function networkPrefixes(tensors: ReadonlyMap<string, unknown>): NetworkPrefix[] {
  const names = [...tensors.keys()];
  return prefixes.filter((prefix) => names.some((name) => name.startsWith(`${prefix}.`)));
}

/** The tensors of several networks in one dictionary, each under its prefix. They stay the networks' own. */
export function prefixedState(
  networks: Readonly<Partial<Record<NetworkPrefix, Module>>>,
): Map<string, Tensor> {
  return new Map(
    Object.entries(networks).flatMap(([prefix, network]) => [...network.stateDict(`${prefix}.`)]),
  );
}

/** The entries under `prefix`, without it. */
export function stateOf(tensors: ReadonlyMap<string, Tensor>, prefix: NetworkPrefix): Map<string, Tensor> {
  const start = `${prefix}.`;
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(start))
      .map(([name, tensor]) => [name.slice(start.length), tensor]),
  );
}

/** Writes some or all of G_ema, G and D; the file is replaced only when the new one is complete. */
export function writeSnapshot(
  file: string,
  networks: Readonly<Partial<Record<NetworkPrefix, Module>>>,
  info: SnapshotInfo,
): void {
  const { description, curNimg, classNames, growth, origin, training } = info;
  writeSafetensors(file, prefixedState(networks), {
    format,
    architecture: description.architecture,
    config: JSON.stringify(description.config),
    curNimg: JSON.stringify(curNimg),
    classNames: JSON.stringify(classNames),
    ...(growth ? { growth: JSON.stringify(growth) } : {}),
    ...(origin ? { origin: JSON.stringify(origin) } : {}),
    ...(training === undefined ? {} : { training: JSON.stringify(training) }),
  });
}

/** All of a snapshot. @throws UserError when the file is no snapshot of this program or is damaged */
export function readSnapshot(file: string): Snapshot {
  const info = readSnapshotInfo(file);
  return { ...info, tensors: readSnapshotTensors(file, prefixes) };
}

/**
 * The tensors of some of the networks by full name; owned by the caller.
 * @throws UserError when the file is damaged or holds what is no number
 */
export function readSnapshotTensors(file: string, networks: readonly NetworkPrefix[]): Map<string, Tensor> {
  const wanted = (name: string) => networks.some((network) => name.startsWith(`${network}.`));
  const { tensors } = readSafetensors(file, wanted);
  return allFinite(file, tensors);
}

/**
 * The tensors themselves; their pictures would be black, and a training that starts from them diverges.
 * @throws UserError that names the first with an element that is not finite, when there is one; all are freed then
 */
export function allFinite(file: string, tensors: Map<string, Tensor>): Map<string, Tensor> {
  for (const [name, tensor] of tensors) {
    if (tensor.allFinite()) continue;
    disposeAll(tensors);
    throw new UserError(
      `${file} cannot be used: ${shown(name)} has elements that are not finite, as after a training that has diverged; use an earlier snapshot`,
    );
  }
  return tensors;
}

/** Shapes of all tensors by full name. @throws UserError when the file is damaged */
export function snapshotShapes(file: string): Map<string, Shape> {
  return readSafetensorsHeader(file).shapes;
}

/** What a snapshot says of itself, without reading its tensors. @throws UserError as `readSnapshot` */
export function readSnapshotInfo(file: string): SnapshotInfo {
  const { metadata } = readSafetensorsHeader(file);
  try {
    return parseInfo(metadata);
  } catch {
    throw notASnapshot(file);
  }
}

/** Whether `file` is a whole snapshot taken after `curNimg` images. */
export function isSnapshotOf(file: string, curNimg: number): boolean {
  try {
    return readSnapshotInfo(file).curNimg === curNimg;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

function notASnapshot(file: string): UserError {
  return new UserError(
    `${file} is not a network snapshot of this program; give a network-snapshot-….safetensors of a run`,
  );
}

function parseInfo(metadata: Readonly<Record<string, string>>): SnapshotInfo {
  const json = (key: string): unknown => parseBoundedJson(metadata[key] ?? "null", infoBounds);
  z.literal(format).parse(metadata.format);
  return {
    description: networkDescriptionSchema.parse({
      architecture: metadata.architecture,
      config: json("config"),
    }),
    curNimg: z.number().nullable().parse(json("curNimg")),
    classNames: z.array(z.string()).parse(json("classNames")),
    growth: growthSchema.optional().parse(json("growth") ?? undefined),
    origin: originSchema.optional().parse(json("origin") ?? undefined),
    training: json("training") ?? undefined,
  };
}

/** @throws UserError that names the file and the first entry that does not fit */
export function loadInto(network: Module, state: ReadonlyMap<string, Tensor>, file: string): void {
  try {
    network.loadStateDict(state);
  } catch (error) {
    throw new UserError(
      `${file} does not fit the network: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/**
 * Holds what is in a file against what it says of itself, before any memory is taken for networks: a description of a
 * few bytes may be of networks of gigabytes.
 * @throws UserError that names the file and the first entry that does not fit
 */
export function checkDescription({
  file,
  info,
  shapes,
}: Pick<SnapshotSource, "file" | "info" | "shapes">): void {
  for (const prefix of networkPrefixes(shapes)) {
    const network = withoutElements(() => createNetwork(prefix, info.description));
    try {
      checkShapes(network, prefix, shapes, file);
    } finally {
      network.dispose();
    }
  }
}

/** One of a description's networks, with fresh weights; owned by the caller. */
export function createNetwork(prefix: NetworkPrefix, description: NetworkDescription): Module {
  return prefix === "D" ? createDiscriminator(description) : createGenerator(description);
}

function checkShapes(
  network: Module,
  prefix: NetworkPrefix,
  shapes: ReadonlyMap<string, Shape>,
  file: string,
): void {
  const own = network.stateDict(`${prefix}.`);
  const names = [...shapes.keys()].filter((name) => name.startsWith(`${prefix}.`));
  const wrong = [...new Set([...own.keys(), ...names])].find(
    (name) => String(own.get(name)?.shape) !== String(shapes.get(name)),
  );
  if (wrong === undefined) return;
  const [found, expected] = [shapes.get(wrong), own.get(wrong)?.shape];
  const what = !found
    ? `is missing, expected shape [${expected}]`
    : `has shape [${found}], expected ${expected ? `[${expected}]` : "none"}`;
  throw new UserError(`${file} does not fit the network: entry ${shown(wrong)} ${what}`);
}

/** A name from a file as part of a message: on one line and not endless. */
function shown(name: string): string {
  return JSON.stringify(name.slice(0, 200)).slice(1, -1);
}

export function disposeAll(tensors: ReadonlyMap<string, Tensor>): void {
  for (const tensor of tensors.values()) if (!tensor.isDisposed) tensor.dispose();
}
