// TorchScript modules.
#pragma once

#include "values.h"

namespace engine {

void registerScript(napi_env env, napi_value exports);

}  // namespace engine
