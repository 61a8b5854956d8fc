// Gradients.
#pragma once

#include "values.h"

namespace engine {

void registerAutograd(napi_env env, napi_value exports);

}  // namespace engine
