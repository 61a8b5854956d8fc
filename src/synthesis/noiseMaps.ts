// The noise maps that a generator stores, which `noiseMode: "const"` uses.

import type { Generator } from "../networks/network.js";
import type { Tensor } from "../torch/tensor.js";

/** The stored maps [H, W], in order; the generator keeps owning them. There are none in a ProGAN. */
export function noiseMapsOf(G: Generator): Tensor[] {
  // `synthesis.b8.conv0.noise_const` in StyleGAN2, `….epi1.top_epi.noise.const` in StyleGAN.
  return G.namedBuffers()
    .filter(([name]) => /noise[._]const$/.test(name))
    .map(([, map]) => map);
}

/**
 * Runs `body` while the generator's stored maps are `maps`, as variables that gradients can be asked for. Afterwards it
 * has its own again.
 * @param maps one for each of `noiseMapsOf(G)`, of the same shapes
 */
export function withNoiseMaps<T>(G: Generator, maps: readonly Tensor[], body: (leaves: Tensor[]) => T): T {
  const leaves = noiseMapsOf(G);
  const own = leaves.map((leaf) => leaf.detach());
  try {
    for (const [i, leaf] of leaves.entries()) {
      leaf.setData(maps[i] as Tensor);
      leaf.setRequiresGrad(true);
    }
    return body(leaves);
  } finally {
    for (const [i, leaf] of leaves.entries()) {
      leaf.setRequiresGrad(false);
      leaf.setData(own[i] as Tensor);
      own[i]?.dispose();
    }
  }
}
