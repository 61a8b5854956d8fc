// Equivariance: whether a generator that is told to move or turn its picture shows what moving or turning the picture
// gives. Karras et al., "Alias-Free Generative Adversarial Networks" (2021), section 4.1 and appendix E: EQ-T and EQ-R.
// What stands here knows pictures alone; how a generator's input is transformed is the caller's affair.

import { noGrad } from "../torch/autograd.js";
import { sinc } from "../torch/numeric.js";
import { conv2d, ones, pad2d, zeros } from "../torch/ops.js";
import { type Tensor, tensor } from "../torch/tensor.js";
import { lanczosWindow, lobes } from "./lanczos.js";

/** Transformed pictures [N, C, H, W], and where they can be compared: ones in [1, 1, H, W]. */
export interface Transformed {
  images: Tensor;
  mask: Tensor;
}

/** `images` moved by whole pixels to the right and down. */
export function translateByPixels(images: Tensor, shift: { x: number; y: number }): Transformed {
  return noGrad(() => ({
    images: placed(images, shift, images),
    mask: placed(ones([1, 1, images.size(2), images.size(3)]), shift, images),
  }));
}

/** `images` moved by fractions of pixels too, by a windowed sinc in each direction. */
export function translate(images: Tensor, { x, y }: { x: number; y: number }): Transformed {
  return noGrad(() => {
    const [wholeX, wholeY] = [Math.floor(x), Math.floor(y)];
    const across = filter2d(images, shiftFilter(x - wholeX), [1, 2 * lobes]);
    const filtered = filter2d(across, shiftFilter(y - wholeY), [2 * lobes, 1]);
    // The first tap of the filter is that of a shift by -(lobes - 1), and all of them meet pixels from the last one's on.
    const [height, width] = images.shape.slice(2).map((size) => Math.max(size - 2 * lobes + 1, 0));
    return {
      images: placed(filtered, { x: wholeX - (lobes - 1), y: wholeY - (lobes - 1) }, images),
      mask: placed(
        ones([1, 1, height as number, width as number]),
        { x: wholeX + lobes, y: wholeY + lobes },
        images,
      ),
    };
  });
}

/** Taps of a shift by `fraction` in [0, 1), from -(lobes - 1) to lobes; their sum is 1. */
function shiftFilter(fraction: number): Tensor {
  const distances = Array.from({ length: 2 * lobes }, (_, i) => i - (lobes - 1) - fraction);
  const x = tensor(distances, [2 * lobes], "float64");
  const taps = sinc(x).mul(lanczosWindow(x));
  return taps.div(taps.sum());
}

/** The whole convolution of each channel with `filter`, [rows, columns]: as much larger as the filter reaches. */
function filter2d(images: Tensor, filter: Tensor, [rows, columns]: [number, number]): Tensor {
  const [n, c, height, width] = images.shape as [number, number, number, number];
  const padded = pad2d(images.reshape([n * c, 1, height, width]), {
    ...{ left: columns - 1, right: columns - 1, top: rows - 1, bottom: rows - 1 },
  });
  const weight = filter.flip([0]).to("float32").toDevice(images.device);
  const result = conv2d(padded, weight.reshape([1, 1, rows, columns]));
  return result.reshape([n, c, result.size(2), result.size(3)]);
}

/** `source` with its corner at `shift` on an empty picture as large as `like`. */
function placed(source: Tensor, shift: { x: number; y: number }, like: Tensor): Tensor {
  const [height, width] = [like.size(2), like.size(3)];
  const target = zeros([source.size(0), source.size(1), height, width], { device: like.device });
  const rows = overlap(source.size(2), height, shift.y);
  const columns = overlap(source.size(3), width, shift.x);
  if (rows.length > 0 && columns.length > 0) {
    const part = (of: Tensor, end: "from" | "to") =>
      of.narrow(2, rows[end], rows.length).narrow(3, columns[end], columns.length);
    part(target, "to").copy_(part(source, "from"));
  }
  return target;
}

/** What of a line of `source` pixels lies on one of `target` when it starts at `shift`. */
function overlap(
  source: number,
  target: number,
  shift: number,
): { from: number; to: number; length: number } {
  const to = Math.max(shift, 0);
  return { from: to - shift, to, length: Math.max(Math.min(source + shift, target) - to, 0) };
}

/** Squared errors over any number of pictures, as decibels. */
export class ErrorSum {
  #squares = 0;
  #count = 0;

  /** `made` by the generator against `wanted`, where both masks are 1. */
  add(made: Tensor, wanted: Tensor, masks: readonly Tensor[]): void {
    noGrad(() => {
      const mask = masks.reduce((product, factor) => product.mul(factor)).to("float64");
      this.#squares += made.sub(wanted).to("float64").square().mul(mask).sum().item();
      this.#count += mask.sum().item() * made.size(0) * made.size(1);
    });
  }

  /** PSNR = 10 log₁₀ (I² / E(error²)) with I = 2, the range of pictures in [-1, 1] */
  get decibels(): number {
    return 10 * Math.log10(2 ** 2 / (this.#squares / this.#count));
  }
}
