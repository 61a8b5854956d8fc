// How close a network's pictures are to the real ones.
//   node dist/examples/metrics.js runs/00000-… emoji:smileys
// Measures with a detector, fid50k_full for example, take it from the folder in $STYLEGAN_DETECTORS.

import { DetectorFiles, loadNetwork, Meter, openDataset, setThreads } from "stylegan";

const [network = "", data = "emoji:smileys", metric = "swd"] = process.argv.slice(2);
setThreads();

const { G } = loadNetwork(network);
const dataset = await openDataset({ source: data, resolution: G.resolution });
const detectors = new DetectorFiles(undefined);
const meter = await Meter.open(dataset, { metrics: [metric], images: 256, detectors, cacheFolder: "cache" });
for (const { results, details } of await meter.measure(G)) {
  for (const { resolution, value } of (details.perLevel ?? []) as { resolution: number; value: number }[])
    console.log(`${resolution} px: ${value.toFixed(1)}`);
  for (const [name, value] of Object.entries(results)) console.log(`${name}: ${value.toPrecision(4)}`);
}
meter.dispose();
dataset.close();
G.dispose();
