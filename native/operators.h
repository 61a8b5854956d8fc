// What operators of our own check of their arguments. The bridge puts the operator's name before the message.
//
// They are registered for the CPU alone, under AutogradCPU as well since they bring their own derivatives: on another device
// libtorch's dispatcher says that there is no such operator. Those that only put libtorch's operators together (convolution.cc)
// are registered for all devices.
#pragma once

#include <ATen/ATen.h>
#include <torch/library.h>

namespace engine {

// float32 or float64, what the loops of kernels.h are compiled for.
inline void checkFloat(const at::Tensor& tensor, const char* name) {
  TORCH_CHECK(tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble, "'", name, "' must be float32 or float64, not ",
              tensor.scalar_type());
}

inline void checkType(const at::Tensor& tensor, const char* name, at::ScalarType type) {
  TORCH_CHECK(tensor.scalar_type() == type, "'", name, "' is ", tensor.scalar_type(), ", and the first argument ", type);
}

// `meaning`, for example "[N, C, H, W]", has so many letters; none of the sizes may be 0.
inline void checkSizes(const at::Tensor& tensor, const char* name, int64_t dims, const char* meaning) {
  TORCH_CHECK(tensor.dim() == dims && tensor.numel() > 0, "'", name, "' must be ", meaning, " without a 0, not ", tensor.sizes());
}

inline void checkShape(const at::Tensor& tensor, const char* name, at::IntArrayRef expected) {
  TORCH_CHECK(tensor.sizes() == expected, name, " has shape ", tensor.sizes(), ", expected ", expected);
}

inline void checkRange(int64_t number, const char* name, int64_t least, int64_t most) {
  TORCH_CHECK(number >= least && number <= most, "'", name, "' must be from ", least, " to ", most, ", not ", number);
}

}  // namespace engine
