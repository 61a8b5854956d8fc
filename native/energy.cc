// A weight [O, I, kH, kW] and its energy Σ_k w_oik² [O, I], what demodulation needs. The gradients of both meet here, so that they
// are added in the pass that computes the energy's.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels.h"
#include "operators.h"

namespace engine {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// For the energy of each row: fn(first row, rows).
template <typename F>
void overRows(const at::Tensor& weight, const F& fn) {
  const int64_t rows = weight.size(0), elements = weight.numel() / std::max<int64_t>(rows, 1);
  at::parallel_for(0, rows, std::max<int64_t>(1, 32768 / std::max<int64_t>(elements, 1)),
                   [&](int64_t begin, int64_t end) { fn(begin, end - begin); });
}

struct WithEnergy : Function<WithEnergy> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& weight) {
    ctx->save_for_backward({weight});
    ctx->set_materialize_grads(false);
    const int64_t columns = weight.size(1), taps = weight.size(2) * weight.size(3);
    at::Tensor energy = at::empty({weight.size(0), columns}, weight.options());
    AT_DISPATCH_FLOATING_TYPES(weight.scalar_type(), "energy", [&] {
      const scalar_t* w = weight.data_ptr<scalar_t>();
      scalar_t* out = energy.data_ptr<scalar_t>();
      overRows(weight, [&](int64_t row, int64_t rows) {
        kernels<scalar_t>().energy(w + row * taps * columns, out + row * columns, rows, taps, columns);
      });
    });
    return {weight, energy};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor weight = ctx->get_saved_variables()[0];
    at::Tensor ofWeight = grads[0], ofEnergy = grads[1];
    if (!ofEnergy.defined()) return {ofWeight};
    if (c10::GradMode::is_enabled()) {
      at::Tensor throughEnergy = weight * 2 * ofEnergy.unsqueeze(2).unsqueeze(3);
      return {ofWeight.defined() ? ofWeight + throughEnergy : throughEnergy};
    }
    const int64_t columns = weight.size(1), taps = weight.size(2) * weight.size(3);
    at::Tensor gradient = ofEnergy.contiguous(), sum = at::empty_like(weight);
    if (ofWeight.defined()) ofWeight = ofWeight.contiguous(at::MemoryFormat::ChannelsLast);
    AT_DISPATCH_FLOATING_TYPES(weight.scalar_type(), "energy", [&] {
      const scalar_t *g = gradient.data_ptr<scalar_t>(), *w = weight.data_ptr<scalar_t>();
      const scalar_t* base = ofWeight.defined() ? ofWeight.data_ptr<scalar_t>() : nullptr;
      scalar_t* out = sum.data_ptr<scalar_t>();
      overRows(weight, [&](int64_t row, int64_t rows) {
        const int64_t at = row * taps * columns;
        kernels<scalar_t>().energyBackward(g + row * columns, w + at, base ? base + at : nullptr, out + at, rows, taps, columns);
      });
    });
    return {sum};
  }
};

std::tuple<at::Tensor, at::Tensor> withEnergy(const at::Tensor& weight) {
  checkFloat(weight, "weight");
  checkSizes(weight, "weight", 4, "[O, I, kH, kW]");
  // A weight that lies as a transposed convolution reads it is summed as it lies.
  at::Tensor transposed = weight.transpose(0, 1);
  if (!weight.is_contiguous(at::MemoryFormat::ChannelsLast) && transposed.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    auto both = WithEnergy::apply(transposed);
    return {both[0].transpose(0, 1), both[1].transpose(0, 1)};
  }
  auto both = WithEnergy::apply(weight.contiguous(at::MemoryFormat::ChannelsLast));
  return {both[0], both[1]};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(stylegan, library) { library.def("weight_with_energy(Tensor weight) -> (Tensor, Tensor)"); }

TORCH_LIBRARY_IMPL(stylegan, CPU, library) { library.impl("weight_with_energy", &withEnergy); }

TORCH_LIBRARY_IMPL(stylegan, AutogradCPU, library) { library.impl("weight_with_energy", &withEnergy); }

}  // namespace engine
