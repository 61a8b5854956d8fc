import { afterEach, expect, it } from "vitest";
import type { NetworkPrefix, SnapshotSource } from "../../src/networks/snapshot.js";
import { prefixedState } from "../../src/networks/snapshot.js";
import { manualSeed } from "../../src/torch/random.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { Trainer } from "../../src/training/trainer.js";
import { startFromSnapshot } from "../../src/training/transfer.js";
import { tinyConfig } from "./tiny.js";

const made: Trainer[] = [];
afterEach(() => {
  for (const trainer of made.splice(0)) trainer.dispose();
});

function trainerOf(seed: number): Trainer {
  manualSeed(seed);
  const trainer = new Trainer(tinyConfig());
  made.push(trainer);
  return trainer;
}

/** A file that has these networks of three trainers. */
function sourceOf(networks: Parameters<typeof prefixedState>[0]): SnapshotSource {
  const state = prefixedState(networks);
  return {
    file: "file",
    info: { description: tinyConfig().network, curNimg: 0, classNames: [] },
    shapes: new Map([...state].map(([name, { shape }]) => [name, shape])),
    read: (prefixes: readonly NetworkPrefix[]) =>
      new Map(
        [...state]
          .filter(([name]) => prefixes.some((prefix) => name.startsWith(`${prefix}.`)))
          .map(([name, x]) => [name, scope(() => x.detach().clone()).keep()]),
      ),
  };
}

const weights = (network: Trainer["G"] | Trainer["D"]) =>
  network.parameters().map((parameter) => parameter.toFloat32Array());

it("G goes to G, D to D and the moving average to the moving average", () => {
  const [a, b, trainer] = [trainerOf(1), trainerOf(2), trainerOf(3)];
  const before = liveTensors();
  startFromSnapshot(sourceOf({ G: a.G, D: a.D, G_ema: b.gEma }), trainer);
  expect(liveTensors()).toBe(before);
  expect(weights(trainer.G)).toEqual(weights(a.G));
  expect(weights(trainer.D)).toEqual(weights(a.D));
  expect(weights(trainer.gEma)).toEqual(weights(b.gEma));
  expect(weights(a.G)).not.toEqual(weights(b.gEma));
});

it("a file without G: the moving average is both", () => {
  const [a, trainer] = [trainerOf(1), trainerOf(3)];
  startFromSnapshot(sourceOf({ D: a.D, G_ema: a.gEma }), trainer);
  expect(weights(trainer.G)).toEqual(weights(a.gEma));
  expect(weights(trainer.gEma)).toEqual(weights(a.gEma));
});
