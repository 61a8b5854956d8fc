// Functions of C++ as functions of JavaScript, and the translation of errors.
#include "function.h"

#include <c10/util/Exception.h>

namespace engine {

namespace {

struct Function {
  Body body;
  void* data;
  std::string name;
};

// libtorch appends the C++ call stack after the first lines of a message; users want the message alone.
std::string firstParagraph(const std::string& message) {
  size_t end = message.find("\nException raised from");
  return message.substr(0, end == std::string::npos ? message.size() : end);
}

napi_value trampoline(napi_env env, napi_callback_info info) {
  napi_value arguments[kMaxArguments] = {};
  size_t count = kMaxArguments;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, arguments, nullptr, &data);
  auto* function = static_cast<Function*>(data);
  std::string message;
  try {
    if (count > kMaxArguments) throw JsError("takes at most " + std::to_string(kMaxArguments) + " arguments, got " + std::to_string(count));
    return function->body(env, arguments, count, function->data);
  } catch (const c10::Error& error) {
    message = firstParagraph(error.what_without_backtrace());
  } catch (const std::exception& error) {
    message = firstParagraph(error.what());
  }
  napi_throw_error(env, nullptr, (function->name + ": " + message).c_str());
  return nullptr;
}

}  // namespace

napi_value makeFunction(napi_env env, const char* name, Body body, void* data) {
  // Lives as long as the process: there are a few hundred of these.
  auto* function = new Function{body, data, name};
  napi_value value;
  check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, trampoline, function, &value));
  return value;
}

void defineFunction(napi_env env, napi_value exports, const char* name, Body body) {
  check(env, napi_set_named_property(env, exports, name, makeFunction(env, name, body, nullptr)));
}

}  // namespace engine
