// Time inside of the addon: libtorch, and our own kernels.

import type { EngineOp } from "../src/torch/engine.js";
import { libtorch } from "../src/torch/libtorch.js";

let inside = 0;

/** Milliseconds since the program began. */
export function insideMs(): number {
  return inside;
}

/** Times every function of the addon from now on. Must run before any operator has been looked up. */
export function timeTheAddon(): void {
  const addon = libtorch() as unknown as Record<string, (...args: never[]) => unknown>;
  for (const [name, call] of Object.entries(addon))
    addon[name] = name === "op" ? (...args: never[]) => timed(call(...args) as EngineOp) : timed(call);
}

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
