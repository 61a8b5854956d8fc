// Up-sampling, filtering and down-sampling in one pass over channels-last data.
//
// y[o] = gain · Σ_k f[k] z[o · down + k - padding], where z is x with up - 1 zeros after each pixel. The gradient with
// respect to x is the same with up and down exchanged and the filter flipped, so that this one function is its own
// derivative, to any order. The filter itself is a constant.
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

constexpr int64_t kMostTaps = 16;
// Of factors, padding and sizes: far beyond pictures, and no product of two leaves 64 bits.
constexpr int64_t kLargest = 1 << 20;

struct Resampling {
  int64_t up, down, padding, height, width;  // height and width of the result
};

int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// One row of the result, filter row `taps` [size] over the input row `in`, added to `out`.
template <typename T>
void addRow(const T* in, T* out, const T* taps, int64_t size, int64_t inputWidth, int64_t channels, const Resampling& r) {
  const auto& filterRow = kernels<T>().filterRow;
  T phase[kMostTaps];
  int64_t o = 0;
  while (o < r.width) {
    const int64_t origin = o * r.down - r.padding;  // z index that tap 0 meets
    // The first tap that meets a pixel and not a zero in between, then every up-th.
    int64_t first = ((-origin) % r.up + r.up) % r.up;
    if (origin + first < 0) first += ceilDivide(-(origin + first), r.up) * r.up;
    const int64_t pixel = (origin + first) / r.up;
    const int64_t count = std::max<int64_t>(0, std::min(ceilDivide(size - first, r.up), inputWidth - pixel));
    // Where nothing but whole pixels moves, neighbours with all of their taps are one long row.
    const bool whole = r.up == 1 && r.down == 1 && count == size;
    const int64_t span = whole ? std::min(r.width - o, inputWidth - pixel - size + 1) : 1;
    for (int64_t t = 0; t < count; ++t) phase[t] = taps[first + t * r.up];
    filterRow(in + pixel * channels, out + o * channels, span * channels, phase, static_cast<int>(count), channels);
    o += span;
  }
}

template <typename T>
void resample(const at::Tensor& x, const at::Tensor& filter, at::Tensor& y, const Resampling& r) {
  const int64_t channels = x.size(1), height = x.size(2), width = x.size(3), size = filter.size(0);
  const T* in = x.data_ptr<T>();
  const T* taps = filter.data_ptr<T>();
  T* out = y.data_ptr<T>();
  const int64_t rowLength = r.width * channels;
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(rowLength, 1));
  at::parallel_for(0, x.size(0) * r.height, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / r.height;
      const int64_t origin = (row % r.height) * r.down - r.padding;
      T* outRow = out + row * rowLength;
      std::fill(outRow, outRow + rowLength, T(0));
      for (int64_t k = 0; k < size; ++k) {
        const int64_t z = origin + k;
        if (z < 0 || z % r.up != 0 || z / r.up >= height) continue;
        addRow(in + (n * height + z / r.up) * width * channels, outRow, taps + k * size, size, width, channels, r);
      }
    }
  });
}

at::Tensor compute(const at::Tensor& x, const at::Tensor& filter, const Resampling& r) {
  at::Tensor input = x.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor y = at::empty({x.size(0), x.size(1), r.height, r.width}, x.options(), at::MemoryFormat::ChannelsLast);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "resample2d", [&] { resample<scalar_t>(input, filter, y, r); });
  return y;
}

struct Resample : Function<Resample> {
  // `filter` as it is applied: flipped and with its gain.
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& filter, int64_t up, int64_t down, int64_t padding,
                            int64_t height, int64_t width) {
    ctx->saved_data["filter"] = filter;
    ctx->saved_data["up"] = up;
    ctx->saved_data["down"] = down;
    ctx->saved_data["padding"] = padding;
    ctx->saved_data["height"] = x.size(2);
    ctx->saved_data["width"] = x.size(3);
    return compute(x, filter, {up, down, padding, height, width});
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto integer = [&](const char* name) { return ctx->saved_data[name].toInt(); };
    at::Tensor filter = ctx->saved_data["filter"].toTensor();
    at::Tensor gx = Resample::apply(grads[0], filter.flip({0, 1}), integer("down"), integer("up"), filter.size(0) - 1 - integer("padding"),
                                    integer("height"), integer("width"));
    return {gx, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

at::Tensor resample2d(const at::Tensor& x, const at::Tensor& filter, int64_t up, int64_t down, int64_t padding, at::IntArrayRef size,
                      double gain) {
  checkFloat(x, "x");
  checkSizes(x, "x", 4, "[N, C, H, W]");
  checkSizes(filter, "filter", 2, "[K, K]");
  TORCH_CHECK(filter.size(0) == filter.size(1) && filter.size(0) <= kMostTaps, "'filter' must be square with at most ", kMostTaps,
              " taps a side, not ", filter.sizes());
  checkRange(up, "up", 1, kLargest);
  checkRange(down, "down", 1, kLargest);
  checkRange(padding, "padding", -kLargest, kLargest);
  TORCH_CHECK(size.size() == 2, "'size' must be height and width, not ", size);
  for (int64_t side : size) checkRange(side, "size", 1, kLargest);
  at::Tensor scaled = filter.detach().to(x.scalar_type()).mul(gain).contiguous();
  return Resample::apply(x, scaled, up, down, padding, size[0], size[1]);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(stylegan, library) {
  library.def("resample2d(Tensor x, Tensor filter, int up, int down, int padding, int[2] size, float gain) -> Tensor");
}

TORCH_LIBRARY_IMPL(stylegan, CPU, library) { library.impl("resample2d", &resample2d); }

TORCH_LIBRARY_IMPL(stylegan, AutogradCPU, library) { library.impl("resample2d", &resample2d); }

}  // namespace engine
