// The mapping network f: Z -> W.
// Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks" (2019), section 2.

import { type EqualizedOptions, FullyConnected } from "../layers/equalized.js";
import { pixelNorm } from "../layers/normalization.js";
import { noGrad } from "../torch/autograd.js";
import { Module } from "../torch/module.js";
import { cat, zeros } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import type { TruncationOptions } from "./network.js";

export interface MappingOptions {
  /** 0: the class alone is mapped, as the discriminator does. */
  zDim: number;
  /** 0: no classes. */
  cDim: number;
  wDim: number;
  layers: number;
  lrMultiplier: number;
  /** Decay of the running mean of w; without it none is kept. */
  wAvgBeta?: number;
  /** Default: StyleGAN2's. */
  form?: MappingForm;
}

/** How the mapping networks of the family differ; each is layers with leaky ReLU. */
export interface MappingForm {
  /** Of a state dictionary. */
  layerName(i: number): string;
  layer: EqualizedOptions;
  /** What is done to z before the first layer. Default: its mean square becomes 1. */
  normalize?(z: Tensor): Tensor;
}

const stylegan2Form: MappingForm = { layerName: (i) => `fc${i}`, layer: {} };

export class MappingNetwork extends Module {
  readonly wAvg: Tensor | undefined; // [wDim]
  readonly #options: MappingOptions;
  readonly #embed: FullyConnected | undefined;
  readonly #layers: FullyConnected[];
  readonly #normalize: (z: Tensor) => Tensor;

  constructor(options: MappingOptions) {
    super();
    const { zDim, cDim, wDim, layers, lrMultiplier, wAvgBeta, form = stylegan2Form } = options;
    this.#normalize = form.normalize ?? pixelNorm;
    this.#options = options;
    this.#embed = cDim > 0 ? this.child("embed", new FullyConnected(cDim, wDim)) : undefined;
    const inFeatures = zDim + (cDim > 0 ? wDim : 0);
    this.#layers = Array.from({ length: layers }, (_, i) =>
      this.child(
        form.layerName(i),
        new FullyConnected(i === 0 ? inFeatures : wDim, wDim, {
          ...form.layer,
          activation: "lrelu",
          lrMultiplier,
        }),
      ),
    );
    this.wAvg = wAvgBeta === undefined ? undefined : this.buffer("w_avg", zeros([wDim]));
  }

  /** z [N, zDim] (null when zDim is 0) and classes c [N, cDim] (null when cDim is 0) to w [N, wDim]. */
  forward(z: Tensor | null, c: Tensor | null): Tensor {
    return scope(() => {
      const parts: Tensor[] = [];
      if (z) parts.push(this.#normalize(z));
      if (this.#embed) {
        if (!c) throw new Error("mapping: this network is conditional and needs classes");
        parts.push(pixelNorm(this.#embed.forward(c)));
      }
      let x = parts.length > 1 ? cat(parts, 1) : (parts[0] as Tensor);
      for (const layer of this.#layers) x = layer.forward(x);
      return x;
    });
  }

  /** Moves the running mean of w: w_avg = β w_avg + (1 - β) mean(w). */
  updateWAvg(w: Tensor): void {
    const { wAvg } = this;
    const beta = this.#options.wAvgBeta;
    if (!wAvg || beta === undefined) throw new Error("mapping: this network keeps no mean of w");
    noGrad(() => wAvg.lerp_(w.detach().mean([0]), 1 - beta));
  }
}

/** One w for every layer: [N, wDim] to [N, numWs, wDim]. */
export function broadcastWs(w: Tensor, numWs: number): Tensor {
  return scope(() => w.unsqueeze(1).expand([-1, numWs, -1]));
}

/**
 * The truncation trick: ws [N, numWs, wDim] move towards the mean of w, w' = w̄ + ψ (w - w̄), in the first
 * `truncationCutoff` layers. Karras et al. (2019), appendix B.
 */
export function truncate(ws: Tensor, wAvg: Tensor, options: TruncationOptions): Tensor {
  const { truncationPsi: psi = 1, truncationCutoff } = options;
  const numWs = ws.size(1);
  const cutoff = Math.min(truncationCutoff ?? numWs, numWs);
  if (psi === 1 || cutoff === 0) return ws;
  return scope(() => {
    const truncated = ws.narrow(1, 0, cutoff).sub(wAvg).mul(psi).add(wAvg);
    return cutoff === numWs ? truncated : cat([truncated, ws.narrow(1, cutoff, numWs - cutoff)], 1);
  });
}
