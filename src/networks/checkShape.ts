import type { Tensor } from "../torch/tensor.js";

/** @throws Error that says what came and what was wanted; null stands for any size */
export function checkShape(name: string, tensor: Tensor, wanted: readonly (number | null)[]): void {
  const { shape } = tensor;
  if (shape.length === wanted.length && wanted.every((size, i) => size === null || size === shape[i])) return;
  const text = wanted.map((size) => size ?? "N").join(", ");
  throw new Error(`${name} has shape [${shape.join(", ")}], expected [${text}]`);
}
