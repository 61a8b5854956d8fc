// stylegan interpolate

import { type Command, Option } from "commander";
import {
  type Easing,
  easings,
  filmFormats,
  type Interpolation,
  interpolations,
} from "../synthesis/choices.js";
import { UserError } from "../system/errors.js";
import { addDirectionOptions, type DirectionOptions } from "./directionOptions.js";
import {
  addDeviceOptions,
  type BatchOption,
  batchOption,
  type ClassOption,
  classOption,
  type NetworkOptions,
  type NoiseOption,
  networkOption,
  noiseModeOption,
  type TruncationChoice,
  truncCutoffOption,
  truncOption,
} from "./networkOptions.js";
import { grid, integerFrom, numberIn, oneOf, seeds } from "./values.js";
import { whenRun } from "./whenRun.js";

export interface Options
  extends NetworkOptions,
    TruncationChoice,
    ClassOption,
    NoiseOption,
    BatchOption,
    DirectionOptions {
  seeds?: number[];
  projectedW?: string;
  output: string;
  space: "w" | "z";
  interpolation?: Interpolation;
  easing: Easing;
  loop: boolean;
  grid: { columns: number; rows: number };
  numKeyframes?: number;
  wFrames: number;
  fps: number;
}

const spaces = ["w", "z"] as const;
const easingNames = Object.keys(easings) as Easing[];

const example = `
Examples:
  stylegan interpolate --network FILE --seeds 0-7 --trunc 0.7 --output film.webp
  stylegan interpolate --network FILE --seeds 0-31 --grid 4x2 --output film.mp4
  stylegan interpolate --network FILE --seeds 3 --directions directions.json --direction 0=-3..3 --output film.gif
  stylegan interpolate --network FILE --projected-w a.npz --output film.webp

WebP and GIF need no other program; MP4 needs ffmpeg. A film loops, from the last keyframe back to the first, unless
--no-loop is given.
`;

export function addInterpolate(program: Command): void {
  const command = program
    .command("interpolate")
    .summary("make a film that goes from picture to picture")
    .description("Walks through the latents of seeds, or of a projection, and writes a film.")
    .addOption(networkOption())
    .addOption(new Option("--seeds <list>", "keyframes, for example 0-5,8").argParser(seeds))
    .option("--projected-w <file>", "keyframes from an npz of latents instead")
    .requiredOption("--output <file>", `the film; its name ends in .${filmFormats.join(", .")}`)
    .addOption(
      new Option("--space <name>", "w: between styles; z: between latents")
        .argParser(oneOf(spaces))
        .default("w"),
    )
    .addOption(
      new Option(
        "--interpolation <name>",
        `${interpolations.join(", ")} (default: linear in w, spherical in z)`,
      ).argParser(oneOf(interpolations)),
    )
    .addOption(
      new Option("--easing <name>", `between keyframes: ${easingNames.join(", ")}`)
        .argParser(oneOf(easingNames))
        .default("smooth"),
    )
    .option("--no-loop", "end at the last keyframe")
    .addOption(
      new Option("--w-frames <n>", "frames from one keyframe to the next")
        .argParser(integerFrom(1, 100_000))
        .default(60),
    )
    .addOption(
      new Option("--fps <n>", "frames a second").argParser(numberIn({ min: 1, max: 100 })).default(30),
    )
    .addOption(
      new Option("--grid <CxR>", "so many films side by side")
        .argParser(grid)
        .default({ columns: 1, rows: 1 }, "1x1"),
    )
    .addOption(
      new Option(
        "--num-keyframes <n>",
        "keyframes of each film in the grid (default: all, shared out)",
      ).argParser(integerFrom(1, 100_000)),
    )
    .addOption(truncOption())
    .addOption(truncCutoffOption())
    .addOption(classOption())
    .addOption(noiseModeOption());
  addDirectionOptions(command, { sweep: true }).addOption(batchOption());
  addDeviceOptions(command)
    .addHelpText("after", example)
    .action(whenRun(() => import("./actions/interpolate.js"), checkSource));
}

function checkSource({ seeds: list, projectedW, space, trunc, class: named }: Options): void {
  if (list === undefined && projectedW === undefined)
    throw new UserError(
      "--seeds is missing: say which keyframes, for example --seeds 0-7 (or give --projected-w)",
    );
  if (projectedW === undefined) return;
  const useless = [
    ["--seeds", list !== undefined],
    ["--space z", space === "z"],
    ["--trunc", trunc !== 1],
    ["--class", named !== undefined],
  ] as const;
  for (const [flag, given] of useless)
    if (given)
      throw new UserError(`${flag} has no effect on the latents of --projected-w; leave one of them out`);
}
