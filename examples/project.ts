// The latent of a picture, and what the network makes of it.
//   node dist/examples/project.js runs/00000-… face.png out [steps]

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { loadNetwork, project, readPicture, setThreads, writeLatents, writePng } from "stylegan";

const [network = "", target = "", outdir = "out", steps = "1000"] = process.argv.slice(2);
setThreads();
mkdirSync(outdir, { recursive: true });

const { G } = loadNetwork(network);
const projection = await project(G, {
  target: await readPicture(target, G.resolution),
  steps: Number(steps),
  onStep: ({ step, distance }) => {
    if (step % 100 === 0) console.log(`step ${step}: distance ${distance.toPrecision(3)}`);
  },
});
await writePng(join(outdir, "proj.png"), projection.picture);
writeLatents(join(outdir, "projected_w.npz"), projection.ws); // numpy.load(…)["w"]
console.log(`distance ${projection.initialDistance.toPrecision(3)} to ${projection.distance.toPrecision(3)}`);
projection.ws.dispose();
G.dispose();
