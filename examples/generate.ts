// Pictures of seeds, and a grid of them.
//   node dist/examples/generate.js runs/00000-… out

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { latentsOfSeeds, loadNetwork, renderLatents, scope, setThreads, tile, writePng } from "stylegan";

const [network = "", outdir = "out"] = process.argv.slice(2);
setThreads(); // all cores; libtorch itself begins with one
mkdirSync(outdir, { recursive: true });

const { G } = loadNetwork(network);
const seeds = [0, 1, 2, 3, 4, 5, 6, 7];
// A scope frees every tensor that was made inside it: the garbage collector does not see their memory.
const pictures = scope(() => {
  const z = latentsOfSeeds(seeds, G.zDim);
  return [...renderLatents(G, { z, truncationPsi: 0.7, noiseMode: "const", batch: 8 })];
});
for (const [i, picture] of pictures.entries()) await writePng(join(outdir, `seed${seeds[i]}.png`), picture);
await writePng(join(outdir, "grid.png"), tile(pictures, 4));
G.dispose();
console.log(`${pictures.length} pictures in ${outdir}`);
