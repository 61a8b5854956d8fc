import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UserError } from "../../src/system/errors.js";
import { grad } from "../../src/torch/autograd.js";
import { avgPool2d, cat, conv2d } from "../../src/torch/ops.js";
import { liveTensors, scope } from "../../src/torch/scope.js";
import { Script } from "../../src/torch/script.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { expectClose, fixturePath } from "../helpers.js";

const file = fixturePath("perceptual.pt");
const flags = { resize_images: false, return_lpips: true };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "stylegan-script-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the fixture computes, by our own operators; its weights were made in float32. */
function features(images: Tensor): Tensor {
  const ramp = (count: number, step: number) =>
    Float32Array.from({ length: count }, (_, i) => 0.3 * Math.sin(Math.fround(i * Math.fround(step))));
  const weight0 = tensor(ramp(8 * 27, 1.7), [8, 3, 3, 3]);
  const weight1 = tensor(ramp(8 * 72, 2.3), [8, 8, 3, 3]);
  const a = conv2d(images.div(127.5).sub(1), weight0, { padding: 1 }).relu();
  const b = conv2d(avgPool2d(a, 2), weight1, { padding: 1 }).relu();
  return cat(
    [a, b].map((x) => x.reshape([x.size(0), -1]).div(x.size(2))),
    1,
  );
}

const picture = () =>
  tensor(
    Float32Array.from({ length: 2 * 3 * 64 }, (_, i) => (i * 37) % 256),
    [2, 3, 8, 8],
  );

describe("a TorchScript network", () => {
  it("gives what its code computes, and its gradients", () => {
    const before = liveTensors();
    const script = Script.load(file);
    scope(() => {
      const images = picture().setRequiresGrad(true);
      const run = script.forward(images, flags);
      const expected = features(images);
      expect([...run.shape]).toEqual([2, 8 * 64 + 8 * 16]);
      expectClose(run, expected, 1e-5);
      const gradientOf = (output: Tensor) => grad([output.square().sum()], [images])[0] as Tensor;
      expectClose(gradientOf(run), gradientOf(expected), 1e-5);
    });
    script.dispose();
    expect(liveTensors()).toBe(before);
  });

  it("flags reach it by their names", () => {
    const script = Script.load(file);
    scope(() => {
      const plain = script.forward(picture(), { resize_images: false });
      expect([...plain.shape]).toEqual([2, 8, 4, 4]);
      expect(() => script.forward(picture(), { resize_images: true })).toThrow(
        /the stand-in does not resize/,
      );
    });
    script.dispose();
    expect(() => script.forward(undefined as never, flags)).toThrow(/disposed/);
  });

  it("a flag that it does not know is a UserError of one line", () => {
    const script = Script.load(file);
    scope(() => {
      let error: unknown;
      try {
        script.forward(picture(), { sharpen: true });
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(UserError);
      expect((error as Error).message).toMatch(
        /perceptual\.pt cannot be called with .*sharpen=true.*[^\n]*$/,
      );
    });
    script.dispose();
  });

  it.each<[string, RegExp, () => string]>([
    ["no such file", /no such file/, () => join(folder, "nothing.pt")],
    ["a folder", /not a file/, () => folder],
    ["a text", /no TorchScript network/, () => fixturePath("README.md")],
    [
      "half of one",
      /no TorchScript network, or is damaged/,
      () => {
        const half = join(folder, "half.pt");
        writeFileSync(half, readFileSync(file).subarray(0, 3000));
        return half;
      },
    ],
  ])("%s is refused in one line", (_, pattern, path) => {
    let error: unknown;
    try {
      Script.load(path());
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(pattern);
    expect((error as Error).message).not.toMatch(/\n/);
  });
});
