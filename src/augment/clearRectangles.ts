import { scope } from "../torch/scope.js";
import type { Tensor } from "../torch/tensor.js";
import { tensorLike } from "./tensorLike.js";

/**
 * Each picture of `images` [N, C, H, W] with zeros where both its row and its column are marked with 1.
 * @param rows N · H marks, picture by picture
 * @param columns N · W marks
 */
export function clearRectangles(
  images: Tensor,
  { rows, columns }: { rows: readonly number[]; columns: readonly number[] },
): Tensor {
  return scope(() => {
    const [n, , height, width] = images.shape as [number, number, number, number];
    const marked = tensorLike(images, rows, [n, 1, height, 1]).mul(
      tensorLike(images, columns, [n, 1, 1, width]),
    );
    return images.mul(marked.neg().add(1));
  });
}
