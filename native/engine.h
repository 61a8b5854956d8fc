// What the files of the addon share: the table of live tensors, argument helpers and error translation.
//
// JavaScript knows a tensor by a number, its slot in a table: reading a number out of a JavaScript value
// costs a few nanoseconds, unwrapping an object fifty times that. Slot 0 never holds a tensor; it stands
// for "none" or "disposed".
#pragma once

#define NAPI_VERSION 8
#include <node_api.h>

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace engine {

// The table of live tensors. All of it belongs to the one JavaScript thread.
int64_t addTensor(at::Tensor tensor);
const at::Tensor& tensorAt(int64_t handle, const char* what);
bool freeTensor(int64_t handle);
int64_t liveTensors();

// Raises a JavaScript exception out of C++ code; caught by `wrap`.
struct JsError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void check(napi_env env, napi_status status);
std::string describe(const at::Tensor& tensor);

// Conversions between JavaScript and C++ values; each throws JsError on a value of the wrong type.
napi_value toJs(napi_env env, double number);
napi_value toJs(napi_env env, const std::string& text);
napi_value toJs(napi_env env, bool flag);
napi_value toJs(napi_env env, at::IntArrayRef numbers);
napi_value handlesToJs(napi_env env, const std::vector<at::Tensor>& tensors);
double numberFrom(napi_env env, napi_value value);
bool boolFrom(napi_env env, napi_value value);
std::string stringFrom(napi_env env, napi_value value);
bool isNullish(napi_env env, napi_value value);
std::vector<double> numbersFrom(napi_env env, napi_value array);
std::vector<bool> boolsFrom(napi_env env, napi_value array);
std::vector<at::Tensor> tensorsFrom(napi_env env, napi_value array, const char* what);

// The bytes of an ArrayBuffer, a typed array or a Buffer.
struct Bytes {
  void* data;
  size_t length;
};
Bytes bytesFrom(napi_env env, napi_value value);

constexpr size_t kMaxArguments = 24;
using Body = napi_value (*)(napi_env env, napi_value* arguments, size_t count, void* data);

// Defines `name` on `exports` as a function with `body`; C++ exceptions become JavaScript errors.
void defineFunction(napi_env env, napi_value exports, const char* name, Body body);
napi_value makeFunction(napi_env env, const char* name, Body body, void* data);

// Whether float32 convolutions between many channels multiply in bfloat16.
void setReducedConvolutions(bool on);
bool reducedConvolutions();

// Before the first tensor is made.
void installAllocator();

// Bytes of large tensors on the CPU, now and at most since the last call; 0 where libtorch's own allocator is in use.
struct MemoryInUse {
  size_t live, peak;
};
MemoryInUse memoryInUse();

// Each file registers its own functions.
void registerTensor(napi_env env, napi_value exports);
void registerDispatch(napi_env env, napi_value exports);
void registerAutograd(napi_env env, napi_value exports);
void registerRuntime(napi_env env, napi_value exports);
void registerProfiler(napi_env env, napi_value exports);
void registerScript(napi_env env, napi_value exports);

}  // namespace engine
