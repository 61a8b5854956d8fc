// Orthogonal wavelets. Daubechies, "Ten Lectures on Wavelets" (1992), table 8.1: symlets, coefficients that sum to √2.

/** Low-pass taps of the symlet with 6 vanishing moments. */
export const sym6 = [
  0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
  0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
  0.0017677118642428036, -0.007800708325034148,
] as const;

/** Low-pass taps of the symlet with 2 vanishing moments. */
export const sym2 = [
  -0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025,
] as const;

/** The polynomial product of two sequences. */
export function convolve(a: readonly number[], b: readonly number[]): number[] {
  const result = new Array<number>(a.length + b.length - 1).fill(0);
  for (const [i, x] of a.entries()) for (const [j, y] of b.entries()) result[i + j]! += x * y;
  return result;
}
