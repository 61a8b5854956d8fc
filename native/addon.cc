// Entry point of the addon: registration, and the translation of values and errors that every file uses.
#include "engine.h"

#include <c10/util/Exception.h>

#include <sstream>

namespace engine {

void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  throw JsError(info && info->error_message ? info->error_message : "Node-API call failed");
}

napi_value toJs(napi_env env, double number) {
  napi_value value;
  check(env, napi_create_double(env, number, &value));
  return value;
}

napi_value toJs(napi_env env, const std::string& text) {
  napi_value value;
  check(env, napi_create_string_utf8(env, text.data(), text.size(), &value));
  return value;
}

napi_value toJs(napi_env env, bool flag) {
  napi_value value;
  check(env, napi_get_boolean(env, flag, &value));
  return value;
}

napi_value toJs(napi_env env, at::IntArrayRef numbers) {
  napi_value array;
  check(env, napi_create_array_with_length(env, numbers.size(), &array));
  for (size_t i = 0; i < numbers.size(); ++i)
    check(env, napi_set_element(env, array, i, toJs(env, static_cast<double>(numbers[i]))));
  return array;
}

napi_value handlesToJs(napi_env env, const std::vector<at::Tensor>& tensors) {
  napi_value array;
  check(env, napi_create_array_with_length(env, tensors.size(), &array));
  for (size_t i = 0; i < tensors.size(); ++i) {
    int64_t handle = tensors[i].defined() ? addTensor(tensors[i]) : 0;
    check(env, napi_set_element(env, array, i, toJs(env, static_cast<double>(handle))));
  }
  return array;
}

double numberFrom(napi_env env, napi_value value) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) throw JsError("expected a number");
  return number;
}

bool boolFrom(napi_env env, napi_value value) {
  bool flag;
  if (napi_get_value_bool(env, value, &flag) != napi_ok) throw JsError("expected true or false");
  return flag;
}

std::string stringFrom(napi_env env, napi_value value) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) throw JsError("expected a string");
  std::string text(length, '\0');
  check(env, napi_get_value_string_utf8(env, value, text.data(), length + 1, &length));
  return text;
}

bool isNullish(napi_env env, napi_value value) {
  if (value == nullptr) return true;
  napi_valuetype type;
  check(env, napi_typeof(env, value, &type));
  return type == napi_undefined || type == napi_null;
}

namespace {

template <typename Element>
std::vector<Element> listFrom(napi_env env, napi_value array, Element (*convert)(napi_env, napi_value)) {
  uint32_t length;
  if (napi_get_array_length(env, array, &length) != napi_ok) throw JsError("expected an array");
  std::vector<Element> elements(length);
  for (uint32_t i = 0; i < length; ++i) {
    napi_value element;
    check(env, napi_get_element(env, array, i, &element));
    elements[i] = convert(env, element);
  }
  return elements;
}

}  // namespace

std::vector<double> numbersFrom(napi_env env, napi_value array) { return listFrom(env, array, numberFrom); }

std::vector<bool> boolsFrom(napi_env env, napi_value array) { return listFrom(env, array, boolFrom); }

std::vector<at::Tensor> tensorsFrom(napi_env env, napi_value array, const char* what) {
  std::vector<at::Tensor> tensors;
  for (double handle : numbersFrom(env, array)) tensors.push_back(tensorAt(static_cast<int64_t>(handle), what));
  return tensors;
}

Bytes bytesFrom(napi_env env, napi_value value) {
  Bytes bytes{nullptr, 0};
  bool isTyped = false;
  check(env, napi_is_typedarray(env, value, &isTyped));
  if (isTyped) {
    napi_typedarray_type type;
    size_t length;
    check(env, napi_get_typedarray_info(env, value, &type, &length, &bytes.data, nullptr, nullptr));
    static constexpr size_t widths[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    bytes.length = length * widths[type];
    return bytes;
  }
  if (napi_get_arraybuffer_info(env, value, &bytes.data, &bytes.length) != napi_ok)
    throw JsError("expected an ArrayBuffer or a typed array");
  return bytes;
}

std::string describe(const at::Tensor& tensor) {
  if (!tensor.defined()) return "none";
  std::ostringstream text;
  text << c10::toString(tensor.scalar_type()) << "[";
  for (int64_t i = 0; i < tensor.dim(); ++i) text << (i ? ", " : "") << tensor.size(i);
  text << "]";
  return text.str();
}

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

NAPI_MODULE_INIT() {
  try {
    engine::installAllocator();
    engine::registerTensor(env, exports);
    engine::registerDispatch(env, exports);
    engine::registerAutograd(env, exports);
    engine::registerRuntime(env, exports);
    engine::registerProfiler(env, exports);
    engine::registerScript(env, exports);
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return exports;
}
