// 3x3 convolutions by fewer multiplications: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016),
// section 4, F(4x4, 3x3) after Winograd. For a tile of 4x4 outputs Y, the 6x6 inputs d around it and a kernel g:
//
//   Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A
//
// 36 multiplications instead of 144. Summed over input channels, ⊙ becomes 36 matrix products, one for each point of the
// transforms' domain. The transforms' own derivatives give the weights' gradient: Gᵀ [Σ_tiles (A dY Aᵀ) ⊙ (Bᵀ d B)] G.
//
// Everything in the domain lies in blocks of 16 channels, a row of them for each tile or each channel of the other side:
//
//   tiles    [point][channels / 16][tiles][16]
//   weights  [point][outputs / 16][inputs][16]
//
// with a distance between points that the caller chooses, so that they do not meet in the same lines of a cache.
#pragma once

#include <cstdint>

namespace engine {

constexpr int64_t kPoints = 36;
constexpr int64_t kBlockChannels = 16;
// Tiles and rows of products come in groups of this many.
constexpr int64_t kTileGroup = 8;

// An image, or where one is written: channels-last, without a distance between pixels or rows.
struct Picture {
  int64_t height, width, channels;
};

struct WinogradKernels {
  // Bᵀ d B of the tile whose first input is (top, left), which may lie outside of the picture: zeros are there. For
  // `blocks` blocks of channels; `out` + block · blockStride + point · pointStride gets 16 numbers. `zeros` are `channels`.
  void (*input)(const float* x, const Picture& picture, int64_t top, int64_t left, const float* zeros, float* out, int64_t blocks,
                int64_t blockStride, int64_t pointStride);
  // A dY Aᵀ of the 4x4 tile at (top, left), zeros outside.
  void (*outputGradient)(const float* gy, const Picture& picture, int64_t top, int64_t left, const float* zeros, float* out, int64_t blocks,
                         int64_t blockStride, int64_t pointStride);
  // Aᵀ m A into the 4x4 tile at (top, left) of y; what lies outside is dropped.
  void (*output)(const float* m, int64_t blocks, int64_t blockStride, int64_t pointStride, float* y, const Picture& picture, int64_t top,
                 int64_t left);
  // G g Gᵀ of 16 x 16 weights: w has rows of `channels` numbers for each of 9 taps, and 9 such rows for each of 16 rows. The
  // result has 16 rows of 16 in each point: `transposed`, a row of the result is a channel of w, else it is a row of w,
  // whose taps are then read backwards, as the input's gradient needs them.
  void (*weight)(const float* w, int64_t channels, bool transposed, float* out, int64_t pointStride);
  // Gᵀ m G of 16 x 16 numbers in each point, added to (or, `first`, written to) weights that lie as above.
  void (*weightGradient)(const float* m, int64_t pointStride, float* gw, int64_t channels, bool first);
  // out[panel][row][16] = (`first` ? 0 : out) + Σ_k a(row, k) · b[panel][k][16] for `rows` rows, a multiple of kTileGroup, and
  // `depth`, a multiple of 16: a(row, k) = a[k / 16][row][k % 16].
  void (*products)(const float* a, int64_t rows, int64_t depth, const float* b, int64_t panels, int64_t panelStride, float* out,
                   int64_t outStride, bool first);
  // out[panel][row][16] = Σ_k a[k][row] · b[panel][k][16] for 16 rows and any depth.
  void (*transposedProducts)(const float* a, int64_t depth, const float* b, int64_t panels, int64_t panelStride, float* out,
                             int64_t outStride);
};

// Those of the instruction set in use.
const WinogradKernels& winograd();

}  // namespace engine
