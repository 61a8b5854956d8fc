// Gradients: requires_grad, grad mode, torch.autograd.grad and backward.
#include "autograd.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#include "function.h"
#include "tensor.h"

namespace engine {

namespace {

const at::Tensor& argument(napi_env env, napi_value value) { return tensorFrom(env, value, "tensor"); }

napi_value setGradEnabled(napi_env env, napi_value* arguments, size_t, void*) {
  bool before = c10::GradMode::is_enabled();
  c10::GradMode::set_enabled(boolFrom(env, arguments[0]));
  return toJs(env, before);
}

napi_value requiresGrad(napi_env env, napi_value* arguments, size_t, void*) {
  return toJs(env, argument(env, arguments[0]).requires_grad());
}

napi_value setRequiresGrad(napi_env env, napi_value* arguments, size_t, void*) {
  argument(env, arguments[0]).set_requires_grad(boolFrom(env, arguments[1]));
  return nullptr;
}

// setData(tensor, other): `tensor` shares the storage of `other` from now on and stays the same variable.
napi_value setData(napi_env env, napi_value* arguments, size_t, void*) {
  argument(env, arguments[0]).set_data(argument(env, arguments[1]));
  return nullptr;
}

// setGrad(tensor, grad | null): `backward` adds to this tensor from now on, or makes a new one.
napi_value setGrad(napi_env env, napi_value* arguments, size_t, void*) {
  argument(env, arguments[0]).mutable_grad() = isNullish(env, arguments[1]) ? at::Tensor() : argument(env, arguments[1]);
  return nullptr;
}

// gradOf(tensor): a handle to what `backward` left; 0 where it left nothing.
napi_value gradOf(napi_env env, napi_value* arguments, size_t, void*) {
  return toJs(env, std::vector<at::Tensor>{argument(env, arguments[0]).grad()});
}

// grad(outputs, inputs, gradOutputs | null, createGraph): handles; an input that takes no part in the outputs is an error.
napi_value grad(napi_env env, napi_value* arguments, size_t, void*) {
  auto outputs = tensorsFrom(env, arguments[0], "output");
  auto inputs = tensorsFrom(env, arguments[1], "input");
  std::vector<at::Tensor> gradOutputs;
  if (!isNullish(env, arguments[2])) gradOutputs = tensorsFrom(env, arguments[2], "gradOutput");
  bool createGraph = boolFrom(env, arguments[3]);
  auto gradients = torch::autograd::grad(outputs, inputs, gradOutputs, /*retain_graph=*/createGraph, createGraph,
                                         /*allow_unused=*/false);
  return toJs(env, gradients);
}

// backward(outputs, inputs): adds the gradients of the sum of outputs to the `grad` of each input.
napi_value backward(napi_env env, napi_value* arguments, size_t, void*) {
  auto outputs = tensorsFrom(env, arguments[0], "output");
  auto inputs = tensorsFrom(env, arguments[1], "input");
  torch::autograd::backward(outputs, {}, /*retain_graph=*/false, /*create_graph=*/false, inputs);
  return nullptr;
}

}  // namespace

void registerAutograd(napi_env env, napi_value exports) {
  defineFunction(env, exports, "setGradEnabled", setGradEnabled);
  defineFunction(env, exports, "requiresGrad", requiresGrad);
  defineFunction(env, exports, "setRequiresGrad", setRequiresGrad);
  defineFunction(env, exports, "setData", setData);
  defineFunction(env, exports, "setGrad", setGrad);
  defineFunction(env, exports, "gradOf", gradOf);
  defineFunction(env, exports, "grad", grad);
  defineFunction(env, exports, "backward", backward);
}

}  // namespace engine
