// Entry point of the addon.
#include "allocator.h"
#include "autograd.h"
#include "dispatch.h"
#include "profiler.h"
#include "runtime.h"
#include "script.h"
#include "tensor.h"

#include <atomic>

namespace {

// libtorch's state and the tables of this addon are the process's, and nothing in them waits for a second thread.
std::atomic<bool> inUse{false};

void release(void*) {
  engine::freeAllTensors();
  inUse = false;
}

}  // namespace

NAPI_MODULE_INIT() {
  if (inUse.exchange(true)) {
    napi_throw_error(env, "STYLEGAN_IN_USE",
                     "libtorch computes in one thread of a process, and another one has loaded it already: start a process (fork of "
                     "node:child_process) in the place of this worker thread");
    return exports;
  }
  try {
    engine::check(env, napi_add_env_cleanup_hook(env, release, nullptr));
    engine::installAllocator();
    engine::registerTensor(env, exports);
    engine::registerDispatch(env, exports);
    engine::registerAutograd(env, exports);
    engine::registerRuntime(env, exports);
    engine::registerProfiler(env, exports);
    engine::registerScript(env, exports);
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return exports;
}
