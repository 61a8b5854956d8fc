import { scope } from "../torch/scope.js";
import { type Shape, type Tensor, tensor } from "../torch/tensor.js";

/** `values` as a tensor of the images' type, on their device. */
export function tensorLike(images: Tensor, values: readonly number[] | Float64Array, shape: Shape): Tensor {
  return scope(() => tensor(values, shape).to(images.dtype).toDevice(images.device));
}
