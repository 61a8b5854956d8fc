// Tensors, gradients and modules without StyleGAN: `import { Tensor } from "stylegan/torch"`.

import "./libtorch.js";

export { Adam, type AdamOptions } from "./adam.js";
export { backward, type GradOptions, grad, noGrad } from "./autograd.js";
export type { DType } from "./dtype.js";
export { FlatParameters } from "./flat.js";
export { Module } from "./module.js";
export {
  avgPool2d,
  type ConvolutionOptions,
  type CreationOptions,
  cat,
  conv2d,
  convTranspose2d,
  empty,
  gather,
  indexSelect,
  leakyRelu,
  linear,
  matmul,
  oneHot,
  ones,
  pad2d,
  pixelShuffle,
  reflectionPad2d,
  softplus,
  stack,
  upsampleNearest2d,
  zeros,
} from "./ops.js";
export { manualSeed, rand, randn } from "./random.js";
export { setThreads, threads, torchVersion } from "./runtime.js";
export { readSafetensors, readSafetensorsHeader, writeSafetensors } from "./safetensors.js";
export { liveTensors, scope } from "./scope.js";
export { Script } from "./script.js";
export { type Device, type MemoryFormat, type Shape, Tensor, tensor } from "./tensor.js";
