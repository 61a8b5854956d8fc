// What suits a set of pictures, for those who begin. Rules of thumb; each line says its reason.

import { automaticChoice } from "./auto.js";
import type { PresetName } from "./presets.js";

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
  /** What a run takes that is told no configuration. */
  cfg: { cpu: PresetName; gpu: PresetName };
  mirror: boolean;
  aug: boolean;
  /** On a graphics card; on a processor a run measures how far it comes in some hours. */
  kimg: number;
  /** A line for each, why. */
  reasons: string[];
}

/** By ADA's paper (figure 7) augmentation helps with fewer shown pictures, and no longer with so many. */
const needsNoAugmentation = 140_000;

/** On a processor a picture's sides cost too much beyond it. */
const cpuResolution = 64;
const gpuResolution = 256;

export function adviceFor({ pictures, shorterSide, isSided }: SetFacts): Advice {
  const most = 2 ** Math.max(2, Math.floor(Math.log2(Math.max(shorterSide, 4))));
  const resolution = { cpu: Math.min(most, cpuResolution), gpu: Math.min(most, gpuResolution) };
  const mirror = !isSided;
  const aug = pictures * (mirror ? 2 : 1) < needsNoAugmentation;
  const kimg = Math.min(Math.max(Math.round(pictures / 1000), 1) * 1000, 25_000);
  const cfg = {
    cpu: automaticChoice({ device: "cpu", resolution: resolution.cpu }).cfg,
    gpu: automaticChoice({ device: "cuda", resolution: resolution.gpu }).cfg,
  };
  return {
    ...{ resolution, cfg, mirror, aug, kimg },
    reasons: [
      `--cfg: without it, a run takes ${cfg.cpu} on a processor, as long as some hours allow, and ${cfg.gpu} on a graphics card`,
      `--resolution: nine tenths of the pictures have ${shorterSide} px or more on the shorter side`,
      mirror
        ? "--mirror: left and right are alike in the mean of all; leave it out where they matter, as in letters"
        : "no --mirror: left and right differ in the mean of all pictures",
      ...(aug ? ["--aug: without, a set of this size is learned by heart in long runs"] : []),
      `--kimg: a rule of thumb for ${pictures} pictures; look at what it makes, and stop it or go on`,
    ],
  };
}
