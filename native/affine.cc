// Scale, bias, noise, leaky ReLU and clamp of an activation in one pass each way:
//
//   y = clamp(lrelu(a)),  a = x · scale · scaleGain + bias · biasGain + noise · strength · noiseGain
//
// with x [N, C, H, W], scale [N, C], bias [C], noise [1 or N, 1, H, W] and strength of one element; all but x may be left out.
// y lies where x did if the caller has no further use of x and no gradient needs it.
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

struct Constants {
  double scaleGain, biasGain, noiseGain, slope, clamp;

  bool isLinear() const { return slope == 1 && clamp == 0; }
};

struct Inputs {
  at::Tensor x, scale, bias, noise, strength;
};

template <typename T>
const T* dataOf(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<T>() : nullptr;
}

// The part of the operands that sample n meets.
template <typename T>
Affine<T> sampleAt(const Inputs& in, const Constants& k, int64_t n, T strength) {
  Affine<T> affine;
  const int64_t channels = in.x.size(1), pixels = in.x.size(2) * in.x.size(3);
  if (in.scale.defined()) affine.scale = dataOf<T>(in.scale) + n * channels;
  affine.bias = dataOf<T>(in.bias);
  if (in.noise.defined()) affine.noise = dataOf<T>(in.noise) + (in.noise.size(0) == 1 ? 0 : n * pixels);
  affine.scaleGain = static_cast<T>(k.scaleGain);
  affine.biasGain = static_cast<T>(k.biasGain);
  affine.noiseGain = static_cast<T>(k.noiseGain) * strength;
  affine.slope = static_cast<T>(k.slope);
  affine.clamp = static_cast<T>(k.clamp);
  return affine;
}

// A sample is worked on in parts of this many pixels, whatever the number of threads: sums have a fixed order.
int64_t pixelsPerPart(int64_t pixels, int64_t channels) { return std::min(pixels, std::max<int64_t>(1, 65536 / channels)); }

template <typename T>
void forward(const Inputs& in, at::Tensor& y, const Constants& k) {
  const int64_t samples = in.x.size(0), channels = in.x.size(1), pixels = in.x.size(2) * in.x.size(3);
  const T strength = in.strength.defined() ? *in.strength.data_ptr<T>() : T(1);
  const T* x = in.x.data_ptr<T>();
  T* out = y.data_ptr<T>();
  const int64_t part = pixelsPerPart(pixels, channels), parts = (pixels + part - 1) / part;
  at::parallel_for(0, samples * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / parts, start = (i % parts) * part, count = std::min(part, pixels - start);
      Affine<T> affine = sampleAt<T>(in, k, n, strength);
      if (affine.noise) affine.noise += start;
      const int64_t at = (n * pixels + start) * channels;
      kernels<T>().affine(x + at, out + at, count, channels, affine);
    }
  });
}

struct Gradients {
  at::Tensor x, scale, bias, noise, strength;
};

struct Wanted {
  bool x, scale, bias, noise, strength;
};

template <typename T>
Gradients backward(const at::Tensor& gradient, const Inputs& in, const at::Tensor& y, const Constants& k, const Wanted& wanted) {
  const int64_t samples = gradient.size(0), channels = gradient.size(1), pixels = gradient.size(2) * gradient.size(3);
  const int64_t part = pixelsPerPart(pixels, channels), parts = (pixels + part - 1) / part;
  auto options = gradient.options();
  Gradients result;
  if (wanted.x) result.x = at::empty_like(gradient);
  at::Tensor scaleSums = wanted.scale ? at::zeros({samples, parts, channels}, options) : at::Tensor();
  at::Tensor biasSums = wanted.bias ? at::zeros({samples * parts, channels}, options) : at::Tensor();
  at::Tensor noiseSums =
      wanted.noise || wanted.strength ? at::empty({samples, 1, gradient.size(2), gradient.size(3)}, options) : at::Tensor();
  const T strength = in.strength.defined() ? *in.strength.data_ptr<T>() : T(1);
  const T *g = gradient.data_ptr<T>(), *out = dataOf<T>(y), *x = wanted.scale ? in.x.data_ptr<T>() : nullptr;
  at::parallel_for(0, samples * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / parts, start = (i % parts) * part, count = std::min(part, pixels - start);
      const int64_t at = (n * pixels + start) * channels;
      AffineGradients<T> to;
      if (wanted.x) to.x = result.x.template data_ptr<T>() + at;
      if (wanted.scale) to.scale = scaleSums.data_ptr<T>() + i * channels;
      if (wanted.bias) to.bias = biasSums.data_ptr<T>() + i * channels;
      if (noiseSums.defined()) to.noise = noiseSums.data_ptr<T>() + n * pixels + start;
      kernels<T>().affineBackward(g + at, x ? x + at : nullptr, out ? out + at : nullptr, count, channels, sampleAt<T>(in, k, n, strength),
                                  to);
    }
  });
  if (wanted.scale) result.scale = scaleSums.sum(1).mul_(k.scaleGain);
  if (wanted.bias) result.bias = biasSums.sum(0).mul_(k.biasGain);
  if (wanted.strength) result.strength = noiseSums.mul(in.noise).sum().mul_(k.noiseGain).reshape(in.strength.sizes());
  if (wanted.noise) {
    at::Tensor perSample = in.noise.size(0) == 1 ? noiseSums.sum(0, true) : noiseSums;
    result.noise = perSample.mul(k.noiseGain).mul_(strength);
  }
  return result;
}

template <typename T>
void doubleBackward(const at::Tensor& towardsX, const at::Tensor& towardsScale, const at::Tensor& gradient, const at::Tensor& x,
                    const at::Tensor& scale, const at::Tensor& y, const Constants& k, at::Tensor& toGradient, at::Tensor* toX,
                    at::Tensor* toScale) {
  const int64_t samples = gradient.size(0), channels = gradient.size(1), pixels = gradient.size(2) * gradient.size(3);
  const int64_t part = pixelsPerPart(pixels, channels), parts = (pixels + part - 1) / part;
  const at::Tensor vx = towardsX.defined() ? towardsX.contiguous(at::MemoryFormat::ChannelsLast) : towardsX;
  const at::Tensor vs = towardsScale.defined() ? towardsScale.contiguous() : towardsScale;
  toGradient = at::empty_like(gradient);
  if (!vx.defined() && !vs.defined()) {
    toGradient.zero_();
    return;
  }
  // The kernel writes x's part wherever there is something towards the scale, wanted or not.
  at::Tensor xPart = vs.defined() ? at::empty_like(gradient) : at::Tensor();
  at::Tensor scaleSums = toScale ? at::zeros({samples, parts, channels}, gradient.options()) : at::Tensor();
  Inputs in{gradient, scale, at::Tensor(), at::Tensor(), at::Tensor()};
  const T *v = dataOf<T>(vx), *s = dataOf<T>(vs), *g = gradient.data_ptr<T>(), *data = dataOf<T>(x), *out = dataOf<T>(y);
  T *to = toGradient.data_ptr<T>(), *xOut = xPart.defined() ? xPart.data_ptr<T>() : nullptr;
  at::parallel_for(0, samples * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / parts, start = (i % parts) * part, count = std::min(part, pixels - start);
      const int64_t at = (n * pixels + start) * channels;
      kernels<T>().affineDoubleBackward(v ? v + at : nullptr, s ? s + n * channels : nullptr, g + at, s ? data + at : nullptr,
                                        out ? out + at : nullptr, count, channels, sampleAt<T>(in, k, n, T(1)), to + at,
                                        xOut ? xOut + at : nullptr, toScale ? scaleSums.data_ptr<T>() + i * channels : nullptr);
    }
  });
  if (toX) *toX = xPart;
  if (toScale) *toScale = scaleSums.sum(1);
}

// The slope of lrelu and clamp at each element, read off their output.
at::Tensor slopesOf(const at::Tensor& y, const Constants& k) {
  at::Tensor slopes = at::empty_like(y);
  AT_DISPATCH_FLOATING_TYPES(y.scalar_type(), "affine", [&] {
    const scalar_t* in = y.data_ptr<scalar_t>();
    scalar_t* out = slopes.data_ptr<scalar_t>();
    at::parallel_for(0, y.numel(), 32768, [&](int64_t begin, int64_t end) {
      kernels<scalar_t>().slopes(in + begin, out + begin, end - begin, static_cast<scalar_t>(k.slope), static_cast<scalar_t>(k.clamp));
    });
  });
  return slopes;
}

// The same gradients in operators that libtorch can differentiate again. The slope is constant almost everywhere.
Gradients differentiable(const at::Tensor& gradient, const Inputs& in, const at::Tensor& y, const Constants& k, const Wanted& wanted) {
  Gradients result;
  at::Tensor u = y.defined() ? gradient * slopesOf(y.detach(), k) : gradient;
  if (wanted.x) {
    if (in.scale.defined()) result.x = u * (in.scale * k.scaleGain).unsqueeze(2).unsqueeze(3);
    else result.x = k.scaleGain == 1 ? u : u * k.scaleGain;
  }
  if (wanted.scale) result.scale = (u * in.x).sum({2, 3}) * k.scaleGain;
  if (wanted.bias) result.bias = u.sum({0, 2, 3}) * k.biasGain;
  if (wanted.noise || wanted.strength) {
    at::Tensor sums = u.sum(1, true);
    if (wanted.strength) result.strength = ((sums * in.noise).sum() * k.noiseGain).reshape(in.strength.sizes());
    if (wanted.noise) {
      result.noise = (in.noise.size(0) == 1 ? sums.sum(0, true) : sums) * k.noiseGain;
      if (in.strength.defined()) result.noise = result.noise * in.strength;
    }
  }
  return result;
}

using OptionalTensor = c10::optional<at::Tensor>;

// As autograd keeps them between forward and backward.
std::vector<double> packed(const Constants& k) { return {k.scaleGain, k.biasGain, k.noiseGain, k.slope, k.clamp}; }

Constants unpacked(const std::vector<double>& c) { return {c[0], c[1], c[2], c[3], c[4]}; }

at::Tensor applyAffineGradient(const at::Tensor& gradient, const Inputs& in, const at::Tensor& y, const Constants& k, bool ofScale,
                               at::Tensor* scaleGradient);

struct FusedAffine : Function<FusedAffine> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const OptionalTensor& scale, const OptionalTensor& bias,
                            const OptionalTensor& noise, const OptionalTensor& strength, double scaleGain, double biasGain,
                            double noiseGain, double slope, double clamp, bool overwrite) {
    Constants k{scaleGain, biasGain, noiseGain, slope, clamp};
    at::Tensor y = overwrite ? x : at::empty_like(x), none;
    if (overwrite) ctx->mark_dirty({x});
    Inputs in{x, scale.value_or(none), bias.value_or(none), noise.value_or(none), strength.value_or(none)};
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "affine", [&] { engine::forward<scalar_t>(in, y, k); });
    // x is read again only for the gradient of the scale, y only where the slope is not 1 everywhere.
    ctx->save_for_backward({in.scale.defined() ? x : none, in.scale, in.noise, in.strength, k.isLinear() ? none : y});
    ctx->saved_data["given"] = c10::List<bool>({true, in.scale.defined(), in.bias.defined(), in.noise.defined(), in.strength.defined()});
    ctx->saved_data["constants"] = packed(k);
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto saved = ctx->get_saved_variables();
    Constants k = unpacked(ctx->saved_data["constants"].toDoubleVector());
    Inputs in{saved[0], saved[1], at::Tensor(), saved[2], saved[3]};
    const at::Tensor& y = saved[4];
    // libtorch counts only the tensors that were given.
    auto given = ctx->saved_data["given"].toBoolList();
    size_t edge = 0;
    auto wants = [&](size_t i) { return given.get(i) && ctx->needs_input_grad(edge++); };
    Wanted wanted{wants(0), wants(1), wants(2), wants(3), wants(4)};
    Gradients g;
    if (c10::GradMode::is_enabled() && wanted.x && !wanted.bias && !wanted.noise && !wanted.strength) {
      g.x = applyAffineGradient(grads[0], in, y, k, wanted.scale, &g.scale);
    } else if (c10::GradMode::is_enabled()) {
      g = differentiable(grads[0], in, y, k, wanted);
    } else {
      at::Tensor gradient = grads[0].contiguous(at::MemoryFormat::ChannelsLast);
      if (!in.x.defined()) in.x = gradient;  // for its shape
      AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), "affine", [&] { g = engine::backward<scalar_t>(gradient, in, y, k, wanted); });
    }
    at::Tensor none;
    return {g.x, g.scale, g.bias, g.noise, g.strength, none, none, none, none, none, none};
  }
};

// The gradients of x and scale as a function of its own, for the gradients of gradients that R1 and path length take.
struct AffineGradient : Function<AffineGradient> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& gradient, const OptionalTensor& x, const OptionalTensor& scale,
                               const OptionalTensor& y, const std::vector<double>& constants, bool ofScale) {
    at::Tensor none, dense = gradient.contiguous(at::MemoryFormat::ChannelsLast);
    Inputs in{x.value_or(dense), scale.value_or(none), none, none, none};
    Constants k = unpacked(constants);
    at::Tensor output = y.value_or(none);
    Gradients g;
    AT_DISPATCH_FLOATING_TYPES(dense.scalar_type(), "affine", [&] {
      g = engine::backward<scalar_t>(dense, in, output, k, {true, ofScale, false, false, false});
    });
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({dense, x.value_or(none), in.scale, output});
    ctx->saved_data["constants"] = constants;
    if (ofScale) return {g.x, g.scale};
    return {g.x};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto saved = ctx->get_saved_variables();
    const at::Tensor &gradient = saved[0], &x = saved[1], &scale = saved[2], &y = saved[3];
    Constants k = unpacked(ctx->saved_data["constants"].toDoubleVector());
    const at::Tensor& vx = grads[0];
    at::Tensor none, vs = grads.size() > 1 ? grads[1] : none;
    size_t edge = 1;
    const bool wantsX = x.defined() && ctx->needs_input_grad(edge++);
    const bool wantsScale = scale.defined() && ctx->needs_input_grad(edge++);
    at::Tensor toGradient, toX, toScale;
    if (c10::GradMode::is_enabled()) {
      at::Tensor m = y.defined() ? slopesOf(y.detach(), k) * k.scaleGain : at::full({}, k.scaleGain, gradient.options());
      auto wide = [](const at::Tensor& t) { return t.unsqueeze(2).unsqueeze(3); };
      if (vx.defined()) toGradient = m * (scale.defined() ? vx * wide(scale) : vx);
      if (vs.defined()) toGradient = toGradient.defined() ? toGradient + m * x * wide(vs) : m * x * wide(vs);
      if (wantsX && vs.defined()) toX = m * gradient * wide(vs);
      if (wantsScale && vx.defined()) toScale = (m * gradient * vx).sum({2, 3});
    } else {
      AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), "affine", [&] {
        doubleBackward<scalar_t>(vx, vs, gradient, x, scale, y, k, toGradient, vs.defined() && wantsX ? &toX : nullptr,
                                 vx.defined() && wantsScale ? &toScale : nullptr);
      });
    }
    return {toGradient, toX, toScale, none, none, none};
  }
};

at::Tensor applyAffineGradient(const at::Tensor& gradient, const Inputs& in, const at::Tensor& y, const Constants& k, bool ofScale,
                               at::Tensor* scaleGradient) {
  auto given = [](const at::Tensor& tensor) { return tensor.defined() ? OptionalTensor(tensor) : c10::nullopt; };
  // The slope is constant almost everywhere: nothing flows through y.
  at::Tensor output = y.defined() ? y.detach() : y;
  auto gradients = AffineGradient::apply(gradient, given(in.x), given(in.scale), given(output), packed(k), ofScale);
  if (ofScale) *scaleGradient = gradients[1];
  return gradients[0];
}

at::Tensor affine(const at::Tensor& x, const OptionalTensor& scale, const OptionalTensor& bias, const OptionalTensor& noise,
                  const OptionalTensor& strength, double scaleGain, double biasGain, double noiseGain, double slope, double clamp,
                  bool overwrite) {
  checkFloat(x, "x");
  checkSizes(x, "x", 4, "[N, C, H, W]");
  auto isGiven = [](const OptionalTensor& tensor) { return tensor && tensor->defined(); };
  auto checked = [&](const OptionalTensor& tensor, at::IntArrayRef sizes, const char* name) -> OptionalTensor {
    if (!isGiven(tensor)) return c10::nullopt;
    checkType(*tensor, name, x.scalar_type());
    checkShape(*tensor, name, sizes);
    return tensor->contiguous();
  };
  const int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  const int64_t noiseSamples = isGiven(noise) && noise->dim() == 4 && noise->size(0) == 1 ? 1 : n;
  if (isGiven(strength)) {
    TORCH_CHECK(isGiven(noise), "'strength' is given without 'noise'");
    TORCH_CHECK(strength->numel() == 1, "'strength' must have one element, not ", strength->numel());
    checkType(*strength, "strength", x.scalar_type());
  }
  const at::Tensor dense = x.contiguous(at::MemoryFormat::ChannelsLast);
  const bool saved = c10::GradMode::is_enabled() && scale && scale->defined() && (x.requires_grad() || scale->requires_grad());
  const bool isLeaf = x.is_leaf() && x.requires_grad();
  return FusedAffine::apply(dense, checked(scale, {n, c}, "scale"), checked(bias, {c}, "bias"),
                            checked(noise, {noiseSamples, 1, h, w}, "noise"), strength, scaleGain, biasGain, noiseGain, slope, clamp,
                            overwrite && !saved && !isLeaf && !x.is_view());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(stylegan, library) {
  library.def(
      "affine(Tensor x, Tensor? scale, Tensor? bias, Tensor? noise, Tensor? strength, float scale_gain, float bias_gain, float noise_gain, "
      "float slope, float clamp, bool overwrite) -> Tensor");
}

TORCH_LIBRARY_IMPL(stylegan, CPU, library) { library.impl("affine", &affine); }

TORCH_LIBRARY_IMPL(stylegan, AutogradCPU, library) { library.impl("affine", &affine); }

}  // namespace engine
