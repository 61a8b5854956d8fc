// The loops over memory that libtorch has no single operator for. Each is compiled for several instruction sets
// (kernels*.cc) and chosen when the addon is loaded, so that one build runs on every processor of its kind.
//
// Activations are channels-last: a pixel is a row of `channels` numbers. Sums go over fixed parts of the data, so
// that results do not depend on the number of threads.
#pragma once

#include <cstdint>

namespace engine {

// y = clamp(lrelu(scale · x + shift)), where shift = bias + noise; what is a null pointer is left out.
template <typename T>
struct Affine {
  const T* scale = nullptr;  // [channels]
  const T* bias = nullptr;   // [channels]
  const T* noise = nullptr;  // [pixels]
  T scaleGain = 1;
  T biasGain = 1;
  T noiseGain = 1;
  T slope = 1;  // of the leaky ReLU below zero; 1: none
  T clamp = 0;  // 0: none
};

// What the gradient of an Affine writes; sums are added to, null pointers are left out.
template <typename T>
struct AffineGradients {
  T* x = nullptr;      // [pixels, channels]
  T* scale = nullptr;  // [channels], summed over pixels
  T* bias = nullptr;   // [channels], summed over pixels
  T* noise = nullptr;  // [pixels], summed over channels
};

template <typename T>
struct AdamOptions {
  T beta1, beta2, eps;
  T rest1, rest2;   // 1 - β1, 1 - β2: in float32 they would lose half of their digits here
  T stepSize;       // lr / (1 - β1^t)
  T correction2;    // 1 - β2^t
  T gradientLimit;  // gradients are clamped to ± this first; those that are not numbers count as 0
  T gradientScale;  // then they are multiplied by this
};

template <typename T>
struct Kernels {
  void (*affine)(const T* x, T* y, int64_t pixels, int64_t channels, const Affine<T>& affine);
  // `y` is the output of `affine`, for its slope; null where that is 1 everywhere.
  void (*affineBackward)(const T* gradient, const T* x, const T* y, int64_t pixels, int64_t channels, const Affine<T>& affine,
                         const AffineGradients<T>& gradients);
  // The derivatives of `affineBackward` (of x and scale): for `vx` towards the gradient of x and `vs` (null: 0) towards
  // that of scale, with u = gradient · slope: toGradient = slope · (scale · vx + vs · x), toX = vs · u, and toScale, summed
  // over pixels, = vx · u; all times the scale's gain. `vx` and what is written may be null.
  void (*affineDoubleBackward)(const T* vx, const T* vs, const T* gradient, const T* x, const T* y, int64_t pixels, int64_t channels,
                               const Affine<T>& affine, T* toGradient, T* toX, T* toScale);
  // out = in · (derivative of lrelu and clamp, read off their output y)
  void (*slopes)(const T* y, T* out, int64_t count, T slope, T clamp);
  // out[i] += Σ_t taps[t] · in[i + t · step]
  void (*filterRow)(const T* in, T* out, int64_t count, const T* taps, int tapCount, int64_t step);
  // Sums of squares over the middle axis: [rows, taps, columns] to [rows, columns].
  void (*energy)(const T* weight, T* out, int64_t rows, int64_t taps, int64_t columns);
  // out = base + 2 · weight · gradient[row, column]; without a base it counts as 0.
  void (*energyBackward)(const T* gradient, const T* weight, const T* base, T* out, int64_t rows, int64_t taps, int64_t columns);
  // a += weight · (b - a)
  void (*approach)(T* a, const T* b, int64_t count, T weight);
  // Without gradients they count as 0. `first` is null where β1 is 0: the first moment is the gradient then.
  void (*adam)(T* values, const T* gradients, T* first, T* second, int64_t count, const AdamOptions<T>& options);
};

// Those of the instruction set in use.
template <typename T>
const Kernels<T>& kernels();

// Goes on with the kernels of this name: avx512, avx2, baseline, or "" for the best that the processor has. Returns the name of
// what was before, or null when this processor has none of that name. At first it is what STYLEGAN_KERNELS says.
const char* selectKernels(const char* name);
bool hasKernels(const char* name);

// Whether convolutions may run by fast algorithms; STYLEGAN_KERNELS=off starts without. Returns what was before.
bool setFastConvolutions(bool on);
bool usesFastConvolutions();

}  // namespace engine
