// stylegan interpolate: what it does.

import { dirname } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Generator } from "../../networks/network.js";
import { filmFormatOf, openFilm } from "../../synthesis/film.js";
import {
  frameCount,
  type InterpolationOptions,
  interpolationFrames,
  type Keyframes,
} from "../../synthesis/interpolate.js";
import { readLatents } from "../../synthesis/latentFile.js";
import { checkGrid } from "../../synthesis/picture.js";
import { UserError } from "../../system/errors.js";
import type { Options } from "../interpolate.js";
import { longWork } from "../longWork.js";
import { truncationOf } from "../networkOptions.js";
import { makeOutputFolder } from "../outputFolder.js";
import { chosenDirections } from "./chosenDirections.js";
import { classIndexOf, openGenerator } from "./openNetwork.js";

export async function run(options: Options): Promise<void> {
  const { output, projectedW, space, grid: cells, noiseMode, batch, wFrames, easing, loop } = options;
  filmFormatOf(output);
  const { G, info } = openGenerator(options);
  try {
    const keyframes: Keyframes =
      projectedW === undefined
        ? { seeds: options.seeds ?? [], space }
        : { ws: await readLatents(projectedW, G) };
    const count = "ws" in keyframes ? keyframes.ws.size(0) : keyframes.seeds.length;
    const sweeps = chosenDirections(options, G);
    const request: InterpolationOptions = {
      ...{ keyframes, wFrames, easing, loop, sweeps, noiseMode, batch, grid: cells },
      numKeyframes: options.numKeyframes ?? shareOf(count, cells),
      interpolation: options.interpolation ?? (space === "z" ? "spherical" : "linear"),
      classIndex: projectedW === undefined ? classIndexOf(options, G, info) : 0,
      ...truncationOf(options),
    };
    if (request.numKeyframes === 1 && sweeps.every(({ from, to }) => from === to))
      throw new UserError(
        "a film from one keyframe stands still; give more seeds, or --direction NAME=FROM..TO",
      );
    await writeFilm(G, request, options);
    if ("ws" in keyframes) keyframes.ws.dispose();
  } finally {
    G.dispose();
  }
}

async function writeFilm(
  G: Generator,
  request: InterpolationOptions,
  { output, grid: cells, fps }: Options,
): Promise<void> {
  const frames = frameCount(request);
  const { width, height } = checkGrid({ ...cells, cell: G.resolution });
  makeOutputFolder(dirname(output), "--output");
  const film = openFilm(output, { width, height, frames, fps });
  let done = 0;
  const onStop = "Stopping: the film gets the frames so far.";
  await longWork({ total: frames, unit: "frames", onStop }, async (work) => {
    try {
      for (const frame of interpolationFrames(G, request)) {
        await film.add(frame);
        work.update(++done);
        await nextTurn();
        if (work.isStopping) break;
      }
      await film.finish();
    } catch (error) {
      film.abandon();
      throw error;
    }
  });
  const size = `${width} x ${height}, ${done} frames, ${(done / fps).toFixed(1)} s`;
  process.stdout.write(`${output}: ${size}${done < frames ? ` (stopped; ${frames} were asked for)` : ""}\n`);
}

/** Keyframes of each cell when all are shared out. */
function shareOf(count: number, { columns, rows }: { columns: number; rows: number }): number {
  const cells = columns * rows;
  if (count % cells === 0) return count / cells;
  throw new UserError(
    `--grid ${columns}x${rows}: ${count} keyframes cannot be shared out evenly among ${cells} films; give a multiple of ${cells}, or --num-keyframes`,
  );
}
