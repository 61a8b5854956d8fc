// The kernels for every processor, and the choice between them.
#define KERNELS_NAMESPACE baseline
#include "kernels.inc"

namespace engine {

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
namespace avx2 {
template <typename T>
Kernels<T> table();
}
namespace avx512 {
template <typename T>
Kernels<T> table();
}

namespace {
template <typename T>
Kernels<T> best() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return avx512::table<T>();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::table<T>();
  return baseline::table<T>();
}
}  // namespace
#else
namespace {
template <typename T>
Kernels<T> best() {
  return baseline::table<T>();
}
}  // namespace
#endif

template <typename T>
const Kernels<T>& kernels() {
  static const Kernels<T> chosen = best<T>();
  return chosen;
}

template const Kernels<float>& kernels<float>();
template const Kernels<double>& kernels<double>();

}  // namespace engine
