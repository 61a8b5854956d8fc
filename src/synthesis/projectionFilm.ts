// What a projection looked like on its way: the target on the left, the picture so far on the right.

import { writeFileBeside } from "../system/atomicFile.js";
import { avgPool2d, upsampleNearest2d } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import { type Tensor, tensor } from "../torch/tensor.js";
import { encodeAnimation } from "./film.js";
import { type Picture, tile } from "./picture.js";
import type { Projector } from "./projector.js";
import { toPictures } from "./render.js";

const maxFrames = 120;
const frameMs = 50;
/** The last frame stays longer, before it begins again. */
const lastFrameMs = 2000;
/** Sides of the pictures: large enough to see, small enough for all frames to be in memory. */
const minSide = 128;
const maxSide = 256;

export class ProjectionFilm {
  readonly #frames: Picture[] = [];
  readonly #every: number;
  readonly #target: Picture;

  /** @param steps of the whole projection */
  constructor(target: Picture, steps: number) {
    this.#every = Math.ceil(steps / maxFrames);
    const { pixels, width, height } = target;
    this.#target = scope(() => {
      const image = tensor(pixels, [1, height, width, 3]).to("float32").permute([0, 3, 1, 2]);
      return onScreen(image.div(127.5).sub(1));
    });
  }

  /** After each step: takes a frame if it is time for one. The first and the last step always are. */
  add(projector: Projector): void {
    const { step, steps } = projector;
    if (step % this.#every === 0 || step === 1 || step === steps) this.#frames.push(this.#frame(projector));
  }

  /** Writes an animated WebP of the frames so far, which loops. */
  async write(file: string): Promise<void> {
    const frames = this.#frames;
    const [{ width, height }] = frames as [Picture];
    const delaysMs = frames.map((_, i) => (i === frames.length - 1 ? lastFrameMs : frameMs));
    const pixels = Buffer.concat(frames.map((frame) => frame.pixels));
    await writeFileBeside(file, await encodeAnimation("webp", { width, height, pixels, delaysMs }));
  }

  #frame(projector: Projector): Picture {
    const picture = scope(() => onScreen(projector.images()));
    return tile([this.#target, picture], 2);
  }
}

/** The first of images [N, 3, H, W] as a picture of a size to look at. */
function onScreen(images: Tensor): Picture {
  const side = images.size(3);
  let scaled = images;
  if (side > maxSide) scaled = avgPool2d(images, side / maxSide);
  else if (side < minSide) scaled = upsampleNearest2d(images, minSide / side);
  return toPictures(scaled)[0] as Picture;
}
