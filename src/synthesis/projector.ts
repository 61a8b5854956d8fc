// From a picture to the latent that gives it.
// Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), section 5 and appendix D.
//
// Legend of shapes: N batch, L layers (numWs), V vectors that are searched: 1 in W, L in W+.

import { setImmediate } from "node:timers/promises";
import { noiseRegularization, normalizeNoise } from "../losses/noiseRegularization.js";
import { multiScaleDistance, type PictureDistance, squaredDistance } from "../losses/pictureDistance.js";
import type { Generator } from "../networks/network.js";
import { RandomState } from "../numpy/randomState.js";
import { Adam } from "../torch/adam.js";
import { grad, noGrad } from "../torch/autograd.js";
import { FlatParameters } from "../torch/flat.js";
import { Module } from "../torch/module.js";
import { avgPool2d, cat } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import { type Device, type Shape, type Tensor, tensor } from "../torch/tensor.js";
import type { LatentSpace } from "./choices.js";
import { latentsOfSeed } from "./latents.js";
import { noiseMapsOf, withNoiseMaps } from "./noiseMaps.js";
import type { Picture } from "./picture.js";
import { learningRate, noiseDeviation, projectionDefaults } from "./projectionSchedule.js";
import { deviceOf, mapLatents, synthesizeImages, toPictures } from "./render.js";

export interface ProjectorOptions {
  /** Square, of the generator's resolution. */
  target: Picture;
  /** Default `w`. */
  space?: LatentSpace;
  /** Default 1000. */
  steps?: number;
  /** Of the noise at the start; the same seed gives the same latent. Default 303. */
  seed?: number;
  /** Class index for a conditional generator. Default 0. */
  classIndex?: number;
  /** What is made small. Default `multiScaleDistance`. */
  distance?: PictureDistance;
}

export interface ProjectionStep {
  /** Steps done. */
  step: number;
  /** Of all. */
  steps: number;
  /** To the target, of the picture of this step, noise on w included. */
  distance: number;
  /** Of the noise maps, without its weight; 0 for a generator without. */
  noiseRegularization: number;
  lr: number;
}

/** What is optimized. */
class Latents extends Module {
  readonly w: Tensor; // [1, V, wDim]
  readonly noise: readonly Tensor[]; // [H, W] each

  constructor(w: Tensor, noise: readonly Tensor[]) {
    super();
    this.w = this.parameter("w", w);
    this.noise = noise.map((map, i) => this.parameter(`noise.${i}`, map));
  }
}

/** One search for a latent, a step at a time. Between its steps the generator is as it was. */
export class Projector {
  readonly steps: number;
  readonly distance: PictureDistance;
  readonly #G: Generator;
  readonly #device: Device;
  readonly #random: RandomState;
  readonly #latents: Latents;
  readonly #flat: FlatParameters;
  readonly #adam: Adam;
  /** σ_w: root of the mean squared distance of w from its mean. */
  readonly #wDeviation: number;
  readonly #targetFeatures: Tensor; // [1, F]
  #step = 0;

  /** @param G stays the caller's */
  constructor(G: Generator, options: ProjectorOptions) {
    const { target, space = "w", seed = projectionDefaults.seed, classIndex = 0 } = options;
    const { resolution } = G;
    if (target.width !== resolution || target.height !== resolution)
      throw new Error(
        `projector: the target has ${target.width}x${target.height} pixels, expected ${resolution}x${resolution}`,
      );
    this.steps = options.steps ?? projectionDefaults.steps;
    this.distance = options.distance ?? multiScaleDistance;
    this.#G = G;
    this.#device = deviceOf(G);
    this.#random = new RandomState(seed);
    const { mean, deviation } = wStatistics(G, classIndex);
    this.#wDeviation = deviation;
    this.#latents = noGrad(() => {
      const w = mean.expand([1, space === "w" ? 1 : G.numWs, -1]).clone("contiguous");
      const maps = noiseMapsOf(G).map((map) => this.#randn(map.shape));
      normalizeNoise(maps);
      return new Latents(w, maps);
    });
    mean.dispose();
    this.#flat = new FlatParameters(this.#latents);
    const { lr, beta1, beta2, eps } = projectionDefaults;
    this.#adam = new Adam(this.#flat, { lr, beta1, beta2, eps });
    this.#targetFeatures = noGrad(() => this.distance.features(this.#likeImages(target))).keep();
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  /** The latent so far: ws [1, L, wDim], owned by the caller. */
  ws(): Tensor {
    return noGrad(() => this.#layers(this.#latents.w.detach()).clone("contiguous"));
  }

  /** The images of the latent so far, with the generator's own noise maps: [1, 3, resolution, resolution], owned by the
   * caller. */
  images(): Tensor {
    return noGrad(() => synthesizeImages(this.#G, this.#layers(this.#latents.w.detach()), "const"));
  }

  /** From the target to the picture of the latent so far, with the generator's own noise maps. */
  distanceNow(): number {
    return noGrad(() => this.#distanceOf(this.#layers(this.#latents.w.detach())).item());
  }

  /** One step of the optimization. */
  advance(): ProjectionStep {
    const t = this.#step / this.steps;
    const lr = learningRate(t);
    const result = scope(() => {
      const { w, noise } = this.#latents;
      const deviation = noiseDeviation(t) * this.#wDeviation;
      const noisy = deviation > 0 ? w.add(this.#randn(w.shape).mul(deviation)) : w;
      const step = withNoiseMaps(this.#G, noise, (maps) => {
        const distance = this.#distanceOf(this.#layers(noisy));
        const regularization = noiseRegularization(maps);
        const loss = regularization
          ? distance.add(regularization.mul(projectionDefaults.regularizeNoise))
          : distance;
        const gradients = grad([loss], [w, ...maps]);
        for (const [i, parameter] of this.#flat.parameters.entries())
          parameter.setGrad(gradients[i] as Tensor);
        return { distance: distance.item(), noiseRegularization: regularization?.item() ?? 0 };
      });
      this.#adam.lr = lr;
      this.#adam.step();
      normalizeNoise(noise);
      return step;
    });
    this.#step += 1;
    return { step: this.#step, steps: this.steps, ...result, lr };
  }

  dispose(): void {
    this.#latents.dispose();
    this.#flat.dispose();
    this.#adam.dispose();
    this.#targetFeatures.dispose();
  }

  /** w [1, V, wDim] to ws [1, L, wDim]. */
  #layers(w: Tensor): Tensor {
    return w.expand([1, this.#G.numWs, -1]);
  }

  /** ws [1, L, wDim] to a scalar. */
  #distanceOf(ws: Tensor): Tensor {
    const images = this.#G.synthesize(ws, { noiseMode: "const" });
    return squaredDistance(this.distance.features(images), this.#targetFeatures).sum();
  }

  /** The target as the generator gives images: [1, 3, H, W], smaller while it has not grown fully. */
  #likeImages({ pixels, width, height }: Picture): Tensor {
    return scope(() => {
      const image = tensor(pixels, [1, height, width, 3]).toDevice(this.#device).to("float32");
      // The middle of what becomes this byte: see `toPictures`.
      const target = image.permute([0, 3, 1, 2]).div(127.5).sub(1);
      const size = this.#G.synthesize(this.#layers(this.#latents.w.detach()), { noiseMode: "none" }).size(3);
      return size === width ? target : avgPool2d(target, width / size);
    });
  }

  #randn(shape: Shape): Tensor {
    const count = shape.reduce((product, size) => product * size, 1);
    return tensor(Float32Array.from(this.#random.randn(count)), shape).toDevice(this.#device);
  }
}

/** μ_w [wDim], owned by the caller, and σ_w, of 10,000 latents. */
function wStatistics(G: Generator, classIndex: number): { mean: Tensor; deviation: number } {
  const { wSamples, wSeed } = projectionDefaults;
  const part = 1000; // so many at once, so that memory stays small
  const classes = new Uint32Array(part).fill(classIndex);
  return noGrad(() => {
    const z = latentsOfSeed(wSeed, wSamples, G.zDim);
    const parts = Array.from({ length: wSamples / part }, (_, i) =>
      scope(() => mapLatents(G, { z: z.narrow(0, i * part, part), classes }).select(1, 0)),
    );
    const w = cat(parts, 0); // [wSamples, wDim]
    const mean = w.mean([0]);
    return { mean, deviation: Math.sqrt(w.sub(mean).square().sum([1]).mean().item()) };
  });
}

export interface Projection {
  /** [1, L, wDim], owned by the caller. */
  ws: Tensor;
  /** What the generator makes of `ws`, with its own noise maps. */
  picture: Picture;
  /** Steps done: fewer than asked for if it was stopped. */
  steps: number;
  /** From the target to the mean picture, where the search began. */
  initialDistance: number;
  /** From the target to `picture`. */
  distance: number;
}

export interface ProjectOptions extends ProjectorOptions {
  /** Called after each step. */
  onStep?: (step: ProjectionStep, projector: Projector) => void | Promise<void>;
  /** Asked after each step; true ends the search, and what was found so far is returned. */
  shouldStop?: () => boolean;
}

/**
 * Searches the latent whose picture is most like the target, by the published schedule.
 * @param G stays the caller's
 */
export async function project(G: Generator, options: ProjectOptions): Promise<Projection> {
  const { onStep, shouldStop = () => false, ...rest } = options;
  const projector = new Projector(G, rest);
  try {
    const initialDistance = projector.distanceNow();
    do {
      const step = projector.advance();
      await onStep?.(step, projector);
      await setImmediate(); // for signals and timers
    } while (projector.step < projector.steps && !shouldStop());
    const [picture] = scope(() => toPictures(projector.images())) as [Picture];
    const { step: steps } = projector;
    return { ws: projector.ws().keep(), picture, steps, initialDistance, distance: projector.distanceNow() };
  } finally {
    projector.dispose();
  }
}
