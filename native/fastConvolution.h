// 3x3 convolutions at stride 1 by fewer multiplications, and their gradients, where that is faster than libtorch.
#pragma once

#include <ATen/ATen.h>

namespace engine {

// Whether the following serve for a convolution of x with w: a matter of shapes alone, so that a run is the same every time.
bool hasFastConvolution(const at::Tensor& x, const at::Tensor& w, int64_t stride, int64_t padding);
// The same for its gradients, given that of its output.
bool hasFastGradients(const at::Tensor& gy, const at::Tensor& x, const at::Tensor& w, int64_t stride, int64_t padding);

at::Tensor fastConvolution(const at::Tensor& x, const at::Tensor& w, int64_t padding);
at::Tensor fastInputGradient(const at::Tensor& gy, const at::Tensor& w, at::IntArrayRef inputSizes, int64_t padding);
at::Tensor fastWeightGradient(const at::Tensor& gy, const at::Tensor& x, int64_t padding);

}  // namespace engine
