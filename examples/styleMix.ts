// A grid of style mixes: each row's picture with the coarse styles of each column's.
//   node dist/examples/styleMix.js runs/00000-… out

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { loadNetwork, setThreads, styleMix, tile, writePng } from "stylegan";

const [network = "", outdir = "out"] = process.argv.slice(2);
setThreads();
mkdirSync(outdir, { recursive: true });

const { G } = loadNetwork(network);
const colSeeds = [10, 11, 12];
const mixes = styleMix(G, { rowSeeds: [1, 2], colSeeds, colStyles: [0, 1], noiseMode: "const", batch: 8 });
const mixed = [...mixes].filter(({ row, column }) => row >= 0 && column >= 0);
const pictures = mixed.map(({ picture }) => picture);
await writePng(join(outdir, "mixes.png"), tile(pictures, colSeeds.length));
G.dispose();
console.log(`${pictures.length} mixes in ${outdir}`);
