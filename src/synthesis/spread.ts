// How far apart a generator's latents are, from w to pixels: where one makes the same picture for every latent, this
// shows which step brings them together.

import type { Generator } from "../networks/network.js";
import { layersInUse } from "../networks/progressive.js";
import { noGrad } from "../torch/autograd.js";
import { cat, linear } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { latentsOfSeeds } from "./latents.js";
import { mapLatents, type SynthesisOptions, synthesizeImages } from "./render.js";

/** Standard deviations: the root of the variance of an element, averaged over elements. */
export interface LatentSpread {
  /** Of w over z. */
  w: number;
  /** Over z, of the styles of the layers that read each w, in order; none where w is no style. */
  styles: number[];
  /** Of the pixels over z, all with one noise, in units of [-1, 1]. */
  pixels: number;
  /** Of the pixels over noise, all of one z, in the same units. */
  noise: number;
}

/** The spread over the latents of the seeds from 0 to `samples` - 1; of a network with classes, in the first one. */
export function latentSpread(
  G: Generator,
  { samples, batch }: { samples: number; batch: number },
): LatentSpread {
  return noGrad(() =>
    scope(() => {
      const seeds = Array.from({ length: samples }, (_, seed) => seed);
      const ws = mapLatents(G, { z: latentsOfSeeds(seeds, G.zDim), classes: seeds.map(() => 0) });
      const one = ws.narrow(0, 0, 1).expand([samples, -1, -1]);
      return {
        w: deviation(ws.select(1, 0)),
        styles: stylesSpread(G, ws),
        pixels: deviation(images(G, ws, { batch, noiseMode: "const" })),
        noise: deviation(images(G, one, { batch, noiseMode: "random" })),
      };
    }),
  );
}

function stylesSpread(G: Generator, ws: Tensor): number[] {
  const affines = G.styleAffines();
  if (affines.length === 0) return [];
  return Array.from({ length: layersInUse(G) }, (_, i) => {
    const readers = affines.filter(({ wIndex }) => wIndex === i);
    const w = ws.select(1, i);
    // The bias is the same for every latent.
    return deviation(
      cat(
        readers.map(({ weight }) => linear(w, weight)),
        1,
      ),
    ); // [N, styles]
  });
}

function images(G: Generator, ws: Tensor, { batch, noiseMode }: SynthesisOptions): Tensor {
  const parts: Tensor[] = [];
  for (let start = 0; start < ws.size(0); start += batch) {
    const count = Math.min(batch, ws.size(0) - start);
    parts.push(synthesizeImages(G, ws.narrow(0, start, count), noiseMode));
  }
  return cat(parts, 0);
}

/** √(mean over elements of the unbiased variance over the first dimension of x). */
function deviation(x: Tensor): number {
  const squares = x
    .sub(x.mean([0], true))
    .square()
    .mean()
    .item();
  return Math.sqrt((squares * x.size(0)) / (x.size(0) - 1));
}
