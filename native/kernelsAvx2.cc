// The kernels for processors with AVX2.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx2,fma")
#define KERNELS_NAMESPACE avx2
#define KERNELS_LANES 8
#include "kernels.inc"
#include "winograd.inc"
#endif
