// Histograms of a network's weights and activations, on request: whether layers die, saturate or run away.

import type { Discriminator, Generator } from "../networks/network.js";
import type { Histogram } from "../protocol/runFiles.js";
import { classRows, latentsOfSeed } from "../synthesis/latents.js";
import { noGrad } from "../torch/autograd.js";
import type { Module } from "../torch/module.js";
import { Tensor } from "../torch/tensor.js";
import { ValueHistogram } from "./valueHistogram.js";

// Pictures whose activations are counted.
const samples = 8;

/**
 * By name ("Histogram/weights/G.synthesis.b8.conv0.weight", "Histogram/activations/D.b8"): every parameter of G and D, and
 * what each of their parts makes of the same latents and noise at every call. Draws no random number of the training's.
 */
export function networkHistograms({
  G,
  D,
  seed,
}: {
  G: Generator;
  D: Discriminator;
  seed: number;
}): Record<string, Histogram> {
  const histograms: Record<string, Histogram> = {};
  const networks: [string, Module][] = [
    ["G", G],
    ["D", D],
  ];
  for (const [prefix, network] of networks)
    for (const [name, parameter] of network.namedParameters(`${prefix}.`))
      histograms[`Histogram/weights/${name}`] = histogramOf(parameter);
  const see = (name: string, output: Tensor) => {
    histograms[`Histogram/activations/${name}`] = histogramOf(output);
  };
  const ends = networks.map(([prefix, network]) => watchOutputs(network, prefix, see));
  try {
    noGrad(() => {
      const { device } = G.parameters()[0] as Tensor;
      const z = latentsOfSeed(seed, samples, G.zDim).toDevice(device);
      const c = classRows(
        Array.from({ length: samples }, (_, i) => i % G.cDim),
        G.cDim,
        device,
      );
      D.forward(G.synthesize(G.map(z, c), { noiseMode: "const" }), c);
    });
  } finally {
    for (const end of ends) end();
  }
  return histograms;
}

function histogramOf(values: Tensor): Histogram {
  const histogram = new ValueHistogram();
  const numbers = noGrad(() => values.detach().to("float32").toFloat32Array());
  for (const value of numbers) if (Number.isFinite(value)) histogram.add(value);
  return histogram.histogram;
}

/** Calls `see` with the output of every `forward` of the network and its parts, until the function it returns is called. */
function watchOutputs(module: Module, name: string, see: (name: string, output: Tensor) => void): () => void {
  const own = module as Module & { forward?: (...args: unknown[]) => unknown };
  const { forward } = own;
  if (forward)
    own.forward = (...args) => {
      const output = forward.apply(module, args);
      if (output instanceof Tensor) see(name, output);
      return output;
    };
  const ends = module.namedChildren().map(([child, part]) => watchOutputs(part, `${name}.${child}`, see));
  return () => {
    if (forward) delete own.forward;
    for (const end of ends) end();
  };
}
