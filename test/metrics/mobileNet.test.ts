import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { detectorKinds, isPublished } from "../../src/metrics/detector.js";
import { DetectorFiles, openDetector } from "../../src/metrics/openDetector.js";
import { noGrad } from "../../src/torch/autograd.js";
import { upsampleNearest2d } from "../../src/torch/ops.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { tensor } from "../../src/torch/tensor.js";
import { expectClose, fixturePath } from "../helpers.js";

const side = 224;

/** The picture of which the fixture has the features. */
function waves() {
  const pixels = Uint8Array.from({ length: 3 * side ** 2 }, (_, i) => {
    const [c, y, x] = [Math.floor(i / side ** 2), Math.floor((i % side ** 2) / side), i % side];
    return Math.round(127.5 + 127.5 * Math.sin(x / (5 + 4 * c)) * Math.cos(y / (9 - 2 * c) + c));
  });
  return tensor(pixels, [1, 3, side, side], "uint8");
}

describe("the features that come with the program", () => {
  it("are those of the published weights in TensorFlow.js, of pictures of any size", async () => {
    const before = liveTensors();
    const file = new DetectorFiles(undefined).find(new Set(["mobilenet" as const])).get("mobilenet");
    const detector = await openDetector("mobilenet", file as string, "cpu");
    expect(isPublished("mobilenet", detector)).toBe(true);
    expect(detectorKinds.mobilenet.source).toBeNull();

    const wanted = JSON.parse(readFileSync(fixturePath("mobilenet.json"), "utf8")) as number[];
    const picture = waves();
    const found = await detector.run(picture, "features");
    expect(found.shape).toEqual([1, wanted.length]);
    scope(() => expectClose(found, tensor(wanted, [1, wanted.length]), 1e-4));

    // More at once than it takes at a time, and twice as large: the same features.
    const larger = noGrad(() =>
      upsampleNearest2d(picture.to("float32").expand([17, 3, side, side]), 2).to("uint8"),
    );
    const many = await detector.run(larger, "features");
    scope(() => expectClose(many, found.expand([17, wanted.length]), 1e-4));

    for (const owned of [picture, found, larger, many, detector]) owned.dispose();
    expect(liveTensors()).toBe(before);
  });
});
