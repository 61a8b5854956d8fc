// Values of JavaScript as values of C++ and back, with errors that say what was expected.
#pragma once

#define NAPI_VERSION 8
#include <node_api.h>

#include <ATen/ATen.h>

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace engine {

// Raises a JavaScript exception out of C++ code; caught where a function was called from JavaScript.
struct JsError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void check(napi_env env, napi_status status);

napi_value toJs(napi_env env, double number);
napi_value toJs(napi_env env, const std::string& text);
napi_value toJs(napi_env env, bool flag);
napi_value toJs(napi_env env, at::IntArrayRef numbers);

// Each of these throws JsError on a value of another type.
bool isNullish(napi_env env, napi_value value);
double numberFrom(napi_env env, napi_value value);
bool boolFrom(napi_env env, napi_value value);
std::string stringFrom(napi_env env, napi_value value);
std::vector<double> numbersFrom(napi_env env, napi_value array);
std::vector<bool> boolsFrom(napi_env env, napi_value array);
std::vector<std::string> stringsFrom(napi_env env, napi_value array);

// `number` as a whole one within JavaScript's exact range and these bounds; `what` is its name for the message.
constexpr int64_t kLargestWhole = 9007199254740991;
int64_t whole(double number, const char* what, int64_t least = -kLargestWhole, int64_t most = kLargestWhole);
std::vector<int64_t> wholesFrom(napi_env env, napi_value array, const char* what, int64_t least = -kLargestWhole);

// The bytes of an ArrayBuffer, a typed array or a Buffer.
struct Bytes {
  void* data;
  size_t length;
};
Bytes bytesFrom(napi_env env, napi_value value);

}  // namespace engine
