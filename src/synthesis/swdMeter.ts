// The sliced Wasserstein distance of a generator to a data set.

import { metricImagesOf } from "../metrics/names.js";
import type { MetricImageSet } from "../metrics/reals.js";
import { readPictures, spreadIndices } from "../metrics/reals.js";
import { SwdReference, type SwdResult } from "../metrics/swd.js";
import type { Generator } from "../networks/network.js";
import type { Device, Tensor } from "../torch/tensor.js";
import { latentsOfSeeds } from "./latents.js";
import { renderLatents } from "./render.js";

// Pictures computed at once: enough to keep the cores busy, few enough for 1024 px.
const batch = 8;

/** Real pictures with their classes. A `Dataset` is one. */
export interface LabelledImageSet extends MetricImageSet {
  /** Class index of an image; -1 when unconditional. */
  label(index: number): number;
}

export interface SwdMeterOptions {
  zDim: number;
  /** Pictures of each kind. Default: all of the data, at most `defaultMetricImages`. */
  images?: number | undefined;
  /** Start of the metric's random numbers; values of different seeds do not compare. Default 0. */
  seed?: number;
  device?: Device;
}

/**
 * Measures generators against the same real pictures, whose part of the work is done once. The fakes are those of the
 * seeds 0, 1, 2, … without truncation, of the classes of the reals.
 */
export class SwdMeter {
  /** Pictures of each kind. */
  readonly images: number;
  readonly #reference: SwdReference;
  readonly #z: Tensor;
  readonly #classes: readonly number[];

  constructor(dataset: LabelledImageSet, options: SwdMeterOptions) {
    const { zDim, seed = 0, device = "cpu" } = options;
    this.images = options.images ?? metricImagesOf(dataset.length);
    const indices = spreadIndices(dataset.length, this.images);
    this.#classes = indices.map((index) => dataset.label(index));
    this.#reference = new SwdReference(readPictures(dataset, indices), { seed, device });
    const seeds = Array.from({ length: this.images }, (_, i) => i);
    this.#z = latentsOfSeeds(seeds, zDim).keep();
  }

  measure(G: Generator): SwdResult {
    const classes = this.#classes;
    return this.#reference.distance(renderLatents(G, { z: this.#z, classes, noiseMode: "const", batch }));
  }

  dispose(): void {
    this.#reference.dispose();
    this.#z.dispose();
  }
}
