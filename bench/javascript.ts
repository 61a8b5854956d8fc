// How much of a training step is not inside of libtorch: JavaScript, and the crossing to the addon.

import { type NativeOp, native } from "../src/torch/native.js";
import { scope } from "../src/torch/scope.js";
import { randomReals } from "../src/training/dryRun.js";
import { Trainer } from "../src/training/trainer.js";
import type { BenchConfiguration } from "./configurations.js";
import { median } from "./statistics.js";
import { describe } from "./training.js";

let inside = 0;

function timed<F extends (...args: never[]) => unknown>(call: F): F {
  return ((...args: never[]) => {
    const start = performance.now();
    try {
      return call(...args);
    } finally {
      inside += performance.now() - start;
    }
  }) as F;
}

/** Share of a cycle's time outside of the addon's functions. Must run before any operator has been looked up. */
export function javascriptShare(configuration: BenchConfiguration, repeats: number): number {
  const addon = native as unknown as Record<string, (...args: never[]) => unknown>;
  for (const [name, call] of Object.entries(addon))
    addon[name] = name === "op" ? (...args: never[]) => timed(call(...args) as NativeOp) : timed(call);
  const trainer = new Trainer(describe(configuration));
  const shares = trainer.phases.map((phase) => {
    const reals = randomReals(trainer);
    scope(() => trainer.runPhase(phase, reals));
    const rounds = Array.from({ length: repeats }, () => {
      inside = 0;
      const start = performance.now();
      trainer.runPhase(phase, reals);
      const all = performance.now() - start;
      return { all, outside: all - inside };
    });
    return {
      all: median(rounds.map(({ all }) => all)) / phase.interval,
      outside: median(rounds.map(({ outside }) => outside)) / phase.interval,
    };
  });
  const sum = (key: "all" | "outside") => shares.reduce((total, share) => total + share[key], 0);
  return sum("outside") / sum("all");
}
