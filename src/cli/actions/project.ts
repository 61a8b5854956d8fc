// stylegan project: what it does.

import { join } from "node:path";
import { readPicture } from "../../data/readPicture.js";
import { multiScaleDistance, perceptualDistance } from "../../losses/pictureDistance.js";
import { writePng } from "../../synthesis/encode.js";
import { writeLatents } from "../../synthesis/latentFile.js";
import { ProjectionFilm } from "../../synthesis/projectionFilm.js";
import { type Projection, project } from "../../synthesis/projector.js";
import { Script } from "../../torch/script.js";
import { calledAs } from "../calledAs.js";
import { longWork } from "../longWork.js";
import { makeOutputFolder } from "../outputFolder.js";
import type { ProjectOptions } from "../project.js";
import { classIndexOf, openGenerator } from "./openNetwork.js";

export async function run(options: ProjectOptions): Promise<void> {
  const { outdir, space, seed, numSteps: steps } = options;
  const { G, info } = openGenerator(options);
  const classIndex = classIndexOf(options, G, info);
  const target = await readPicture(options.target, G.resolution);
  const perceptual =
    options.perceptual === undefined ? undefined : Script.load(options.perceptual, options.device);
  const distance = perceptual ? perceptualDistance(perceptual) : multiScaleDistance;
  const film = options.video ? new ProjectionFilm(target, steps) : undefined;
  const onStop = "Stopping after this step and writing what is there.";
  try {
    makeOutputFolder(outdir);
    const result = await longWork({ total: steps, unit: "steps", onStop }, async (work) => {
      const found = await project(G, {
        ...{ target, space, steps, seed, classIndex, distance },
        onStep: ({ step, distance: now }, projector) => {
          film?.add(projector);
          work.update(step, `distance ${now.toPrecision(3)}`);
        },
        shouldStop: () => work.isStopping,
      });
      await writePng(join(outdir, "target.png"), target);
      await writePng(join(outdir, "proj.png"), found.picture);
      writeLatents(join(outdir, "projected_w.npz"), found.ws);
      await film?.write(join(outdir, "proj.webp"));
      return found;
    });
    process.stdout.write(report(result, { ...options, distance: distance.name }));
    result.ws.dispose();
  } finally {
    perceptual?.dispose();
    G.dispose();
  }
}

function report(
  { steps, initialDistance, distance }: Projection,
  options: Pick<ProjectOptions, "outdir" | "network" | "numSteps" | "video"> & { distance: string },
): string {
  const { outdir, network, numSteps, video } = options;
  const files = ["target.png", "proj.png", "projected_w.npz", ...(video ? ["proj.webp"] : [])];
  const done = steps < numSteps ? `Stopped after ${steps} of ${numSteps} steps` : `${steps} steps`;
  return `${done}: ${options.distance} ${distance.toPrecision(3)} (mean picture: ${initialDistance.toPrecision(3)})
${files.join(", ")} in ${outdir}. What next:
  ${calledAs()} generate --network ${network} --projected-w ${join(outdir, "projected_w.npz")} --outdir ${outdir}
`;
}
