// What happens to flat buffers: Adam in one pass, with the cleaning of the gradients, and the moving average.
#include "kernels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

namespace engine {

namespace {

void adam(at::Tensor values, at::Tensor gradients, const c10::optional<at::Tensor>& first, at::Tensor second, double beta1, double beta2, double eps, double stepSize,
          double correction2, double gradientScale, double gradientLimit) {
  const int64_t count = values.numel();
  const bool hasFirst = first && first->defined();
  TORCH_CHECK(hasFirst || beta1 == 0, "adam has no first moment only where beta1 is 0");
  for (const at::Tensor& tensor : {values, gradients, hasFirst ? *first : second, second})
    TORCH_CHECK(tensor.numel() == count && tensor.is_contiguous() && tensor.device().is_cpu() && tensor.scalar_type() == values.scalar_type(),
                "adam wants four contiguous buffers of one size and type on the CPU");
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "adam", [&] {
    using T = scalar_t;
    AdamOptions<T> options{T(beta1), T(beta2), T(eps), T(1 - beta1), T(1 - beta2), T(stepSize), T(correction2), T(gradientLimit), T(gradientScale)};
    T *v = values.data_ptr<T>(), *g = gradients.data_ptr<T>(), *m1 = hasFirst ? first->data_ptr<T>() : nullptr, *m2 = second.data_ptr<T>();
    at::parallel_for(0, count, 32768, [&](int64_t begin, int64_t end) {
      kernels<T>().adam(v + begin, g + begin, m1 ? m1 + begin : nullptr, m2 + begin, end - begin, options);
    });
  });
}

void approach(at::Tensor a, const at::Tensor& b, double weight) {
  TORCH_CHECK(a.numel() == b.numel() && a.is_contiguous() && b.is_contiguous() && a.scalar_type() == b.scalar_type(),
              "approach wants two contiguous buffers of one size and type");
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
      "adam_(Tensor(a!) values, Tensor(b!) gradients, Tensor(c!)? first, Tensor(d!) second, float beta1, float beta2, float eps, float step_size, "
      "float correction2, float gradient_scale, float gradient_limit) -> ()",
      &adam);
  library.def("approach_(Tensor(a!) a, Tensor b, float weight) -> ()", &approach);
}

}  // namespace engine
