// @ts-nocheck: it stands in for functions of Node, whatever their types
// Loaded into the program (node --import): ends it, as a kill or a power cut does, before or after the so-many-th rename,
// fsync, link or removal in a run's folder. Without a number it only says how many there were.

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const at = Number(process.env.KILL_AT ?? 0);
const after = process.env.KILL_AFTER === "1";
const isWatched = (file) => typeof file !== "string" || file.includes("stylegan2-small-8/");
let count = 0;

const isDue = (file) => isWatched(file) && ++count === at;
const end = () => process.kill(process.pid, "SIGKILL");

for (const [module, names] of [
  [fs, ["renameSync", "fsyncSync", "linkSync", "rmSync"]],
  [fs.promises, ["rename", "rm"]],
]) {
  for (const name of names) {
    const original = module[name];
    module[name] = (...args) => {
      const due = isDue(args[0]);
      if (due && !after) end();
      const result = original.apply(module, args);
      if (due && after) {
        if (!(result instanceof Promise)) end();
        return result.then(end);
      }
      return result;
    };
  }
}

// The trainer looks for commands once a step: before those looks someone asks for a snapshot.
const steered = new Set((process.env.KILL_STEER ?? "").split(",").filter(Boolean).map(Number));
let looks = 0;
const lstat = fs.lstatSync;
fs.lstatSync = (file, ...rest) => {
  if (String(file).endsWith("control.jsonl") && steered.has(++looks))
    fs.appendFileSync(file, `${JSON.stringify({ id: String(looks), command: "snapshot" })}\n`);
  return lstat(file, ...rest);
};
syncBuiltinESMExports();
process.on("exit", () => {
  if (process.env.KILL_COUNT) fs.writeFileSync(process.env.KILL_COUNT, String(count));
});
