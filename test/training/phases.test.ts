import { describe, expect, it } from "vitest";
import { isDue, phasesOf } from "../../src/training/phases.js";
import { tinyConfig } from "./tiny.js";

const config = tinyConfig();

/** Names of the phases that run in each of the first steps. */
function stepsOf(changes: Partial<typeof config>, count: number): string[] {
  const phases = phasesOf({ ...config, ...changes });
  return Array.from({ length: count }, (_, step) =>
    phases
      .filter((phase) => isDue(phase, step))
      .map(({ name }) => name)
      .join(" "),
  );
}

const pathLength = { ...config.pathLength, weight: 0 };
const penalty = { ...config.penalty, interval: 1 };

describe("the phases of a step", () => {
  it("lazy regularization in every so many-th", () => {
    const lazy = { penalty: { ...penalty, interval: 2 }, pathLength: { ...config.pathLength, interval: 3 } };
    expect(stepsOf(lazy, 4)).toEqual([
      "Gmain Greg Dmain Dreg",
      "Gmain Dmain",
      "Gmain Dmain Dreg",
      "Gmain Greg Dmain",
    ]);
  });

  it("dRepeats: D steps so often for each step of G, and G's intervals count its own", () => {
    expect(stepsOf({ pathLength, penalty, dRepeats: 3 }, 7)).toEqual([
      ...["Gmain Dboth", "Dboth", "Dboth", "Gmain Dboth", "Dboth", "Dboth", "Gmain Dboth"],
    ]);
    const late = { ...config.pathLength, interval: 2, startSteps: 2 };
    const names = stepsOf({ pathLength: late, penalty, dRepeats: 2 }, 10);
    expect(
      names.map((name, step) => (name.includes("Greg") ? step : -1)).filter((step) => step >= 0),
    ).toEqual([
      ...[4, 8], // turns 2 and 4
    ]);
  });

  it("what is regularized in every step is one phase", () => {
    expect(stepsOf({ pathLength: { ...config.pathLength, interval: 1 }, penalty }, 2)).toEqual([
      ...["Gboth Dboth", "Gboth Dboth"],
    ]);
    const none = { ...penalty, r1Gamma: 0 };
    expect(stepsOf({ pathLength, penalty: none }, 1)).toEqual(["Gmain Dmain"]);
  });
});
