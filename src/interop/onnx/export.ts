// From a generator to its two ONNX models, mapping and synthesis.

import type { Generator } from "../../networks/network.js";
import { type Growth, isProgressive, layersInUse } from "../../networks/progressive.js";
import { capabilitiesOf, type NetworkDescription, titleOf } from "../../networks/registry.js";
import type { OnnxDescription } from "../../protocol/model.js";
import { noiseMapsOf } from "../../synthesis/noiseMaps.js";
import { ones } from "../../torch/ops.js";
import { scope } from "../../torch/scope.js";
import type { Tensor } from "../../torch/tensor.js";
import { batch, Graph } from "./graph.js";
import type { Precision } from "./precision.js";
import { encodeModel } from "./schema.js";
import { Trace } from "./trace.js";

export interface OnnxOptions {
  /** What the generator was made of. */
  description: NetworkDescription;
  /** Names of the classes; empty when unconditional. */
  classNames: readonly string[];
  precision: Precision;
  /** Of this program, for the file. */
  version: string;
}

export interface OnnxModels {
  mapping: Uint8Array;
  synthesis: Uint8Array;
  description: OnnxDescription;
}

/** @returns the two models as bytes of .onnx files; G stays the caller's and as it is */
export function exportOnnx(G: Generator, options: OnnxOptions): OnnxModels {
  const { description, classNames, precision, version } = options;
  const growth: Growth = isProgressive(G) ? G.growth : { level: Math.log2(G.resolution), alpha: 1 };
  const { architecture } = description;
  const { mapping: truncation, noise } = capabilitiesOf(architecture);
  const about: OnnxDescription = {
    architecture,
    title: titleOf(architecture),
    zDim: G.zDim,
    wDim: G.wDim,
    cDim: G.cDim,
    classNames,
    numWs: G.numWs,
    numWsInUse: layersInUse(G),
    resolution: 2 ** growth.level,
    ...{ truncation, noise, precision },
  };
  const model = (name: "mapping" | "synthesis", doc: string) =>
    scope(() => {
      const g = new Graph(name, precision);
      if (name === "mapping") addMapping(g, G, { truncation });
      else addSynthesis(g, G, { noise });
      return encodeModel(g.finish({ version, doc, metadata: { stylegan: JSON.stringify(about) } }));
    });
  return {
    mapping: model("mapping", "Latents to the w vectors of a generator."),
    synthesis: model("synthesis", "The w vectors of a generator to pictures."),
    description: about,
  };
}

function addMapping(g: Graph, G: Generator, { truncation }: { truncation: boolean }): void {
  const trace = new Trace(g, G);
  const z = ones([1, G.zDim]);
  trace.bind(z, g.input("z", [batch, G.zDim], "latents, samples of N(0, 1)"));
  const c = G.cDim > 0 ? ones([1, G.cDim]) : null;
  if (c) trace.bind(c, g.input("c", [batch, G.cDim], "classes, one-hot"));
  const psi = ones([1, G.numWs, 1]);
  if (truncation) {
    const meaning = "truncation of each layer: 1 leaves its w as it is, 0 gives the mean of w";
    const input = g.input("truncation_psi", [G.numWs], meaning);
    trace.bind(psi, g.node("Unsqueeze", [input, g.integers(0, 2)], { shape: [1, G.numWs, 1] }));
  }
  const ws = trace.run(() => {
    const all = G.map(z, c);
    if (!truncation) return all;
    // As `truncate` of src/networks/mapping.ts, with a ψ for each layer: w' = w̄ + ψ (w - w̄).
    const mean = G.stateDict().get("mapping.w_avg") as Tensor;
    return all.sub(mean).mul(psi).add(mean);
  });
  g.output("ws", ws, "one w for each layer; rows of several samples mixed are a style mix");
}

function addSynthesis(g: Graph, G: Generator, { noise }: { noise: boolean }): void {
  const trace = new Trace(g, G);
  const ws = ones([1, G.numWs, G.wDim]);
  trace.bind(
    ws,
    g.input("ws", [batch, G.numWs, G.wDim], "one w for each layer, as the mapping model makes them"),
  );
  if (noise) {
    const strength = g.input(
      "noise",
      [],
      "what the stored noise maps are multiplied by: 1 with noise, 0 without",
    );
    for (const map of noiseMapsOf(G)) trace.bind(map, trace.product(map, strength));
  }
  const image = trace.run(() => G.synthesize(ws, { noiseMode: "const" }));
  g.output("image", image, "pictures, RGB in about [-1, 1]");
}
