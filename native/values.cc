// Values of JavaScript as values of C++ and back.
#include "values.h"

#include <cmath>

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
  for (size_t i = 0; i < numbers.size(); ++i) check(env, napi_set_element(env, array, i, toJs(env, static_cast<double>(numbers[i]))));
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

size_t elementBytes(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array:
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return 1;
    case napi_int16_array:
    case napi_uint16_array:
      return 2;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      return 4;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      return 8;
    default:  // Later versions of Node have further types.
      throw JsError("a typed array of type " + std::to_string(static_cast<int>(type)) + " is not known here");
  }
}

}  // namespace

std::vector<double> numbersFrom(napi_env env, napi_value array) { return listFrom(env, array, numberFrom); }

std::vector<bool> boolsFrom(napi_env env, napi_value array) { return listFrom(env, array, boolFrom); }

std::vector<std::string> stringsFrom(napi_env env, napi_value array) { return listFrom(env, array, stringFrom); }

int64_t whole(double number, const char* what, int64_t least, int64_t most) {
  // A comparison with NaN is false.
  if (number >= static_cast<double>(least) && number <= static_cast<double>(most) && std::trunc(number) == number)
    return static_cast<int64_t>(number);
  std::string bounds = most < kLargestWhole     ? " from " + std::to_string(least) + " to " + std::to_string(most)
                       : least > -kLargestWhole ? " from " + std::to_string(least) + " on"
                                                : "";
  throw JsError("'" + std::string(what) + "' must be a whole number" + bounds);
}

std::vector<int64_t> wholesFrom(napi_env env, napi_value array, const char* what, int64_t least) {
  std::vector<int64_t> numbers;
  for (double number : numbersFrom(env, array)) numbers.push_back(whole(number, what, least));
  return numbers;
}

Bytes bytesFrom(napi_env env, napi_value value) {
  Bytes bytes{nullptr, 0};
  bool isTyped = false;
  check(env, napi_is_typedarray(env, value, &isTyped));
  if (isTyped) {
    napi_typedarray_type type;
    size_t length;
    check(env, napi_get_typedarray_info(env, value, &type, &length, &bytes.data, nullptr, nullptr));
    bytes.length = length * elementBytes(type);
    return bytes;
  }
  if (napi_get_arraybuffer_info(env, value, &bytes.data, &bytes.length) != napi_ok)
    throw JsError("expected an ArrayBuffer or a typed array");
  return bytes;
}

}  // namespace engine
