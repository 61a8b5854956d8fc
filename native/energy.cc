// Σ_k w_oik² of a weight [O, I, kH, kW], what demodulation needs, in one pass each way.
#include "kernels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace engine {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct Energy : Function<Energy> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& weight) {
    ctx->save_for_backward({weight});
    const int64_t rows = weight.size(0), columns = weight.size(1), taps = weight.size(2) * weight.size(3);
    at::Tensor result = at::empty({rows, columns}, weight.options());
    AT_DISPATCH_FLOATING_TYPES(weight.scalar_type(), "energy", [&] {
      const scalar_t* w = weight.data_ptr<scalar_t>();
      scalar_t* out = result.data_ptr<scalar_t>();
      at::parallel_for(0, rows, std::max<int64_t>(1, 32768 / (taps * columns)), [&](int64_t begin, int64_t end) {
        kernels<scalar_t>().energy(w + begin * taps * columns, out + begin * columns, end - begin, taps, columns);
      });
    });
    return result;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor weight = ctx->get_saved_variables()[0];
    if (c10::GradMode::is_enabled()) return {weight * 2 * grads[0].unsqueeze(2).unsqueeze(3)};
    const int64_t rows = weight.size(0), columns = weight.size(1), taps = weight.size(2) * weight.size(3);
    at::Tensor gradient = grads[0].contiguous(), result = at::empty_like(weight);
    AT_DISPATCH_FLOATING_TYPES(weight.scalar_type(), "energy", [&] {
      const scalar_t *g = gradient.data_ptr<scalar_t>(), *w = weight.data_ptr<scalar_t>();
      scalar_t* out = result.data_ptr<scalar_t>();
      at::parallel_for(0, rows, std::max<int64_t>(1, 32768 / (taps * columns)), [&](int64_t begin, int64_t end) {
        kernels<scalar_t>().energyBackward(g + begin * columns, w + begin * taps * columns, out + begin * taps * columns, end - begin, taps, columns);
      });
    });
    return {result};
  }
};

at::Tensor energy(const at::Tensor& weight) {
  TORCH_CHECK(weight.dim() == 4, "weight_energy wants a weight [O, I, kH, kW]");
  // A weight that lies as a transposed convolution reads it is summed as it lies.
  at::Tensor transposed = weight.transpose(0, 1);
  if (!weight.is_contiguous(at::MemoryFormat::ChannelsLast) && transposed.is_contiguous(at::MemoryFormat::ChannelsLast))
    return Energy::apply(transposed).transpose(0, 1);
  return Energy::apply(weight.contiguous(at::MemoryFormat::ChannelsLast));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(stylegan, library) { library.def("weight_energy(Tensor weight) -> Tensor", &energy); }

}  // namespace engine
