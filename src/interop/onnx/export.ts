// From a generator to its two ONNX models, mapping and synthesis.

import type { Generator } from "../../networks/network.js";
import { type Growth, isProgressive, layersInUse } from "../../networks/progressive.js";
import { capabilitiesOf, type NetworkDescription, titleOf } from "../../networks/registry.js";
import type { OnnxDescription } from "../../protocol/model.js";
import { UserError } from "../../system/errors.js";
import { scope } from "../../torch/scope.js";
import { Graph } from "./graph.js";
import { Part } from "./part.js";
import type { Precision } from "./precision.js";
import { proganMapping, proganSynthesis } from "./progan.js";
import { encodeModel } from "./schema.js";
import { type GrownOptions, stylegan1Mapping, stylegan1Synthesis } from "./stylegan1.js";
import { stylegan2Mapping, stylegan2Synthesis } from "./stylegan2.js";
import { minimalMapping, minimalSynthesis } from "./stylegan2Minimal.js";

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
  const state = G.stateDict();
  const model = (name: "mapping" | "synthesis", doc: string) =>
    scope(() => {
      const g = new Graph(name, precision);
      builders(description, { numWs: G.numWs, growth })[name](new Part(g, state));
      return encodeModel(g.finish({ version, doc, metadata: { stylegan: JSON.stringify(about) } }));
    });
  return {
    mapping: model("mapping", "Latents to the w vectors of a generator."),
    synthesis: model("synthesis", "The w vectors of a generator to pictures."),
    description: about,
  };
}

type Builders = Record<"mapping" | "synthesis", (root: Part) => void>;

/** The one place that knows how to export every architecture. */
function builders(description: NetworkDescription, { numWs, growth }: GrownOptions): Builders {
  const { architecture, config } = description;
  switch (architecture) {
    case "stylegan2":
      return {
        mapping: (root) => stylegan2Mapping(root, config, numWs),
        synthesis: (root) => stylegan2Synthesis(root, config, numWs),
      };
    case "stylegan2-minimal":
      return {
        mapping: (root) => minimalMapping(root, config, numWs),
        synthesis: (root) => minimalSynthesis(root, config, numWs),
      };
    case "stylegan1":
      return {
        mapping: (root) => stylegan1Mapping(root, config, numWs),
        synthesis: (root) => stylegan1Synthesis(root, config, { numWs, growth }),
      };
    case "progan":
      return {
        mapping: (root) => proganMapping(root, config),
        synthesis: (root) => proganSynthesis(root, config, growth),
      };
    default:
      throw new UserError(`networks of the architecture ${architecture} cannot be exported yet`);
  }
}
