// Fast 3x3 convolutions (winograd.h) on tensors: what is transformed when, in which blocks, and by which thread.
//
// Two orders of work. Many tiles: a thread takes a block of them from the input's transform to the output's, and what lies
// between stays in its cache. Many channels and few tiles: all tiles are transformed first, and a thread takes
// a block of output channels, whose transformed weights it makes, uses and forgets: they are four times as large as the
// weights, and writing them to memory would take longer than the products.
//
// Blocks are given out as threads ask for them, so that one that other programs disturb does less; which thread takes
// which has no influence on a result.
#include "winograd.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/record_function.h>

#include <atomic>

#include "fastConvolution.h"
#include "kernels.h"

namespace engine {

namespace {

constexpr int64_t kTile = 4;  // outputs of a tile, in each direction

// An odd number of cache lines after each point: the 36 lines that a transform writes at once lie in different sets.
int64_t padded(int64_t floats) { return floats + kBlockChannels; }

int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <typename Body>
void inParallel(int64_t tasks, const Body& body) {
  std::atomic<int64_t> next{0};
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), tasks);
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker)
      for (int64_t task = next++; task < tasks; task = next++) body(task, worker);
  });
}

// Memory for each of the threads, or for all.
class Scratch {
 public:
  explicit Scratch(int64_t floats, int64_t parts = 1)
      : size_(divideUp(floats, kBlockChannels) * kBlockChannels), all_(at::empty({size_ * parts}, at::kFloat)) {}
  float* of(int64_t part) const { return all_.data_ptr<float>() + part * size_; }

 private:
  int64_t size_;
  at::Tensor all_;
};

// The tiles of the pictures of a batch, numbered through.
struct Tiles {
  int64_t perRow, perPicture, count;

  Tiles(int64_t pictures, int64_t height, int64_t width)
      : perRow(divideUp(width, kTile)), perPicture(perRow * divideUp(height, kTile)), count(pictures * perPicture) {}

  int64_t picture(int64_t tile) const { return tile / perPicture; }
  int64_t top(int64_t tile) const { return tile % perPicture / perRow * kTile; }
  int64_t left(int64_t tile) const { return tile % perRow * kTile; }
};

// A channels-last tensor and what the kernels need to know of it.
struct Batch {
  float* data;
  Picture picture;

  explicit Batch(const at::Tensor& x) : data(x.data_ptr<float>()), picture{x.size(2), x.size(3), x.size(1)} {}

  int64_t blocks() const { return picture.channels / kBlockChannels; }
  float* at(int64_t n) const { return data + n * picture.height * picture.width * picture.channels; }
};

// y = a convolution of x with weights w [O, 3, 3, I]: their own, or as the input's gradient has them.
struct Convolving {
  Batch x, y;
  const float* w;
  int64_t padding;
  bool ofGradient;  // x is an output's gradient: w is read backwards and its sides are exchanged
  Tiles tiles;
  const float* zeros;
  const WinogradKernels& kernels = winograd();

  // Domain weights of `panels` blocks of y's channels from `panel` on, and of x's blocks [from, to):
  // [point][panel][x's channels in these][16].
  void transformWeights(int64_t panel, int64_t panels, int64_t from, int64_t to, float* out, int64_t pointStride) const {
    const int64_t rowLength = ofGradient ? y.picture.channels : x.picture.channels;
    const int64_t square = kBlockChannels * kBlockChannels;
    for (int64_t p = 0; p < panels; ++p)
      for (int64_t block = from; block < to; ++block) {
        const int64_t row = ofGradient ? block : panel + p, column = ofGradient ? panel + p : block;
        kernels.weight(w + row * kBlockChannels * 9 * rowLength + column * kBlockChannels, rowLength, !ofGradient,
                       out + (p * (to - from) + block - from) * square, pointStride);
      }
  }

  void transformInput(int64_t tile, float* out, int64_t blockStride, int64_t pointStride) const {
    kernels.input(x.at(tiles.picture(tile)), x.picture, tiles.top(tile) - padding, tiles.left(tile) - padding, zeros, out, x.blocks(),
                  blockStride, pointStride);
  }

  void transformOutput(int64_t tile, const float* m, int64_t panel, int64_t panels, int64_t blockStride, int64_t pointStride) const {
    kernels.output(m, panels, blockStride, pointStride, y.at(tiles.picture(tile)) + panel * kBlockChannels, y.picture, tiles.top(tile),
                   tiles.left(tile));
  }

  void byTiles() const {
    const int64_t inputs = x.picture.channels, outputs = y.picture.channels;
    const int64_t weightStride = padded(inputs * outputs);
    const Scratch weights(kPoints * weightStride);
    inParallel(y.blocks(), [&](int64_t panel, int64_t) {
      transformWeights(panel, 1, 0, x.blocks(), weights.of(0) + panel * inputs * kBlockChannels, weightStride);
    });
    // Larger weights are read less often, in exchange for tiles that leave the cache.
    const int64_t block = inputs * outputs > 128 * 1024 ? 128 : inputs * outputs > 32 * 1024 ? 64 : 32;
    const int64_t inStride = padded(inputs * block), outStride = padded(outputs * block);
    const int64_t threads = at::get_num_threads();
    const Scratch in(kPoints * inStride, threads), out(kPoints * outStride, threads);
    inParallel(divideUp(tiles.count, block), [&](int64_t task, int64_t worker) {
      const int64_t first = task * block, count = std::min(block, tiles.count - first);
      const int64_t rows = divideUp(count, kTileGroup) * kTileGroup;
      float *d = in.of(worker), *m = out.of(worker);
      for (int64_t t = 0; t < count; ++t) transformInput(first + t, d + t * kBlockChannels, rows * kBlockChannels, inStride);
      for (int64_t point = 0; point < kPoints; ++point)
        kernels.products(d + point * inStride, rows, inputs, weights.of(0) + point * weightStride, y.blocks(), inputs * kBlockChannels,
                         m + point * outStride, rows * kBlockChannels, true);
      for (int64_t t = 0; t < count; ++t)
        transformOutput(first + t, m + t * kBlockChannels, 0, y.blocks(), rows * kBlockChannels, outStride);
    });
  }

  void byChannels() const {
    const int64_t inputs = x.picture.channels, rows = divideUp(tiles.count, kTileGroup) * kTileGroup;
    const int64_t inStride = padded(inputs * rows);
    const Scratch in(kPoints * inStride);
    inParallel(tiles.count,
               [&](int64_t tile, int64_t) { transformInput(tile, in.of(0) + tile * kBlockChannels, rows * kBlockChannels, inStride); });
    constexpr int64_t kPanels = 2, kDepth = 8;  // blocks of y's and of x's channels whose weights are in the cache at once
    const int64_t weightStride = padded(kPanels * kDepth * kBlockChannels * kBlockChannels),
                  outStride = padded(kPanels * kBlockChannels * rows);
    const int64_t threads = at::get_num_threads();
    const Scratch weights(kPoints * weightStride, threads), out(kPoints * outStride, threads);
    inParallel(divideUp(y.blocks(), kPanels), [&](int64_t task, int64_t worker) {
      const int64_t panel = task * kPanels, panels = std::min(kPanels, y.blocks() - panel);
      float *u = weights.of(worker), *m = out.of(worker);
      for (int64_t from = 0; from < x.blocks(); from += kDepth) {
        const int64_t to = std::min(from + kDepth, x.blocks()), depth = (to - from) * kBlockChannels;
        transformWeights(panel, panels, from, to, u, weightStride);
        for (int64_t point = 0; point < kPoints; ++point)
          kernels.products(in.of(0) + point * inStride + from * rows * kBlockChannels, rows, depth, u + point * weightStride, panels,
                           depth * kBlockChannels, m + point * outStride, rows * kBlockChannels, from == 0);
      }
      for (int64_t tile = 0; tile < tiles.count; ++tile)
        transformOutput(tile, m + tile * kBlockChannels, panel, panels, rows * kBlockChannels, outStride);
    });
  }
};

at::Tensor dense(const at::Tensor& tensor) { return tensor.contiguous(at::MemoryFormat::ChannelsLast); }

at::Tensor emptyLike(at::IntArrayRef sizes) { return at::empty(sizes, at::kFloat, at::MemoryFormat::ChannelsLast); }

at::Tensor convolved(const at::Tensor& input, const at::Tensor& weight, at::IntArrayRef outputSizes, int64_t padding, bool ofGradient) {
  const at::Tensor x = dense(input), w = dense(weight), y = emptyLike(outputSizes);
  const at::Tensor zeros = at::zeros({x.size(1)}, at::kFloat);
  const Convolving work{
      Batch(x), Batch(y), w.data_ptr<float>(), padding, ofGradient, Tiles(y.size(0), y.size(2), y.size(3)), zeros.data_ptr<float>()};
  if (work.tiles.count <= 128 && x.size(1) * y.size(1) >= 128 * 128) work.byChannels();
  else work.byTiles();
  return y;
}

// gw [O, 3, 3, I] from x and the output's gradient.
struct WeightGradienting {
  Batch gy, x;
  float* gw;
  int64_t padding;
  Tiles tiles;
  const float* zeros;
  const WinogradKernels& kernels = winograd();

  void transformTile(int64_t tile, int64_t index, float* outGy, float* outX, int64_t rows, int64_t strideGy, int64_t strideX) const {
    const int64_t n = tiles.picture(tile), top = tiles.top(tile), left = tiles.left(tile);
    kernels.outputGradient(gy.at(n), gy.picture, top, left, zeros, outGy + index * kBlockChannels, gy.blocks(), rows * kBlockChannels,
                           strideGy);
    kernels.input(x.at(n), x.picture, top - padding, left - padding, zeros, outX + index * kBlockChannels, x.blocks(),
                  rows * kBlockChannels, strideX);
  }

  static constexpr int64_t kPanels = 2;
  static constexpr int64_t kLocalStride = kPanels * kBlockChannels * kBlockChannels + kBlockChannels;

  // What the transformed tiles give for block `row` of gy's channels and all of x's: added to `out`, or written there.
  void addRow(int64_t row, const float* inGy, const float* inX, int64_t count, int64_t strideGy, int64_t strideX, float* out,
              bool first) const {
    alignas(64) float local[kPoints * kLocalStride];
    const int64_t inputs = x.picture.channels, square = kBlockChannels * kBlockChannels;
    for (int64_t panel = 0; panel < x.blocks(); panel += kPanels) {
      const int64_t panels = std::min(kPanels, x.blocks() - panel);
      for (int64_t point = 0; point < kPoints; ++point)
        kernels.transposedProducts(inGy + point * strideGy + row * count * kBlockChannels, count,
                                   inX + point * strideX + panel * count * kBlockChannels, panels, count * kBlockChannels,
                                   local + point * kLocalStride, square);
      for (int64_t p = 0; p < panels; ++p)
        kernels.weightGradient(local + p * square, kLocalStride, out + row * kBlockChannels * 9 * inputs + (panel + p) * kBlockChannels,
                               inputs, first);
    }
  }

  // Each part of the tiles has sums of its own, which are added in their order: as many parts whatever the threads.
  void byTiles() const {
    const int64_t block = std::min<int64_t>(64, tiles.count), blocks = divideUp(tiles.count, block);
    const int64_t parts = std::min<int64_t>(8, blocks), perPart = divideUp(blocks, parts);
    const int64_t strideGy = padded(gy.picture.channels * block), strideX = padded(x.picture.channels * block);
    const int64_t threads = at::get_num_threads(), size = gy.picture.channels * 9 * x.picture.channels;
    const Scratch inGy(kPoints * strideGy, threads), inX(kPoints * strideX, threads), sums(size, parts);
    inParallel(parts, [&](int64_t part, int64_t worker) {
      float *g = inGy.of(worker), *d = inX.of(worker);
      const int64_t end = std::min((part + 1) * perPart, blocks);
      for (int64_t b = part * perPart; b < end; ++b) {
        const int64_t first = b * block, count = std::min(block, tiles.count - first);
        for (int64_t t = 0; t < count; ++t) transformTile(first + t, t, g, d, count, strideGy, strideX);
        for (int64_t row = 0; row < gy.blocks(); ++row) addRow(row, g, d, count, strideGy, strideX, sums.of(part), b == part * perPart);
      }
    });
    const int64_t used = divideUp(blocks, perPart);  // parts that have tiles
    constexpr int64_t kSlice = 4096;
    inParallel(divideUp(size, kSlice), [&](int64_t slice, int64_t) {
      const int64_t begin = slice * kSlice, end = std::min(begin + kSlice, size);
      std::copy(sums.of(0) + begin, sums.of(0) + end, gw + begin);
      for (int64_t part = 1; part < used; ++part) {
        const float* from = sums.of(part);
        for (int64_t i = begin; i < end; ++i) gw[i] += from[i];
      }
    });
  }

  void byChannels() const {
    const int64_t block = std::min<int64_t>(128, tiles.count);
    const int64_t strideGy = padded(gy.picture.channels * block), strideX = padded(x.picture.channels * block);
    const Scratch inGy(kPoints * strideGy), inX(kPoints * strideX);
    for (int64_t first = 0; first < tiles.count; first += block) {
      const int64_t count = std::min(block, tiles.count - first);
      inParallel(count, [&](int64_t t, int64_t) { transformTile(first + t, t, inGy.of(0), inX.of(0), count, strideGy, strideX); });
      inParallel(gy.blocks(), [&](int64_t row, int64_t) { addRow(row, inGy.of(0), inX.of(0), count, strideGy, strideX, gw, first == 0); });
    }
  }
};

}  // namespace

bool hasFastConvolution(const at::Tensor& x, const at::Tensor& w, int64_t stride, int64_t padding) {
  if (!usesFastConvolutions() || stride != 1 || padding < 0 || padding > 2) return false;
  if (!x.is_cpu() || !w.is_cpu() || x.scalar_type() != at::kFloat || w.scalar_type() != at::kFloat || x.dim() != 4 || w.dim() != 4)
    return false;
  if (w.size(2) != 3 || w.size(3) != 3 || w.size(1) != x.size(1) || w.size(0) % kBlockChannels != 0 || w.size(1) % kBlockChannels != 0)
    return false;
  const int64_t height = x.size(2) + 2 * padding - 2, width = x.size(3) + 2 * padding - 2;
  if (x.numel() == 0 || w.numel() == 0 || height < 1 || width < 1) return false;
  // Measured on AMD (bench/README.md): faster for all channels from 16 on, unless three tiles or fewer share the
  // transformed weights, or most of a tile lies outside of the picture.
  const Tiles tiles(x.size(0), height, width);
  return tiles.count >= 4 && 3 * x.size(0) * height * width >= tiles.count * kTile * kTile;
}

bool hasFastGradients(const at::Tensor& gy, const at::Tensor& x, const at::Tensor& w, int64_t stride, int64_t padding) {
  // What does not fit is left to libtorch, which says so.
  return hasFastConvolution(x, w, stride, padding) && gy.is_cpu() && gy.scalar_type() == at::kFloat &&
         gy.sizes() == at::IntArrayRef({x.size(0), w.size(0), x.size(2) + 2 * padding - 2, x.size(3) + 2 * padding - 2});
}

at::Tensor fastConvolution(const at::Tensor& x, const at::Tensor& w, int64_t padding) {
  RECORD_FUNCTION("stylegan::fast_convolution", std::vector<c10::IValue>({x, w}));
  return convolved(x, w, {x.size(0), w.size(0), x.size(2) + 2 * padding - 2, x.size(3) + 2 * padding - 2}, padding, false);
}

at::Tensor fastInputGradient(const at::Tensor& gy, const at::Tensor& w, at::IntArrayRef inputSizes, int64_t padding) {
  RECORD_FUNCTION("stylegan::fast_input_gradient", std::vector<c10::IValue>({gy, w}));
  return convolved(gy, w, inputSizes, 2 - padding, true);
}

at::Tensor fastWeightGradient(const at::Tensor& gradient, const at::Tensor& input, int64_t padding) {
  RECORD_FUNCTION("stylegan::fast_weight_gradient", std::vector<c10::IValue>({gradient, input}));
  const at::Tensor gy = dense(gradient), x = dense(input), gw = emptyLike({gy.size(1), x.size(1), 3, 3});
  const at::Tensor zeros = at::zeros({std::max(gy.size(1), x.size(1))}, at::kFloat);
  const WeightGradienting work{
      Batch(gy), Batch(x), gw.data_ptr<float>(), padding, Tiles(gy.size(0), gy.size(2), gy.size(3)), zeros.data_ptr<float>()};
  if (gy.size(1) * x.size(1) >= 128 * 128) work.byChannels();
  else work.byTiles();
  return gw;
}

}  // namespace engine
