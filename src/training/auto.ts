// What a run is when nobody says (`--cfg auto`): a preset that the device can train, sized by the pictures, and a length
// that the machine gets through in hours.

import type { Architecture } from "../networks/registry.js";
import type { Device } from "../torch/tensor.js";
import type { TrainingOptions } from "./options.js";
import { type PresetName, presets } from "./presets.js";

/** The name of this choice among the configurations. */
export const automatic = "auto";
export const automaticSummary =
  "follows the device (default): stylegan2-small sized by the pictures on a CPU, for about three hours; stylegan2 on a GPU";

/** What stands in the place of the user's choices; theirs win over it. */
export interface AutomaticChoice {
  cfg: PresetName;
  /** What the preset does not size by itself. */
  options: TrainingOptions;
}

/** @param architecture of the networks that the run starts from, when there are some */
export function automaticChoice(about: {
  device: Device;
  resolution: number;
  architecture?: Architecture | undefined;
}): AutomaticChoice {
  const { device, resolution, architecture } = about;
  if (architecture !== undefined) return { cfg: presetOf(architecture), options: {} };
  if (device !== "cpu") return { cfg: "stylegan2", options: {} };
  return { cfg: "stylegan2-small", options: resolution < 64 ? {} : largerThan32(resolution) };
}

/** The published training of an architecture: its first preset. */
function presetOf(architecture: Architecture): PresetName {
  const names = Object.keys(presets) as PresetName[];
  return names.find((name) => presets[name].architecture === architecture) ?? "stylegan2";
}

/**
 * `stylegan2-small` has the numbers of 32 px. At 64 px these made faces in an hour (docs/RUNS.md); above, channels grow
 * once more and γ follows ADA's heuristic, 0.0002 · resolution² / batch, as soon as that is larger.
 */
function largerThan32(resolution: number): TrainingOptions {
  const batch = 16;
  return {
    channelBase: resolution < 128 ? 2048 : 4096,
    channelMax: 128,
    gamma: Math.max(1, (0.0002 * resolution ** 2) / batch),
  };
}

/** As long as a run may take that nobody has chosen the length of, in seconds. */
const wantedSeconds = 3 * 3600;
/** Below, nothing is to be seen yet; above, small networks hardly get better. */
const [fewestKimg, mostKimg] = [40, 1000];

/** Thousands of pictures that are shown in about three hours, to two digits. */
export function automaticKimg(secPerKimg: number): number {
  const kimg = Math.min(Math.max(wantedSeconds / secPerKimg, fewestKimg), mostKimg);
  return Number(kimg.toPrecision(2));
}
