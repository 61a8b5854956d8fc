// What happens to all parameters of a network at once: Adam in one pass, with the cleaning of the gradients, and the moving
// average.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "kernels.h"
#include "operators.h"

namespace engine {

namespace {

// A buffer with an element for each of `values`.
void checkBuffer(const at::Tensor& tensor, const char* name, const at::Tensor& values) {
  checkType(tensor, name, values.scalar_type());
  TORCH_CHECK(tensor.numel() == values.numel() && tensor.is_contiguous(), "'", name, "' must be contiguous with ", values.numel(),
              " elements, not ", tensor.sizes());
}

// What `backward` left in each parameter, in the order of the parameter's memory; undefined where it left nothing.
std::vector<at::Tensor> gradientsOf(at::TensorList parameters) {
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& parameter : parameters) {
    at::Tensor gradient = parameter.grad();
    if (gradient.defined()) {
      TORCH_CHECK(gradient.sizes() == parameter.sizes() && gradient.device() == parameter.device(), "'parameters': a gradient ",
                  gradient.sizes(), " on ", gradient.device(), " belongs to a parameter ", parameter.sizes(), " on ", parameter.device());
      bool sameOrder = gradient.is_non_overlapping_and_dense() && gradient.scalar_type() == parameter.scalar_type();
      for (int64_t i = 0; i < parameter.dim(); ++i) sameOrder &= parameter.size(i) == 1 || gradient.stride(i) == parameter.stride(i);
      if (!sameOrder) gradient = at::empty_like(parameter).copy_(gradient);
    }
    gradients.push_back(gradient);
  }
  return gradients;
}

// `values` is one buffer of all parameters, in their order. Afterwards they have no gradients: nothing is read or written to add
// to zeros.
void adam(at::Tensor values, at::TensorList parameters, const c10::optional<at::Tensor>& first, at::Tensor second, double beta1,
          double beta2, double eps, double stepSize, double correction2, double gradientScale, double gradientLimit) {
  at::NoGradGuard noGrad;
  const int64_t count = values.numel();
  const bool hasFirst = first && first->defined();
  TORCH_CHECK(hasFirst || beta1 == 0, "'first' may be missing only where 'beta1' is 0");
  checkFloat(values, "values");
  checkBuffer(values, "values", values);
  if (hasFirst) checkBuffer(*first, "first", values);
  checkBuffer(second, "second", values);
  std::vector<int64_t> starts{0};
  for (const at::Tensor& parameter : parameters) {
    checkType(parameter, "parameters", values.scalar_type());
    starts.push_back(starts.back() + parameter.numel());
  }
  TORCH_CHECK(starts.back() == count, "'parameters' have ", starts.back(), " elements, 'values' ", count);
  const std::vector<at::Tensor> gradients = gradientsOf(parameters);
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "adam", [&] {
    using T = scalar_t;
    AdamOptions<T> options{T(beta1),    T(beta2),       T(eps),           T(1 - beta1),    T(1 - beta2),
                           T(stepSize), T(correction2), T(gradientLimit), T(gradientScale)};
    T *v = values.data_ptr<T>(), *m1 = hasFirst ? first->data_ptr<T>() : nullptr, *m2 = second.data_ptr<T>();
    at::parallel_for(0, count, 32768, [&](int64_t begin, int64_t end) {
      // From parameter to parameter: the last one that starts at or before `begin` is the first.
      size_t i = std::upper_bound(starts.begin(), starts.end(), begin) - starts.begin() - 1;
      for (int64_t at = begin; at < end; at = starts[++i]) {
        const T* g = gradients[i].defined() ? gradients[i].data_ptr<T>() + (at - starts[i]) : nullptr;
        kernels<T>().adam(v + at, g, m1 ? m1 + at : nullptr, m2 + at, std::min(end, starts[i + 1]) - at, options);
      }
    });
  });
  for (const at::Tensor& parameter : parameters) parameter.mutable_grad() = at::Tensor();
}

void approach(at::Tensor a, const at::Tensor& b, double weight) {
  checkFloat(a, "a");
  checkBuffer(a, "a", a);
  checkBuffer(b, "b", a);
  AT_DISPATCH_FLOATING_TYPES(a.scalar_type(), "approach", [&] {
    scalar_t* to = a.data_ptr<scalar_t>();
    const scalar_t* from = b.data_ptr<scalar_t>();
    at::parallel_for(0, a.numel(), 32768, [&](int64_t begin, int64_t end) {
      kernels<scalar_t>().approach(to + begin, from + begin, end - begin, static_cast<scalar_t>(weight));
    });
  });
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(stylegan, library) {
  library.def(
      "adam_(Tensor(a!) values, Tensor(b!)[] parameters, Tensor(c!)? first, Tensor(d!) second, float beta1, float beta2, float eps, float "
      "step_size, "
      "float correction2, float gradient_scale, float gradient_limit) -> ()");
  library.def("approach_(Tensor(a!) a, Tensor b, float weight) -> ()");
}

TORCH_LIBRARY_IMPL(stylegan, CPU, library) {
  library.impl("adam_", &adam);
  library.impl("approach_", &approach);
}

TORCH_LIBRARY_IMPL(stylegan, AutogradCPU, library) {
  library.impl("adam_", &adam);
  library.impl("approach_", &approach);
}

}  // namespace engine
