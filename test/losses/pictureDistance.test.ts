import { describe, expect, it } from "vitest";
import {
  multiScaleDistance,
  type PictureDistance,
  perceptualDistance,
  squaredDistance,
} from "../../src/losses/pictureDistance.js";
import { scope } from "../../src/torch/scope.js";
import { Script } from "../../src/torch/script.js";
import { type Tensor, tensor } from "../../src/torch/tensor.js";
import { expectClose, fixturePath } from "../helpers.js";

/** An image [1, 3, size, size] of values by channel and place. */
function image(size: number, value: (channel: number, y: number, x: number) => number): Tensor {
  const values = Float64Array.from({ length: 3 * size * size }, (_, i) =>
    value(Math.floor(i / size ** 2), Math.floor(i / size) % size, i % size),
  );
  return tensor(values, [1, 3, size, size]);
}

function distance(a: Tensor, b: Tensor, by: PictureDistance = multiScaleDistance): number {
  return squaredDistance(by.features(a), by.features(b)).item();
}

describe("the distance over scales", () => {
  const gray = () => image(16, () => 0.25);

  it("is the squared difference of plain pictures", () =>
    scope(() => {
      expect(distance(gray(), gray())).toBe(0);
      expect(
        distance(
          image(16, () => 0.75),
          gray(),
        ),
      ).toBeCloseTo(0.5 ** 2, 12);
      expect(
        distance(
          image(16, (c) => (c === 1 ? 0.75 : 0.25)),
          gray(),
        ),
      ).toBeCloseTo(0.5 ** 2 / 3, 12);
    }));

  it("counts what is fine at fewer scales: 16, 8 and 4 px", () =>
    scope(() => {
      const stripes = (width: number) =>
        image(16, (_, __, x) => 0.25 + (Math.floor(x / width) % 2 === 0 ? 0.5 : -0.5));
      expect(distance(stripes(1), gray())).toBeCloseTo(0.5 ** 2 / 3, 12);
      expect(distance(stripes(2), gray())).toBeCloseTo((0.5 ** 2 * 2) / 3, 12);
      expect(distance(stripes(4), gray())).toBeCloseTo(0.5 ** 2, 12);
    }));

  it("averages large pictures down to 256 px first", () =>
    scope(() => {
      const chessboard = image(512, (_, y, x) => ((x + y) % 2 === 0 ? 1 : -1));
      expect(
        distance(
          chessboard,
          image(512, () => 0),
        ),
      ).toBeCloseTo(0, 12);
    }));
});

describe("the perceptual distance", () => {
  it("is the squared length of the difference of the network's features of images in 0..255", () => {
    const network = Script.load(fixturePath("perceptual.pt"));
    const lpips = perceptualDistance(network);
    scope(() => {
      const [a, b] = [image(8, (c, y, x) => Math.sin(c + y * x)), image(8, (c, y) => Math.cos(c * y))].map(
        (x) => x.to("float32"),
      ) as [Tensor, Tensor];
      const features = (x: Tensor) =>
        network.forward(x.mul(127.5).add(127.5), { resize_images: false, return_lpips: true });
      expect(lpips.features(a).size(1)).toBe(640);
      expectClose(lpips.features(a), features(a), 1e-6);
      const difference = features(a).sub(features(b)).square().sum().item();
      expect(difference).toBeGreaterThan(0.01);
      expect(distance(a, b, lpips)).toBeCloseTo(difference, 6);
    });
    network.dispose();
  });
});
