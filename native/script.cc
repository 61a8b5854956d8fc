// TorchScript modules: networks that bring their own code, run by libtorch's interpreter.
#include "script.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <unordered_map>

#include "function.h"
#include "tensor.h"

namespace engine {

namespace {

std::unordered_map<int64_t, torch::jit::Module> modules;
int64_t lastModule = 0;

torch::jit::Module& moduleAt(napi_env env, napi_value value) {
  auto found = modules.find(whole(numberFrom(env, value), "module"));
  if (found == modules.end()) throw JsError("the module has been disposed");
  return found->second;
}

// loadScript(file, device): the number of a module in evaluation mode, whose parameters ask for no gradients.
napi_value loadScript(napi_env env, napi_value* arguments, size_t, void*) {
  torch::jit::Module module = torch::jit::load(stringFrom(env, arguments[0]), c10::Device(stringFrom(env, arguments[1])));
  module.eval();
  for (at::Tensor parameter : module.parameters()) parameter.set_requires_grad(false);
  modules.emplace(++lastModule, std::move(module));
  return toJs(env, static_cast<double>(lastModule));
}

// callScript(module, tensor, names, flags): forward(tensor, name=flag, …), which must return one tensor.
napi_value callScript(napi_env env, napi_value* arguments, size_t, void*) {
  torch::jit::Module& module = moduleAt(env, arguments[0]);
  std::vector<c10::IValue> inputs{tensorFrom(env, arguments[1], "input")};
  std::vector<std::string> names = stringsFrom(env, arguments[2]);
  std::vector<bool> flags = boolsFrom(env, arguments[3]);
  if (names.size() != flags.size())
    throw JsError("got " + std::to_string(names.size()) + " names for " + std::to_string(flags.size()) + " flags");
  torch::jit::Kwargs named;
  for (size_t i = 0; i < names.size(); ++i) named[names[i]] = static_cast<bool>(flags[i]);
  c10::IValue result = module.forward(std::move(inputs), named);
  if (!result.isTensor()) throw JsError("returned " + result.tagKind() + " instead of a tensor");
  return toJs(env, static_cast<double>(addTensor(result.toTensor())));
}

napi_value disposeScript(napi_env env, napi_value* arguments, size_t, void*) {
  return toJs(env, modules.erase(whole(numberFrom(env, arguments[0]), "module")) > 0);
}

}  // namespace

void registerScript(napi_env env, napi_value exports) {
  defineFunction(env, exports, "loadScript", loadScript);
  defineFunction(env, exports, "callScript", callScript);
  defineFunction(env, exports, "disposeScript", disposeScript);
}

}  // namespace engine
