// stylegan info: what it does.

import { latestSnapshot } from "../../interop/loadNetwork.js";
import { loadGenerator, openSnapshot } from "../../interop/openSnapshot.js";
import type { NetworkDescription } from "../../networks/registry.js";
import {
  createNetwork,
  type NetworkPrefix,
  networkPrefixes,
  readSnapshotInfo,
  type SnapshotInfo,
  snapshotShapes,
} from "../../networks/snapshot.js";
import { type LatentSpread, latentSpread } from "../../synthesis/spread.js";
import { UserError } from "../../system/errors.js";
import { engineIsReady } from "../../torch/addonFile.js";
import type { Module } from "../../torch/module.js";
import { withoutElements } from "../../torch/ops.js";
import { setThreads } from "../../torch/runtime.js";
import type { Shape, Tensor } from "../../torch/tensor.js";

interface LayerInfo {
  name: string;
  /** Numbers that are trained. */
  parameters: number;
  /** Numbers that are saved but not trained: noise, filters, the mean of w. */
  buffers: number;
  /** Of its weight, where it has one. */
  weight: Shape | null;
}

interface NetworkInfo {
  parameters: number;
  buffers: number;
  layers: LayerInfo[];
}

/** Latents over which `--spread` measures. */
const spreadSamples = 64;

interface InfoOptions {
  json?: boolean;
  spread?: boolean;
}

export function run(path: string, options: InfoOptions): void {
  const latest = latestSnapshot(path);
  const header = engineIsReady() || options.json || options.spread ? undefined : headerText(latest);
  if (header !== undefined) {
    process.stdout.write(header);
    return;
  }
  const snapshot = openSnapshot(latest);
  try {
    const { file, info, shapes, notes } = snapshot;
    const networks = Object.fromEntries(
      networkPrefixes(shapes).map((prefix) => [prefix, networkInfo(prefix, info.description)]),
    );
    const spread = options.spread ? spreadOf(file, networkPrefixes(shapes)) : undefined;
    const { description, classNames, curNimg, growth = null, origin = null } = info;
    const classes = { count: description.config.cDim, names: classNames };
    const { stdout } = process;
    if (options.json) {
      const { architecture, config } = description;
      const facts = { file, origin, architecture, config, classes, curNimg, growth, networks, notes };
      stdout.write(`${JSON.stringify({ ...facts, spread })}\n`);
      return;
    }
    const lines = aligned(summary(file, info, notes));
    const tables = Object.entries(networks).map(([name, network]) => `\n${table(name, network)}`);
    stdout.write([...lines, ...tables, spread ? `\n${spreadTable(spread)}` : ""].join(""));
  } finally {
    snapshot.close();
  }
}

function aligned(facts: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(...facts.map(([name]) => name.length)) + 2;
  return facts.map(([name, value]) => `${name.padEnd(width)}${value}\n`);
}

/** What a snapshot of this program says of itself, for a machine where nothing computes yet; undefined: it is another file. */
function headerText(file: string): string | undefined {
  try {
    const info = readSnapshotInfo(file);
    const shapes = snapshotShapes(file);
    const sizes = networkPrefixes(shapes).map((prefix): [string, string] => {
      const own = [...shapes].filter(([name]) => name.startsWith(`${prefix}.`));
      const numbers = own.reduce((sum, [, shape]) => sum + shape.reduce((product, n) => product * n, 1), 0);
      return [prefix, `${numbers} numbers in ${own.length} tensors`];
    });
    const note: [string, string] = ["note", "layers are listed once `stylegan setup` has run"];
    return aligned([...summary(file, info, []), ...sizes, note]).join("");
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Of every generator in the file. */
function spreadOf(file: string, prefixes: readonly NetworkPrefix[]): Record<string, LatentSpread> {
  setThreads();
  const generators = prefixes.filter((prefix) => prefix !== "D");
  return Object.fromEntries(
    generators.map((prefix) => {
      const { G } = loadGenerator(file, prefix);
      try {
        return [prefix, latentSpread(G, { samples: spreadSamples, batch: 4 })];
      } finally {
        G.dispose();
      }
    }),
  );
}

/** Of the shapes alone, which the file is known to have. */
function networkInfo(prefix: NetworkPrefix, description: NetworkDescription): NetworkInfo {
  const network = withoutElements(() => createNetwork(prefix, description));
  try {
    const list = layersOf(network, "");
    const total = (key: "parameters" | "buffers") => list.reduce((sum, layer) => sum + layer[key], 0);
    return { parameters: total("parameters"), buffers: total("buffers"), layers: list };
  } finally {
    network.dispose();
  }
}

/** Every module that owns parameters or buffers itself, in order. */
function layersOf(module: Module, name: string): LayerInfo[] {
  const children = module.namedChildren();
  const inherited = new Set(children.flatMap(([, child]) => [...child.parameters(), ...child.buffers()]));
  const own = (tensors: readonly Tensor[]) => tensors.filter((tensor) => !inherited.has(tensor));
  const parameters = own(module.parameters());
  const buffers = own(module.buffers());
  const layer = {
    name,
    parameters: elements(parameters),
    buffers: elements(buffers),
    weight: parameters[0]?.shape ?? null,
  };
  const below = children.flatMap(([child, part]) => layersOf(part, name === "" ? child : `${name}.${child}`));
  return parameters.length + buffers.length > 0 ? [layer, ...below] : below;
}

function elements(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, { numel }) => sum + numel, 0);
}

function summary(file: string, info: SnapshotInfo, notes: readonly string[]): [string, string][] {
  const { description, classNames, curNimg, growth, origin } = info;
  const { architecture, config } = description;
  const { resolution, cDim, ...others } = config;
  const names =
    classNames.length > 0
      ? `: ${classNames.slice(0, 20).join(", ")}${classNames.length > 20 ? ", …" : ""}`
      : "";
  return [
    ["file", file],
    ["origin", origin ? `${origin.format}, ${origin.file}` : "a training of this program"],
    ["architecture", architecture],
    ["resolution", `${resolution} px`],
    ["classes", cDim === 0 ? "none" : `${cDim}${names}`],
    ["trained", curNimg === null ? "not known" : `${(curNimg / 1000).toFixed(1)} kimg`],
    ...(growth ? [["growth", `level ${growth.level}, alpha ${growth.alpha}`] as [string, string]] : []),
    ...Object.entries(others).map(([name, value]): [string, string] => [name, String(value ?? "none")]),
    ...notes.map((note): [string, string] => ["note", note]),
  ];
}

function spreadTable(spread: Readonly<Record<string, LatentSpread>>): string {
  const networks = Object.values(spread);
  const first = `deviation over ${spreadSamples} latents`;
  const name = (text: string) => text.padEnd(34);
  const row = (text: string, value: (network: LatentSpread) => number) =>
    `${name(`  ${text}`)}${networks.map((network) => value(network).toPrecision(3).padStart(11)).join("")}\n`;
  const styles = networks[0]?.styles ?? [];
  return [
    `${name(first)}${Object.keys(spread)
      .map((network) => network.padStart(11))
      .join("")}\n`,
    row("w", (network) => network.w),
    ...styles.map((_, i) => row(`styles that read w ${i}`, (network) => network.styles[i] as number)),
    row("pixels (-1 to 1)", (network) => network.pixels),
    row("pixels of one latent, over noise", (network) => network.noise),
  ].join("");
}

function table(name: string, { layers, parameters, buffers }: NetworkInfo): string {
  const rows = [
    [name, "parameters", "buffers", "weight"],
    ...layers.map((layer) => [
      `  ${layer.name || "(itself)"}`,
      String(layer.parameters),
      String(layer.buffers),
      layer.weight ? layer.weight.join("x") : "",
    ]),
    ["  total", String(parameters), String(buffers), ""],
  ];
  const width = Math.max(...rows.map(([first = ""]) => first.length)) + 2;
  return rows
    .map(([first = "", second = "", third = "", fourth = ""]) =>
      `${first.padEnd(width)}${second.padStart(12)}${third.padStart(10)}  ${fourth}`.trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}
