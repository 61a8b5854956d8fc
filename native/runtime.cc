// The process-wide side of libtorch: threads, random generators, devices, versions.
#include "runtime.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <cstring>
#include <mutex>

#include "allocator.h"
#include "convolution.h"
#include "function.h"
#include "kernels.h"

namespace engine {

namespace {

// As in src/torch/runtime.ts.
constexpr int64_t kMostThreads = 1024;

napi_value setThreads(napi_env env, napi_value* arguments, size_t, void*) {
  at::set_num_threads(static_cast<int>(whole(numberFrom(env, arguments[0]), "threads", 1, kMostThreads)));
  return nullptr;
}

napi_value threads(napi_env env, napi_value*, size_t, void*) { return toJs(env, static_cast<double>(at::get_num_threads())); }

// Seeds the default generator of every device.
napi_value seed(napi_env env, napi_value* arguments, size_t, void*) {
  at::manual_seed(static_cast<uint64_t>(whole(numberFrom(env, arguments[0]), "seed", 0)));
  return nullptr;
}

at::Generator generatorOf(const std::string& device) { return at::globalContext().defaultGenerator(at::Device(device)); }

napi_value randomState(napi_env env, napi_value* arguments, size_t, void*) {
  at::Generator generator = generatorOf(stringFrom(env, arguments[0]));
  std::lock_guard<std::mutex> lock(generator.mutex());
  at::Tensor state = generator.get_state();
  void* data;
  napi_value buffer;
  check(env, napi_create_arraybuffer(env, state.nbytes(), &data, &buffer));
  std::memcpy(data, state.data_ptr(), state.nbytes());
  return buffer;
}

napi_value setRandomState(napi_env env, napi_value* arguments, size_t, void*) {
  at::Generator generator = generatorOf(stringFrom(env, arguments[0]));
  Bytes bytes = bytesFrom(env, arguments[1]);
  at::Tensor state = at::empty({static_cast<int64_t>(bytes.length)}, at::kByte);
  if (bytes.length) std::memcpy(state.data_ptr(), bytes.data, bytes.length);
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(state);
  return nullptr;
}

napi_value hasCuda(napi_env env, napi_value*, size_t, void*) { return toJs(env, at::hasCUDA()); }

napi_value version(napi_env env, napi_value*, size_t, void*) { return toJs(env, std::string(TORCH_VERSION)); }

napi_value buildConfiguration(napi_env env, napi_value*, size_t, void*) { return toJs(env, at::show_config()); }

// setReducedConvolutions(on): what was before.
napi_value reduceConvolutions(napi_env env, napi_value* arguments, size_t, void*) {
  const bool before = reducedConvolutions();
  setReducedConvolutions(boolFrom(env, arguments[0]));
  return toJs(env, before);
}

// Whether this processor multiplies bfloat16 faster than float32.
napi_value hasFastBfloat16(napi_env env, napi_value*, size_t, void*) {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  return toJs(env, __builtin_cpu_supports("avx512bf16") != 0);
#else
  return toJs(env, false);
#endif
}

// hasKernels(name): whether this processor has the kernels of that name.
napi_value hasInstructions(napi_env env, napi_value* arguments, size_t, void*) {
  return toJs(env, hasKernels(stringFrom(env, arguments[0]).c_str()));
}

// selectKernels(name): what was before.
napi_value selectInstructions(napi_env env, napi_value* arguments, size_t, void*) {
  const std::string name = stringFrom(env, arguments[0]);
  const char* before = selectKernels(name.c_str());
  if (!before) throw JsError("this processor has no kernels called '" + name + "'");
  return toJs(env, std::string(before));
}

// setFastConvolutions(on): what was before.
napi_value allowFastConvolutions(napi_env env, napi_value* arguments, size_t, void*) {
  return toJs(env, setFastConvolutions(boolFrom(env, arguments[0])));
}

// memoryInUse(): [bytes now, at most since the last call].
napi_value memory(napi_env env, napi_value*, size_t, void*) {
  MemoryInUse use = memoryInUse();
  return toJs(env, at::IntArrayRef({static_cast<int64_t>(use.live), static_cast<int64_t>(use.peak)}));
}

}  // namespace

void registerRuntime(napi_env env, napi_value exports) {
  defineFunction(env, exports, "setThreads", setThreads);
  defineFunction(env, exports, "threads", threads);
  defineFunction(env, exports, "seed", seed);
  defineFunction(env, exports, "randomState", randomState);
  defineFunction(env, exports, "setRandomState", setRandomState);
  defineFunction(env, exports, "hasCuda", hasCuda);
  defineFunction(env, exports, "version", version);
  defineFunction(env, exports, "setReducedConvolutions", reduceConvolutions);
  defineFunction(env, exports, "hasFastBfloat16", hasFastBfloat16);
  defineFunction(env, exports, "hasKernels", hasInstructions);
  defineFunction(env, exports, "selectKernels", selectInstructions);
  defineFunction(env, exports, "setFastConvolutions", allowFastConvolutions);
  defineFunction(env, exports, "memoryInUse", memory);
  defineFunction(env, exports, "buildConfiguration", buildConfiguration);
}

}  // namespace engine
