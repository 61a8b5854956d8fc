// What the entries of the registry say of their networks is true of them.

import { describe, expect, it } from "vitest";
import type { NetworkShape } from "../../src/networks/architecture.js";
import { isProgressive } from "../../src/networks/progressive.js";
import {
  capabilitiesOf,
  createDiscriminator,
  createGenerator,
  describeNetwork,
  networkDescriptionSchema,
} from "../../src/networks/registry.js";
import { classRows } from "../../src/synthesis/latents.js";
import { noGrad } from "../../src/torch/autograd.js";
import { manualSeed, randn } from "../../src/torch/random.js";
import { scope } from "../../src/torch/scope.js";

const shape: NetworkShape = {
  ...{ resolution: 16, classes: 3, zDim: 12, wDim: 12, channelBase: 128, channelMax: 16 },
  ...{ mappingLayers: 2, mappingLrMultiplier: 0.01, wAvgBeta: 0.995, zNorm: "length", convClamp: 256 },
  ...{ mbstdGroupSize: 2, mbstdNumFeatures: 1 },
  ...{ discriminatorArchitecture: "resnet", discriminatorMappingLayers: 2 },
};

const architectures = networkDescriptionSchema.options.map((option) => option.shape.architecture.value);

describe.each(architectures)("%s", (architecture) => {
  it("has what its entry says, and nothing else of it", () => {
    const { mapping, noise, classes, growth } = capabilitiesOf(architecture);
    manualSeed(1);
    const description = describeNetwork(architecture, shape);
    const [G, D] = [createGenerator(description), createDiscriminator(description)];
    noGrad(() =>
      scope(() => {
        for (const [name, tensor] of G.stateDict())
          if (/bias$|noise|w_avg$/.test(name)) tensor.detach().add_(randn(tensor.shape));
        expect(G.cDim > 0).toBe(classes);
        expect([G, D].map(isProgressive)).toEqual([growth, growth]);
        expect(G.styleAffines().length > 0).toBe(mapping);

        const z = randn([2, G.zDim]);
        const map = (truncationPsi: number) =>
          G.map(z, classRows([0, 1], G.cDim), { truncationPsi }).toFloat32Array();
        if (mapping) expect(map(0.5)).not.toEqual(map(1));
        else expect(() => map(0.5)).toThrow(/truncation 0.5 is not possible/);

        const ws = G.map(z, classRows([0, 1], G.cDim));
        const picture = (noiseMode: "const" | "none") => G.synthesize(ws, { noiseMode }).toBytes();
        expect(Buffer.compare(picture("const"), picture("none")) !== 0).toBe(noise);
      }),
    );
    for (const network of [G, D]) network.dispose();
  });
});
