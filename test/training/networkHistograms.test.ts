import { expect, it } from "vitest";
import { manualSeed, randomState } from "../../src/torch/random.js";
import { setThreads } from "../../src/torch/runtime.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { networkHistograms } from "../../src/training/networkHistograms.js";
import { Trainer } from "../../src/training/trainer.js";
import { reals, tinyConfig, tinyFamilyConfig } from "./tiny.js";

const samples = 8;
const countOf = ({ counts }: { counts: readonly number[] }) => counts.reduce((sum, count) => sum + count, 0);

it.each(["stylegan2-small", "stylegan2-minimal", "stylegan1", "progan"])(
  "%s: every weight once, and the activations of every part for the same pictures",
  (cfg) => {
    setThreads(1);
    manualSeed(1);
    const trainer = new Trainer({ ...tinyFamilyConfig(cfg), growth: null });
    const { G, D } = trainer;
    const [before, random] = [liveTensors(), randomState("cpu")];
    const histograms = networkHistograms({ G, D, seed: 2 });
    expect(liveTensors()).toBe(before);
    expect(randomState("cpu")).toEqual(random);
    for (const [prefix, network] of [
      ["G", G],
      ["D", D],
    ] as const)
      for (const [name, parameter] of network.namedParameters())
        expect(countOf(histograms[`Histogram/weights/${prefix}.${name}`] as never), name).toBe(
          parameter.numel,
        );
    const activations = Object.keys(histograms).filter((name) => name.startsWith("Histogram/activations/"));
    expect(activations.filter((name) => name.includes("/G.")).length).toBeGreaterThan(3);
    expect(activations.filter((name) => name.includes("/D.")).length).toBeGreaterThan(3);
    expect(countOf(histograms["Histogram/activations/D"] as never)).toBe(samples); // a logit each
    expect(networkHistograms({ G, D, seed: 2 })).toEqual(histograms);
    trainer.dispose();
  },
);

it("does not change what training does", () => {
  const config = tinyConfig();
  const run = (watched: boolean) => {
    manualSeed(3);
    const trainer = new Trainer(config);
    for (let i = 0; i < 2; i++) {
      scope(() => trainer.step(reals(config)));
      if (watched) networkHistograms({ G: trainer.G, D: trainer.D, seed: 0 });
    }
    const weights = trainer.G.parameters().map((parameter) => parameter.toFloat32Array());
    trainer.dispose();
    return weights;
  };
  expect(run(true)).toEqual(run(false));
});
