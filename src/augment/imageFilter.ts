// Filtering in image space: four bands of frequencies, each made stronger or weaker.
// Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix B.

import { UserError } from "../system/errors.js";
import { conv2d, reflectionPad2d } from "../torch/ops.js";
import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import type { Draws } from "./draws.js";
import { tensorLike } from "./tensorLike.js";
import { convolve, sym2 } from "./wavelets.js";

const filterStd = 1; // of log2 of a band's gain
/** The power of natural pictures in the four bands, which goes as 1 / f. */
const expectedPower = [10 / 13, 1 / 13, 1 / 13, 1 / 13] as const;

/** Taps of the four band-pass filters, lowest band first, all of one length; their sum leaves a picture as it is. */
const bands = filterBank();

/** Pixels that a filter reaches: a picture has to have more on each side. */
export const filterReach = (bands[0]!.length - 1) / 2;

/** One filter for each picture whose bands change; undefined: it stays as it is. */
export function drawFilter(strength: number, p: number, draws: Draws): number[] | undefined {
  if (strength === 0) return undefined;
  let gains = bands.map(() => 1);
  for (const i of bands.keys()) {
    if (!draws.chance(strength * p)) continue;
    const t = bands.map((_, j) => (i === j ? 2 ** (filterStd * draws.normal()) : 1));
    const power = t.reduce((sum, gain, j) => sum + expectedPower[j]! * gain ** 2, 0);
    gains = gains.map((gain, j) => (gain * t[j]!) / Math.sqrt(power));
  }
  if (gains.every((gain) => gain === 1)) return undefined;
  return bands[0]!.map((_, k) => gains.reduce((sum, gain, j) => sum + gain * bands[j]![k]!, 0));
}

/** Each picture of `images` [N, C, H, W] filtered in both directions, reflected at its edges. */
export function filterImages(images: Tensor, filters: readonly (readonly number[] | undefined)[]): Tensor {
  if (filters.every((filter) => filter === undefined)) return images.contiguous();
  return scope(() => {
    const [n, c, h, w] = images.shape as [number, number, number, number];
    if (Math.min(h, w) <= filterReach)
      throw new UserError(
        `filtering in image space needs pictures of more than ${filterReach} px; choose an augmentation pipeline without f`,
      );
    const unit = bands[0]!.map((_, k) => (k === filterReach ? 1 : 0));
    const taps = filters.flatMap((filter) => Array.from({ length: c }, () => filter ?? unit).flat());
    const kernel = tensorLike(images, taps, [n * c, 1, 1, unit.length]);
    const edge = { left: filterReach, right: filterReach, top: filterReach, bottom: filterReach };
    const padded = reflectionPad2d(images, edge);
    const flat = padded.reshape([1, n * c, h + 2 * filterReach, w + 2 * filterReach]);
    const across = conv2d(flat, kernel, { groups: n * c });
    return conv2d(across, kernel.permute([0, 1, 3, 2]), { groups: n * c }).reshape([n, c, h, w]);
  });
}

/**
 * The filters that a two-channel orthogonal wavelet decomposition applies and undoes: what its low-pass branch keeps is
 * decomposed again, three times. With L = h hᵣ / 2 and H the same of the high-pass taps (ᵣ: reversed), both of which sum
 * up to a unit impulse, each step puts a zero after every tap of the filters so far, convolves them with L and adds H as
 * the next higher band.
 */
function filterBank(): number[][] {
  const reversed = (taps: readonly number[]) => [...taps].reverse();
  const halfBand = (taps: readonly number[]) => convolve(taps, reversed(taps)).map((value) => value / 2);
  const low = halfBand(sym2);
  const high = halfBand(sym2.map((value, i) => value * (-1) ** i));
  let bank = expectedPower.map((_, i) => [i === 0 ? 1 : 0]);
  for (let i = 1; i < bank.length; i++) {
    const spread = bank.map((taps) => taps.flatMap((tap) => [tap, 0]).slice(0, -1));
    bank = spread.map((taps) => convolve(taps, low));
    const before = (bank[i]!.length - high.length) / 2;
    bank[i] = bank[i]!.map((tap, k) => tap + (high[k - before] ?? 0));
  }
  return bank;
}
