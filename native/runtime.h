// The process-wide side of libtorch.
#pragma once

#include "values.h"

namespace engine {

void registerRuntime(napi_env env, napi_value exports);

}  // namespace engine
