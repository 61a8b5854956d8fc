// How a projection proceeds. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), appendix D.
// Where the paper leaves a choice, the released code's, so that its results compare.

export const projectionDefaults = {
  steps: 1000,
  /** Largest learning rate. */
  lr: 0.1,
  /** Shares of the steps in which the learning rate rises from 0, linearly, and falls to 0, along a cosine. */
  lrRampUp: 0.05,
  lrRampDown: 0.25,
  /** Standard deviation of the noise on w at the first step, in units of σ_w. */
  noise: 0.05,
  /** Share of the steps in which that noise falls to 0. */
  noiseRamp: 0.75,
  /** α, the weight of the noise maps' regularization. */
  regularizeNoise: 1e5,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  /** Latents that the mean μ_w and the deviation σ_w are taken of, and their seed. */
  wSamples: 10_000,
  wSeed: 123,
  /** Of the noise maps at the start and the noise on w. */
  seed: 303,
} as const;

/** Learning rate of the step at which the share `t` of all steps, from 0 to 1, is done. */
export function learningRate(t: number): number {
  const { lr, lrRampUp, lrRampDown } = projectionDefaults;
  const down = Math.min(1, (1 - t) / lrRampDown);
  return lr * (0.5 - 0.5 * Math.cos(down * Math.PI)) * Math.min(1, t / lrRampUp);
}

/** Standard deviation of the noise on w, in units of σ_w: 0.05 (1 - t / 0.75)², and 0 from t = 0.75 on. */
export function noiseDeviation(t: number): number {
  const { noise, noiseRamp } = projectionDefaults;
  return noise * Math.max(0, 1 - t / noiseRamp) ** 2;
}
