import { describe, expect, it } from "vitest";
import { type Draws, drawsOf } from "../../src/augment/draws.js";
import { pipelineNames } from "../../src/augment/names.js";
import { type AugmentStrengths, augmentImages, pipelineStrengths } from "../../src/augment/pipeline.js";
import { enableKernels } from "../../src/torch/kernels.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { expectClose, fixtureTensors } from "../helpers.js";
import { checkGradients, doubles, leaf, sampleTensor } from "../torch/numeric.js";

const expected = fixtureTensors("ada.expected.safetensors");

/**
 * Everything happens, and every draw is the same percentile of its distribution; but the second rotation is one by 0.
 * @param secondTurn which of a picture's uniform draws that is
 */
function percentile([u, normal]: readonly [number, number], secondTurn: number, pictures: number): Draws {
  let uniforms = 0;
  const isSecondTurn = () => uniforms % secondTurn === 0 && uniforms <= secondTurn * pictures;
  return {
    chance: () => true,
    uniform() {
      uniforms += 1;
      return isSecondTurn() ? 0.5 : u;
    },
    normal: () => normal,
  };
}
/** u and erf⁻¹(2 u - 1), which the reference takes for the percentile of a normal distribution. */
const percentiles: Record<string, readonly [number, number]> = {
  "0.15": [0.15, -0.7328690779592167],
  "0.7": [0.7, 0.37080715859355795],
  "0.2": [0.2, -0.5951160814499948],
  "0.65": [0.65, 0.2724627147267543],
};

const none = Object.fromEntries(Object.keys(pipelineStrengths("bgcfnc")).map((name) => [name, 0]));
const alone = (name: string) => ({ ...none, [name]: 1 }) as unknown as AugmentStrengths;

const names = [
  ...["xflip", "rotate90", "xint", "scale", "rotate", "aniso", "xfrac", "brightness", "contrast"],
  ...["lumaflip", "hue", "saturation", "imgfilter", "cutout"],
];

describe.each([true, false])("against the published pipeline, kernels %s", (kernels) => {
  const augmented = (strengths: AugmentStrengths, at: string, secondTurn = Number.POSITIVE_INFINITY) => {
    const before = enableKernels(kernels);
    try {
      const draws = percentile(percentiles[at]!, secondTurn, 4);
      return augmentImages(expected("images"), { strengths, p: 1, draws });
    } finally {
      enableKernels(before);
    }
  };

  it.each(names.flatMap((name) => ["0.15", "0.7"].map((at) => [name, at])))("%s at %s", (name, at) => {
    const secondTurn = name === "rotate" ? 2 : undefined;
    expectClose(augmented(alone(name!), at!, secondTurn), expected(`${name}@${at}`), 1e-4);
  });

  it.each(["0.2", "0.65"])("bgc at %s", (at) => {
    // Before it: a flip, a turn by 90°, a translation in two directions, the first rotation.
    expectClose(augmented(pipelineStrengths("bgc"), at, 6), expected(`bgc@${at}`), 1e-4);
  });
});

describe("gradients of both orders reach the images through", () => {
  it.each(names)("%s", (name) => {
    const images = leaf([2, 3, 24, 26], 1);
    const strengths = alone(name);
    // A fresh generator at every call, so that the draws are the same.
    const f = () => augmentImages(images, { strengths, p: 1, draws: drawsOf(3, 1) }).square();
    checkGradients(f, [images], { order: 2, elements: 6 });
  });

  it("the whole pipeline", () => {
    const images = leaf([3, 3, 24, 24], 2);
    const strengths = { ...pipelineStrengths("bgcfnc"), noise: 0 }; // noise comes from libtorch's generator
    const f = () => augmentImages(images, { strengths, p: 0.9, draws: drawsOf(5, 2) }).square();
    checkGradients(f, [images], { order: 2, elements: 6 });
  });
});

describe("the pipeline", () => {
  it("leaves pictures alone at p = 0, to the bit", () => {
    const images = sampleTensor([4, 3, 24, 24], 1);
    for (const name of pipelineNames) {
      const options = { strengths: pipelineStrengths(name), p: 0, draws: drawsOf(0, 0) };
      expect(doubles(augmentImages(images, options))).toEqual(doubles(images));
    }
  });

  it("draws depend on seed and call alone", () => {
    const images = sampleTensor([2, 3, 24, 24], 1);
    const strengths = pipelineStrengths("bgc");
    const at = (seed: number, call: number) =>
      doubles(augmentImages(images, { strengths, p: 0.8, draws: drawsOf(seed, call) }));
    expect(at(1, 7)).toEqual(at(1, 7));
    expect(at(1, 7)).not.toEqual(at(1, 8));
    expect(at(1, 7)).not.toEqual(at(2, 7));
  });

  it("augments each picture with the probability p, and by itself", () => {
    const images = sampleTensor([400, 3, 4, 4], 1);
    const strengths = alone("brightness");
    const result = augmentImages(images, { strengths, p: 0.3, draws: drawsOf(1, 1) });
    const shifts = doubles(result.sub(images).select(3, 0).select(2, 0).select(1, 0));
    const changed = [...shifts].filter((shift) => shift !== 0);
    expect(changed.length / 400).toBeCloseTo(0.3, 1);
    expect(new Set(changed).size).toBe(changed.length);
    const deviation = Math.sqrt(changed.reduce((sum, shift) => sum + shift ** 2, 0) / changed.length);
    expect(deviation).toBeCloseTo(0.2, 1);
  });

  it("takes rectangles, gray pictures and opacity, which no colour transformation touches", () => {
    const strengths = pipelineStrengths("bgcfnc");
    for (const shape of [
      [2, 1, 24, 40],
      [2, 3, 40, 24],
      [2, 4, 24, 24],
    ]) {
      const result = augmentImages(sampleTensor(shape, 1), { strengths, p: 1, draws: drawsOf(1, 1) });
      expect(result.shape).toEqual(shape);
      expect(result.allFinite()).toBe(true);
    }
    const images = sampleTensor([2, 4, 24, 24], 1);
    const colored = augmentImages(images, {
      strengths: pipelineStrengths("color"),
      p: 1,
      draws: drawsOf(1, 1),
    });
    expect(doubles(colored.narrow(1, 3, 1))).toEqual(doubles(images.narrow(1, 3, 1)));
    expect(doubles(colored.narrow(1, 0, 3))).not.toEqual(doubles(images.narrow(1, 0, 3)));
  });

  it("a gray picture becomes what its three equal colours would become on average", () => {
    const gray = sampleTensor([3, 1, 4, 4], 1);
    const options = () => ({ strengths: pipelineStrengths("color"), p: 1, draws: drawsOf(2, 2) });
    const rgb = augmentImages(gray.expand([-1, 3, -1, -1]), options());
    expectClose(augmentImages(gray, options()), rgb.mean([1], true), 1e-6);
  });

  it("leaves no tensor behind", () => {
    const images = sampleTensor([2, 3, 24, 24], 1);
    const before = liveTensors();
    scope(() => {
      augmentImages(images, { strengths: pipelineStrengths("bgcfnc"), p: 1, draws: drawsOf(1, 1) }).dispose();
    });
    expect(liveTensors()).toBe(before);
  });

  it("refuses to filter pictures smaller than the filter, and says so", () => {
    const images = sampleTensor([1, 3, 16, 16], 1);
    const options = { strengths: pipelineStrengths("bgcf"), p: 1, draws: drawsOf(1, 1) };
    expect(() => augmentImages(images, options)).toThrow(/more than 21 px.*without f/);
  });
});
