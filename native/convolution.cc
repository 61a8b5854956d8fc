// A convolution whose gradients are convolutions again, to any order.
//
// libtorch's own second derivative of a convolution always computes the gradient of the weights, group by group and
// through transposed copies. Three bilinear functions that are each other's derivatives need no such thing, each
// runs as libtorch's fastest form, and nothing is computed that nobody reads:
//
//   y = conv(x, w)      gx = inputGradient(gy, w)      gw = weightGradient(gy, x)
//
// With reduced precision, operands are rounded to bfloat16 and results are float32 again: sums inside are float32 on any
// hardware, and everything between convolutions stays as it is. Activations that are bfloat16 already stay so; their weights,
// which are float32, are rounded, and the weights' gradients are float32 again.
//
// inputGradient is the transposed convolution, and up to four times as fast on a CPU as libtorch's operator of that name.
#include "convolution.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "fastConvolution.h"

namespace engine {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct Geometry {
  int64_t stride;
  int64_t padding;
};

bool reduced = false;

// Convolutions from or to few channels are those from and to images: they keep their precision and cost little.
constexpr int64_t kFewestChannels = 8;

bool isReduced(at::ScalarType type, at::IntArrayRef weightSizes) {
  return reduced && type == at::kFloat && weightSizes[0] >= kFewestChannels && weightSizes[1] >= kFewestChannels;
}

// Whether operands of different types meet: bfloat16 activations and float32 weights.
bool isMixed(std::initializer_list<at::ScalarType> types) {
  bool same = true;
  for (at::ScalarType type : types) same &= type == *types.begin();
  if (same) return false;
  for (at::ScalarType type : types)
    TORCH_CHECK(type == at::kBFloat16 || type == at::kFloat, "a convolution of ", *types.begin(), " with ", *(types.end() - 1),
                ": make them one type");
  return true;
}

at::Tensor convolve(const at::Tensor& x, const at::Tensor& w, Geometry g) {
  if (isMixed({x.scalar_type(), w.scalar_type()})) return convolve(x.to(at::kBFloat16), w.to(at::kBFloat16), g);
  if (isReduced(x.scalar_type(), w.sizes())) return convolve(x.to(at::kBFloat16), w.to(at::kBFloat16), g).to(at::kFloat);
  if (hasFastConvolution(x, w, g.stride, g.padding)) return fastConvolution(x, w, g.padding);
  return at::convolution(x, w, {}, {g.stride, g.stride}, {g.padding, g.padding}, {1, 1}, false, {0, 0}, 1);
}

// Gradients of the input and of the weight, those that are asked for. Of what a gradient is taken of, only shape, layout and
// type matter.
std::array<at::Tensor, 2> gradients(const at::Tensor& gy, const at::Tensor& x, const at::Tensor& w, Geometry g,
                                    std::array<bool, 2> wanted) {
  const at::ScalarType type = w.scalar_type();
  const bool mixed = isMixed({gy.scalar_type(), x.scalar_type(), type}), half = !mixed && isReduced(type, w.sizes());
  if (!mixed && !half && hasFastGradients(gy, x, w, g.stride, g.padding))
    return {wanted[0] ? fastInputGradient(gy, w, x.sizes(), g.padding) : at::Tensor(),
            wanted[1] ? fastWeightGradient(gy, x, g.padding) : at::Tensor()};
  auto operand = [&](const at::Tensor& tensor) { return half || mixed ? tensor.to(at::kBFloat16) : tensor; };
  auto [gx, gw, none] = at::convolution_backward(operand(gy), operand(x), operand(w), c10::nullopt, {g.stride, g.stride},
                                                 {g.padding, g.padding}, {1, 1}, false, {0, 0}, 1, {wanted[0], wanted[1], false});
  if (half && gx.defined()) gx = gx.to(type);
  if (gw.defined()) gw = gw.to(type);
  return {gx, gw};
}

// Only shape, layout and type of what a gradient is taken of matter, never its elements.
at::Tensor channelsLast(at::IntArrayRef sizes, const at::TensorOptions& options) {
  return at::empty(sizes, options, at::MemoryFormat::ChannelsLast);
}

// Each Function names the other two.
at::Tensor applyConvolution(const at::Tensor& x, const at::Tensor& w, Geometry g);
at::Tensor applyInputGradient(const at::Tensor& gy, const at::Tensor& w, at::IntArrayRef inputSizes, Geometry g);
at::Tensor applyWeightGradient(const at::Tensor& gy, const at::Tensor& x, const at::Tensor& w, Geometry g);

Geometry geometryOf(AutogradContext* ctx) { return {ctx->saved_data["stride"].toInt(), ctx->saved_data["padding"].toInt()}; }

void save(AutogradContext* ctx, const at::Tensor& a, const at::Tensor& b, Geometry g) {
  ctx->save_for_backward({a, b});
  ctx->saved_data["stride"] = g.stride;
  ctx->saved_data["padding"] = g.padding;
}

struct Convolution : Function<Convolution> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& w, int64_t stride, int64_t padding) {
    save(ctx, x, w, {stride, padding});
    return convolve(x, w, {stride, padding});
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto saved = ctx->get_saved_variables();
    const at::Tensor &gy = grads[0], &x = saved[0], &w = saved[1];
    Geometry g = geometryOf(ctx);
    const bool ofInput = ctx->needs_input_grad(0), ofWeight = ctx->needs_input_grad(1);
    if (!c10::GradMode::is_enabled()) {
      auto [gx, gw] = gradients(gy, x, w, g, {ofInput, ofWeight});
      return {gx, gw, at::Tensor(), at::Tensor()};
    }
    return {ofInput ? applyInputGradient(gy, w, x.sizes(), g) : at::Tensor(), ofWeight ? applyWeightGradient(gy, x, w, g) : at::Tensor(),
            at::Tensor(), at::Tensor()};
  }
};

struct InputGradient : Function<InputGradient> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gy, const at::Tensor& w, const std::vector<int64_t>& inputSizes,
                            int64_t stride, int64_t padding) {
    save(ctx, gy, w, {stride, padding});
    return gradients(gy, channelsLast(inputSizes, gy.options()), w, {stride, padding}, {true, false})[0];
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto saved = ctx->get_saved_variables();
    const at::Tensor &v = grads[0], &gy = saved[0], &w = saved[1];
    Geometry g = geometryOf(ctx);
    return {ctx->needs_input_grad(0) ? applyConvolution(v, w, g) : at::Tensor(),
            ctx->needs_input_grad(1) ? applyWeightGradient(gy, v, w, g) : at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

struct WeightGradient : Function<WeightGradient> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gy, const at::Tensor& x, const std::vector<int64_t>& weightSizes,
                            int64_t weightType, int64_t stride, int64_t padding) {
    save(ctx, gy, x, {stride, padding});
    const at::Tensor w = channelsLast(weightSizes, x.options().dtype(static_cast<at::ScalarType>(weightType)));
    return gradients(gy, x, w, {stride, padding}, {false, true})[1];
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto saved = ctx->get_saved_variables();
    const at::Tensor &v = grads[0], &gy = saved[0], &x = saved[1];
    Geometry g = geometryOf(ctx);
    return {ctx->needs_input_grad(0) ? applyConvolution(x, v, g) : at::Tensor(),
            ctx->needs_input_grad(1) ? applyInputGradient(gy, v, x.sizes(), g) : at::Tensor(),
            at::Tensor(),
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

at::Tensor applyConvolution(const at::Tensor& x, const at::Tensor& w, Geometry g) { return Convolution::apply(x, w, g.stride, g.padding); }

at::Tensor applyInputGradient(const at::Tensor& gy, const at::Tensor& w, at::IntArrayRef inputSizes, Geometry g) {
  return InputGradient::apply(gy, w, inputSizes.vec(), g.stride, g.padding);
}

at::Tensor applyWeightGradient(const at::Tensor& gy, const at::Tensor& x, const at::Tensor& w, Geometry g) {
  return WeightGradient::apply(gy, x, w.sizes().vec(), static_cast<int64_t>(w.scalar_type()), g.stride, g.padding);
}

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, int64_t stride, int64_t padding) {
  return Convolution::apply(x, weight, stride, padding);
}

std::tuple<at::Tensor, at::Tensor> conv2dBackward(const at::Tensor& gy, const at::Tensor& x, const at::Tensor& weight, int64_t stride,
                                                  int64_t padding, std::array<bool, 2> mask) {
  auto [gx, gw] = gradients(gy, x, weight, {stride, padding}, mask);
  return {gx, gw};
}

at::Tensor convTranspose2d(const at::Tensor& x, const at::Tensor& weight, int64_t stride, int64_t padding) {
  auto size = [&](int64_t dim) { return (x.size(dim) - 1) * stride - 2 * padding + weight.size(dim); };
  return InputGradient::apply(x, weight, std::vector<int64_t>{x.size(0), weight.size(1), size(2), size(3)}, stride, padding);
}

}  // namespace

void setReducedConvolutions(bool on) { reduced = on; }

bool reducedConvolutions() { return reduced; }

TORCH_LIBRARY_FRAGMENT(stylegan, library) {
  library.def("conv2d(Tensor x, Tensor weight, int stride, int padding) -> Tensor", &conv2d);
  // For benchmarks: both gradients of one convolution, those that are asked for.
  library.def("conv2d_backward(Tensor gy, Tensor x, Tensor weight, int stride, int padding, bool[2] mask) -> (Tensor, Tensor)",
              &conv2dBackward);
  library.def("conv_transpose2d(Tensor x, Tensor weight, int stride, int padding) -> Tensor", &convTranspose2d);
}

}  // namespace engine
