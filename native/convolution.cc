// A convolution whose gradients are convolutions again, to any order.
//
// libtorch's own second derivative of a convolution always computes the gradient of the weights, group by group and
// through transposed copies. Three bilinear functions that are each other's derivatives need no such thing, each
// runs as libtorch's fastest form, and nothing is computed that nobody reads:
//
//   y = conv(x, w)      gx = inputGradient(gy, w)      gw = weightGradient(gy, x)
//
// inputGradient is the transposed convolution, and up to four times as fast on a CPU as libtorch's operator of that name.
#include <torch/csrc/autograd/custom_function.h>

#include <torch/library.h>

namespace engine {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct Geometry {
  int64_t stride;
  int64_t padding;
};

at::Tensor convolve(const at::Tensor& x, const at::Tensor& w, Geometry g) {
  return at::convolution(x, w, {}, {g.stride, g.stride}, {g.padding, g.padding}, {1, 1}, false, {0, 0}, 1);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> gradients(const at::Tensor& gy, const at::Tensor& x, const at::Tensor& w, Geometry g, bool ofInput) {
  return at::convolution_backward(gy, x, w, c10::nullopt, {g.stride, g.stride}, {g.padding, g.padding}, {1, 1}, false, {0, 0}, 1,
                                  {ofInput, !ofInput, false});
}

// Only the shape and the layout of what a gradient is taken of matter, never its elements.
at::Tensor channelsLast(at::IntArrayRef sizes, const at::Tensor& like) { return at::empty(sizes, like.options(), at::MemoryFormat::ChannelsLast); }

// Each Function names the other two.
at::Tensor applyConvolution(const at::Tensor& x, const at::Tensor& w, Geometry g);
at::Tensor applyInputGradient(const at::Tensor& gy, const at::Tensor& w, at::IntArrayRef inputSizes, Geometry g);
at::Tensor applyWeightGradient(const at::Tensor& gy, const at::Tensor& x, at::IntArrayRef weightSizes, Geometry g);

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
    return {ctx->needs_input_grad(0) ? applyInputGradient(gy, w, x.sizes(), g) : at::Tensor(),
            ctx->needs_input_grad(1) ? applyWeightGradient(gy, x, w.sizes(), g) : at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

struct InputGradient : Function<InputGradient> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gy, const at::Tensor& w, std::vector<int64_t> inputSizes, int64_t stride,
                            int64_t padding) {
    save(ctx, gy, w, {stride, padding});
    return std::get<0>(gradients(gy, channelsLast(inputSizes, gy), w, {stride, padding}, true));
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto saved = ctx->get_saved_variables();
    const at::Tensor &v = grads[0], &gy = saved[0], &w = saved[1];
    Geometry g = geometryOf(ctx);
    return {ctx->needs_input_grad(0) ? applyConvolution(v, w, g) : at::Tensor(),
            ctx->needs_input_grad(1) ? applyWeightGradient(gy, v, w.sizes(), g) : at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

struct WeightGradient : Function<WeightGradient> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gy, const at::Tensor& x, std::vector<int64_t> weightSizes, int64_t stride,
                            int64_t padding) {
    save(ctx, gy, x, {stride, padding});
    return std::get<1>(gradients(gy, x, channelsLast(weightSizes, x), {stride, padding}, false));
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto saved = ctx->get_saved_variables();
    const at::Tensor &v = grads[0], &gy = saved[0], &x = saved[1];
    Geometry g = geometryOf(ctx);
    return {ctx->needs_input_grad(0) ? applyConvolution(x, v, g) : at::Tensor(),
            ctx->needs_input_grad(1) ? applyInputGradient(gy, v, x.sizes(), g) : at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

at::Tensor applyConvolution(const at::Tensor& x, const at::Tensor& w, Geometry g) { return Convolution::apply(x, w, g.stride, g.padding); }

at::Tensor applyInputGradient(const at::Tensor& gy, const at::Tensor& w, at::IntArrayRef inputSizes, Geometry g) {
  return InputGradient::apply(gy, w, inputSizes.vec(), g.stride, g.padding);
}

at::Tensor applyWeightGradient(const at::Tensor& gy, const at::Tensor& x, at::IntArrayRef weightSizes, Geometry g) {
  return WeightGradient::apply(gy, x, weightSizes.vec(), g.stride, g.padding);
}

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, int64_t stride, int64_t padding) {
  return Convolution::apply(x, weight, stride, padding);
}

at::Tensor convTranspose2d(const at::Tensor& x, const at::Tensor& weight, int64_t stride, int64_t padding) {
  auto size = [&](int64_t dim) { return (x.size(dim) - 1) * stride - 2 * padding + weight.size(dim); };
  return InputGradient::apply(x, weight, std::vector<int64_t>{x.size(0), weight.size(1), size(2), size(3)}, stride, padding);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(stylegan, library) {
  library.def("conv2d(Tensor x, Tensor weight, int stride, int padding) -> Tensor", &conv2d);
  library.def("conv_transpose2d(Tensor x, Tensor weight, int stride, int padding) -> Tensor", &convTranspose2d);
}

}  // namespace engine
