// A short training run on the built-in emoji. It learns colours and shapes; give it more kimg for faces.
//   node dist/examples/train.js runs [kimg]

import { setThreads, trainNewRun } from "stylegan";

const [outdir = "runs", kimg = "1"] = process.argv.slice(2);
setThreads();

const run = await trainNewRun({
  data: "emoji:smileys",
  subset: 64,
  cfg: "stylegan2-small",
  resolution: 16,
  batch: 8,
  channelMax: 16,
  kimg: Number(kimg),
  outdir,
  onTick: ({ curNimg, totalNimg, stats }) =>
    console.log(`${curNimg} of ${totalNimg} images, loss of D ${stats["Loss/D/loss"]?.toFixed(3)}`),
});
console.log(`${run.curNimg} images shown; pictures and networks are in ${run.path}`);
