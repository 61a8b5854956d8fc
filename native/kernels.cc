// The kernels for every processor, and the choice between them.
#define KERNELS_NAMESPACE baseline
#define KERNELS_LANES 4
#include "kernels.inc"

#include <cstdlib>
#include <string_view>
#include <utility>

#include "winograd.inc"

namespace engine {

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define KERNELS_X86 1
namespace avx2 {
template <typename T>
Kernels<T> table();
WinogradKernels winogradTable();
}  // namespace avx2
namespace avx512 {
template <typename T>
Kernels<T> table();
WinogradKernels winogradTable();
}  // namespace avx512
#endif

namespace {

enum class Instructions { kBaseline, kAvx2, kAvx512 };

constexpr const char* kNames[] = {"baseline", "avx2", "avx512"};

bool has(Instructions set) {
#ifdef KERNELS_X86
  if (set == Instructions::kAvx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  if (set == Instructions::kAvx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return set == Instructions::kBaseline;
}

Instructions best() {
  for (Instructions set : {Instructions::kAvx512, Instructions::kAvx2})
    if (has(set)) return set;
  return Instructions::kBaseline;
}

// "" is the best one there is.
bool find(std::string_view name, Instructions& found) {
  if (name.empty()) {
    found = best();
    return true;
  }
  for (Instructions set : {Instructions::kBaseline, Instructions::kAvx2, Instructions::kAvx512})
    if (name == kNames[static_cast<int>(set)] && has(set)) {
      found = set;
      return true;
    }
  return false;
}

std::string_view requested() {
  const char* name = std::getenv("STYLEGAN_KERNELS");
  return name ? name : "";
}

// src/torch/kernels.ts tells of a name that is none.
Instructions& current() {
  static Instructions chosen = [] {
    Instructions found;
    return find(requested(), found) ? found : best();
  }();
  return chosen;
}

bool& fast() {
  static bool on = requested() != "off";
  return on;
}

}  // namespace

const char* selectKernels(const char* name) {
  Instructions chosen;
  if (!find(name, chosen)) return nullptr;
  const char* before = kNames[static_cast<int>(current())];
  current() = chosen;
  return before;
}

bool hasKernels(const char* name) {
  Instructions found;
  return find(name, found);
}

bool setFastConvolutions(bool on) { return std::exchange(fast(), on); }

bool usesFastConvolutions() { return fast(); }

template <typename T>
const Kernels<T>& kernels() {
#ifdef KERNELS_X86
  static const Kernels<T> avx512 = engine::avx512::table<T>(), avx2 = engine::avx2::table<T>();
  if (current() == Instructions::kAvx512) return avx512;
  if (current() == Instructions::kAvx2) return avx2;
#endif
  static const Kernels<T> baseline = engine::baseline::table<T>();
  return baseline;
}

template const Kernels<float>& kernels<float>();
template const Kernels<double>& kernels<double>();

const WinogradKernels& winograd() {
#ifdef KERNELS_X86
  static const WinogradKernels avx512 = engine::avx512::winogradTable(), avx2 = engine::avx2::winogradTable();
  if (current() == Instructions::kAvx512) return avx512;
  if (current() == Instructions::kAvx2) return avx2;
#endif
  static const WinogradKernels baseline = engine::baseline::winogradTable();
  return baseline;
}

}  // namespace engine
