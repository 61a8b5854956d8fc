// The kernels for processors with AVX512.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
#define KERNELS_NAMESPACE avx512
#define KERNELS_LANES 16
#include "kernels.inc"
#include "winograd.inc"
#endif
