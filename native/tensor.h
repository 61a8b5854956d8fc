// The table of live tensors.
//
// JavaScript knows a tensor by a number, its slot: reading a number out of a JavaScript value costs a few nanoseconds,
// unwrapping an object fifty times that. Slot 0 never holds a tensor; it stands for "none" or "disposed". All of the table
// belongs to the one JavaScript thread that has loaded the addon.
#pragma once

#include "values.h"

namespace engine {

int64_t addTensor(at::Tensor tensor);
// The slot of what a JavaScript value or number names; `what` is its name for the message.
const at::Tensor& tensorFrom(napi_env env, napi_value value, const char* what);
const at::Tensor& tensorOf(double handle, const char* what);
std::vector<at::Tensor> tensorsFrom(napi_env env, napi_value array, const char* what);
// Slots for these; 0 where one is undefined.
napi_value toJs(napi_env env, const std::vector<at::Tensor>& tensors);
// Empties the table.
void freeAllTensors();

// Type and shape: "Float[2, 3]".
std::string describe(const at::Tensor& tensor);

void registerTensor(napi_env env, napi_value exports);

}  // namespace engine
