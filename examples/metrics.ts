// How close a network's pictures are to the real ones.
//   node dist/examples/metrics.js runs/00000-… emoji:smileys

import { loadNetwork, openDataset, SwdMeter, setThreads } from "stylegan";

const [network = "", data = "emoji:smileys"] = process.argv.slice(2);
setThreads();

const { G } = loadNetwork(network);
const dataset = await openDataset({ source: data, resolution: G.resolution });
const meter = new SwdMeter(dataset, { zDim: G.zDim, images: Math.min(dataset.length, 256) });
const { perLevel, mean } = meter.measure(G);
for (const { resolution, value } of perLevel) console.log(`${resolution} px: ${value.toFixed(1)}`);
console.log(`sliced Wasserstein distance x 1000: ${mean.toFixed(1)}`);
meter.dispose();
dataset.close();
G.dispose();
