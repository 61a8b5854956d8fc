// op(name, overload): operators of libtorch by name.
#pragma once

#include "values.h"

namespace engine {

void registerDispatch(napi_env env, napi_value exports);

}  // namespace engine
