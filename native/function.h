// Functions of C++ as functions of JavaScript.
#pragma once

#include "values.h"

namespace engine {

constexpr size_t kMaxArguments = 24;
// `arguments` has kMaxArguments values; those that were not given are undefined.
using Body = napi_value (*)(napi_env env, napi_value* arguments, size_t count, void* data);

// C++ exceptions become JavaScript errors.
napi_value makeFunction(napi_env env, const char* name, Body body, void* data);
// The function as property `name` of `exports`.
void defineFunction(napi_env env, napi_value exports, const char* name, Body body);

}  // namespace engine
