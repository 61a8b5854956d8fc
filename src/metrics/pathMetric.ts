// The perceptual path length as an entry of the table.

import { noGrad } from "../torch/autograd.js";
import { scope } from "../torch/scope.js";
import { type Tensor, tensor } from "../torch/tensor.js";
import type { NetworkMetric } from "./metric.js";
import { type PathOptions, pathDistances, pathImages, trimmedMean } from "./perceptualPath.js";

const epsilon = 1e-4;

/** @param options full: on whole paths, instead of at their ends */
export function pathMetric(
  name: string,
  { full, ...where }: { full: boolean } & Omit<PathOptions, "epsilon">,
): NetworkMetric {
  const options: PathOptions = { ...where, epsilon };
  return {
    name,
    needs: "network",
    detector: "vgg",
    images: 50_000,
    batch: 16,
    values: [{ name, title: "PPL", better: "lower" }],
    async sample(network, detector, count) {
      network.renewNoise();
      const images = noGrad(() => {
        const [{ z: z0, classes }, { z: z1 }] = [network.draw(count), network.draw(count)];
        const t = tensor(Array.from({ length: count }, () => (full ? network.random() : 0)));
        const walker = {
          // Both ends are of the first one's classes.
          map: (z: Tensor) => network.map(z, repeated(classes, z.size(0))),
          synthesize: (ws: Tensor) => network.synthesize(ws),
        };
        return pathImages(walker, { z0, z1, t }, options);
      });
      const features = await detector.run(images, "lpips");
      const distances = scope(() => pathDistances(features, options).toFloat32Array());
      images.dispose();
      features.dispose();
      return Array.from(distances);
    },
    summarize: (distances) => [trimmedMean(distances)],
  };
}

function repeated(classes: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => classes[i % classes.length] as number);
}
