// A film that wanders between seeds and comes back, as an animated WebP.
//   node dist/examples/interpolate.js runs/00000-… out

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { interpolationFrames, loadNetwork, openFilm, setThreads } from "stylegan";

const [network = "", outdir = "out"] = process.argv.slice(2);
setThreads();
mkdirSync(outdir, { recursive: true });

const { G } = loadNetwork(network);
const seeds = [1, 2, 3];
const wFrames = 8; // from one seed to the next
const size = { width: G.resolution, height: G.resolution };
const film = openFilm(join(outdir, "film.webp"), { ...size, frames: seeds.length * wFrames, fps: 12 });
const frames = interpolationFrames(G, {
  keyframes: { seeds, space: "w" },
  numKeyframes: seeds.length,
  wFrames,
  interpolation: "linear",
  easing: "linear",
  loop: true,
  noiseMode: "const",
  batch: 8,
});
for (const frame of frames) await film.add(frame);
await film.finish();
G.dispose();
console.log(`${seeds.length * wFrames} frames in ${outdir}`);
