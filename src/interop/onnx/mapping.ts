// What the mapping models of the networks share: z to w, and the truncation trick.

import type { Graph, Value } from "./graph.js";
import { batch } from "./layers.js";
import * as ops from "./ops.js";
import type { Part } from "./part.js";

export function zInput(g: Graph, zDim: number): Value {
  return g.input("z", [batch, zDim], "latents, samples of N(0, 1)");
}

/** What the caller decides per layer: 1 leaves w as it is, 0 gives its mean. */
export function truncationInput(g: Graph, numWs: number): Value {
  return g.input(
    "truncation_psi",
    [numWs],
    "truncation of each layer: 1 leaves its w as it is, 0 gives the mean of w",
  );
}

/** w [N, wDim] to ws [N, L, wDim] with w' = w̄ + ψ (w - w̄) for the ψ [L] of each layer; w̄ is the part's `w_avg`. */
export function truncateAndBroadcast(part: Part, { w, psi }: { w: Value; psi: Value }): Value {
  const { g } = part;
  const wAvg = part.constant("w_avg", part.tensor("w_avg"));
  const difference = ops.unsqueeze(g, ops.sub(g, w, wAvg), 1); // [N, 1, wDim]
  return ops.add(g, ops.mul(g, difference, ops.unsqueeze(g, psi, 0, 2)), wAvg);
}

export function wsOutput(g: Graph, ws: Value): void {
  g.output("ws", ws, "one w for each layer; rows of several samples mixed are a style mix");
}

export function wsInput(g: Graph, { numWs, wDim }: { numWs: number; wDim: number }): Value {
  return g.input("ws", [batch, numWs, wDim], "one w for each layer, as the mapping model makes them");
}

export function noiseInput(g: Graph): Value {
  return g.input("noise", [], "what the stored noise maps are multiplied by: 1 with noise, 0 without");
}

export function imageOutput(g: Graph, image: Value): void {
  g.output("image", image, "pictures, RGB in about [-1, 1]");
}
