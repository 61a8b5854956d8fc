// How much of a training step is not inside of libtorch: JavaScript, and the crossing to the addon.

import { scope } from "../src/torch/scope.js";
import { randomReals, trainerFor } from "../src/training/dryRun.js";
import type { BenchConfiguration } from "./configurations.js";
import { insideMs, timeTheAddon } from "./inside.js";
import { median } from "./statistics.js";
import { describe } from "./training.js";

/** Share of a cycle's time outside of the addon's functions. Must run before any operator has been looked up. */
export function javascriptShare(configuration: BenchConfiguration, repeats: number): number {
  timeTheAddon();
  const trainer = trainerFor(describe(configuration));
  const shares = trainer.phases.map((phase) => {
    const reals = randomReals(trainer);
    scope(() => trainer.runPhase(phase, reals));
    const rounds = Array.from({ length: repeats }, () => {
      const [start, insideStart] = [performance.now(), insideMs()];
      trainer.runPhase(phase, reals);
      const all = performance.now() - start;
      return { all, outside: all - (insideMs() - insideStart) };
    });
    return {
      all: median(rounds.map(({ all }) => all)) / (phase.every * phase.interval),
      outside: median(rounds.map(({ outside }) => outside)) / (phase.every * phase.interval),
    };
  });
  const sum = (key: "all" | "outside") => shares.reduce((total, share) => total + share[key], 0);
  return sum("outside") / sum("all");
}
