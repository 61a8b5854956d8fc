// What suits a set of pictures, for those who begin. Rules of thumb; each line says its reason.

import { type PresetName, presets } from "./presets.js";

export interface SetFacts {
  /** Without copies and what else is no use. */
  pictures: number;
  /** What nine tenths of the pictures have on the shorter side, in pixels. */
  shorterSide: number;
  /** Left and right differ in the mean of the pictures. */
  isSided: boolean;
}

export interface Advice {
  /** Sides in pixels: on a processor, on a graphics card. */
  resolution: { cpu: number; gpu: number };
  cfg: { cpu: PresetName; gpu: PresetName };
  mirror: boolean;
  aug: boolean;
  kimg: { cpu: number; gpu: number };
  /** A line for each, why. */
  reasons: string[];
}

/** ADA's paper finds that sets of 140,000 shown pictures need no augmentation, and those below lose without (figure 1). */
const needsNoAugmentation = 140_000;

/** On a processor a picture's sides cost too much beyond it. */
const cpuResolution = 64;
const gpuResolution = 256;

export function adviceFor({ pictures, shorterSide, isSided }: SetFacts): Advice {
  const most = 2 ** Math.max(2, Math.floor(Math.log2(Math.max(shorterSide, 4))));
  const resolution = { cpu: Math.min(most, cpuResolution), gpu: Math.min(most, gpuResolution) };
  const mirror = !isSided;
  const shown = pictures * (mirror ? 2 : 1);
  const aug = shown < needsNoAugmentation;
  const preset = presets["stylegan2-small"].values().kimg[0];
  // A preset's length is for a hundred pictures (docs/RUNS.md); more are shown less often each, but at least 75 times.
  const cpu = Math.min(Math.max(preset, roundTo(pictures * 0.15, 10)), 1000);
  const gpu = Math.min(Math.max(1000, roundTo(pictures, 1000)), 25_000);
  return {
    ...{ resolution, mirror, aug, kimg: { cpu, gpu } },
    cfg: { cpu: "stylegan2-small", gpu: "stylegan2" },
    reasons: [
      `resolution: nine tenths of the pictures have ${shorterSide} px or more on the shorter side`,
      mirror
        ? "mirror: left and right are alike in the mean of all; leave it out where they matter, as in letters"
        : "no mirror: left and right differ in the mean of all pictures",
      ...(aug ? ["aug: without, a set of this size is learned by heart in long runs"] : []),
      "length: a rule of thumb by the number of pictures; watch the pictures, and --dry-run for the time",
    ],
  };
}

function roundTo(value: number, unit: number): number {
  return Math.round(value / unit) * unit;
}
