// What the benchmark sees of libtorch at work.
#pragma once

#include "values.h"

namespace engine {

void registerProfiler(napi_env env, napi_value exports);

}  // namespace engine
