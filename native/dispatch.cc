// The bridge to every operator of libtorch: `op("aten::conv2d", "")` returns a JavaScript function that
// converts its arguments by the operator's own schema and calls it through the dispatcher with a boxed
// stack, so that autograd, CUDA and every other backend apply as they do from Python.
#include "dispatch.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <optional>
#include <sstream>

#include "function.h"
#include "tensor.h"

namespace engine {

namespace {

enum class Kind {
  Tensor,
  Scalar,
  Int,
  Float,
  Bool,
  String,
  Device,
  TensorList,
  OptionalTensorList,
  IntList,
  FloatList,
  BoolList,
  Unsupported
};

struct Parameter {
  std::string name;
  std::string type;
  Kind kind;
  bool optional;
  std::optional<c10::IValue> defaultValue;
};

struct Operator {
  c10::OperatorHandle handle;
  std::vector<Parameter> parameters;
};

Kind kindOf(const std::string& type) {
  if (type == "Tensor") return Kind::Tensor;
  if (type == "Scalar") return Kind::Scalar;
  if (type == "int" || type == "SymInt" || type == "ScalarType" || type == "MemoryFormat" || type == "Layout") return Kind::Int;
  if (type == "float") return Kind::Float;
  if (type == "bool") return Kind::Bool;
  if (type == "str") return Kind::String;
  if (type == "Device") return Kind::Device;
  if (type == "Tensor[]") return Kind::TensorList;
  if (type == "Tensor?[]") return Kind::OptionalTensorList;
  if (type == "int[]" || type == "SymInt[]") return Kind::IntList;
  if (type == "float[]") return Kind::FloatList;
  if (type == "bool[]") return Kind::BoolList;
  return Kind::Unsupported;
}

Parameter parameterOf(const c10::Argument& argument) {
  std::string type = argument.type()->str();
  bool optional = !type.empty() && type.back() == '?';
  Parameter parameter{argument.name(), type, kindOf(optional ? type.substr(0, type.size() - 1) : type), optional, {}};
  if (argument.default_value()) parameter.defaultValue = *argument.default_value();
  return parameter;
}

c10::IValue scalarFrom(napi_env env, napi_value value) {
  bool flag;
  if (napi_get_value_bool(env, value, &flag) == napi_ok) return c10::IValue(flag);
  return c10::IValue(numberFrom(env, value));
}

c10::IValue valueFrom(napi_env env, napi_value value, const Parameter& parameter) {
  if (isNullish(env, value)) {
    if (parameter.defaultValue) return *parameter.defaultValue;
    if (parameter.optional) return c10::IValue();
    throw JsError("'" + parameter.name + "' is missing");
  }
  const char* name = parameter.name.c_str();
  switch (parameter.kind) {
    case Kind::Tensor:
      return tensorFrom(env, value, name);
    case Kind::Scalar:
      return scalarFrom(env, value);
    case Kind::Int:
      return whole(numberFrom(env, value), name);
    case Kind::Float:
      return numberFrom(env, value);
    case Kind::Bool:
      return boolFrom(env, value);
    case Kind::String:
      return stringFrom(env, value);
    case Kind::Device:
      return c10::Device(stringFrom(env, value));
    case Kind::TensorList: {
      c10::List<at::Tensor> list;
      for (auto& tensor : tensorsFrom(env, value, name)) list.push_back(tensor);
      return list;
    }
    case Kind::OptionalTensorList: {
      c10::impl::GenericList list(c10::OptionalType::create(c10::TensorType::get()));
      for (double handle : numbersFrom(env, value)) list.push_back(handle == 0 ? c10::IValue() : c10::IValue(tensorOf(handle, name)));
      return list;
    }
    case Kind::IntList: {
      c10::List<int64_t> list;
      for (int64_t number : wholesFrom(env, value, name)) list.push_back(number);
      return list;
    }
    case Kind::FloatList: {
      c10::List<double> list;
      for (double number : numbersFrom(env, value)) list.push_back(number);
      return list;
    }
    case Kind::BoolList: {
      c10::List<bool> list;
      for (bool flag : boolsFrom(env, value)) list.push_back(flag);
      return list;
    }
    case Kind::Unsupported:
      break;
  }
  throw JsError("'" + parameter.name + "' has type " + parameter.type + ", which this bridge does not convert");
}

napi_value resultToJs(napi_env env, const c10::IValue& value) {
  if (value.isTensor()) {
    const at::Tensor& tensor = value.toTensor();
    return toJs(env, static_cast<double>(tensor.defined() ? addTensor(tensor) : 0));
  }
  if (value.isTensorList()) return toJs(env, value.toTensorVector());
  if (value.isBool()) return toJs(env, value.toBool());
  if (value.isInt()) return toJs(env, static_cast<double>(value.toInt()));
  if (value.isDouble()) return toJs(env, value.toDouble());
  if (value.isScalar()) return toJs(env, value.toScalar().toDouble());
  throw JsError("result of type " + value.tagKind() + " is not converted");
}

// "self: Float[2, 3], mat2: Float[4, 5]": what a reader needs to see which shapes do not fit.
std::string describeArguments(const Operator& op, const torch::jit::Stack& arguments) {
  std::ostringstream text;
  const char* separator = "";
  for (size_t i = 0; i < arguments.size() && i < op.parameters.size(); ++i) {
    if (!arguments[i].isTensor() || !arguments[i].toTensor().defined()) continue;
    text << separator << op.parameters[i].name << ": " << describe(arguments[i].toTensor());
    separator = ", ";
  }
  return text.str();
}

napi_value callOperator(napi_env env, napi_value* arguments, size_t count, void* data) {
  const auto& op = *static_cast<Operator*>(data);
  if (count > op.parameters.size())
    throw JsError("takes " + std::to_string(op.parameters.size()) + " arguments, got " + std::to_string(count));
  torch::jit::Stack stack;
  stack.reserve(op.parameters.size() + 1);
  for (size_t i = 0; i < op.parameters.size(); ++i) stack.push_back(valueFrom(env, i < count ? arguments[i] : nullptr, op.parameters[i]));
  try {
    op.handle.callBoxed(stack);
  } catch (const std::exception& error) {
    // callBoxed has taken the stack apart; convert again to say which shapes did not fit.
    torch::jit::Stack again;
    for (size_t i = 0; i < count && i < op.parameters.size(); ++i) again.push_back(valueFrom(env, arguments[i], op.parameters[i]));
    std::string message = error.what();
    if (auto* c10Error = dynamic_cast<const c10::Error*>(&error)) message = c10Error->what_without_backtrace();
    std::string described = describeArguments(op, again);
    throw JsError(message + (described.empty() ? "" : " (" + described + ")"));
  }
  if (stack.size() == 1) return resultToJs(env, stack[0]);
  napi_value results;
  check(env, napi_create_array_with_length(env, stack.size(), &results));
  for (size_t i = 0; i < stack.size(); ++i) check(env, napi_set_element(env, results, i, resultToJs(env, stack[i])));
  return results;
}

// op(name, overload): the operator as a JavaScript function.
napi_value op(napi_env env, napi_value* arguments, size_t, void*) {
  std::string name = stringFrom(env, arguments[0]);
  std::string overload = stringFrom(env, arguments[1]);
  auto handle = c10::Dispatcher::singleton().findSchemaOrThrow(name.c_str(), overload.c_str());
  auto* op = new Operator{handle, {}};
  for (const auto& argument : handle.schema().arguments()) op->parameters.push_back(parameterOf(argument));
  return makeFunction(env, (overload.empty() ? name : name + "." + overload).c_str(), callOperator, op);
}

}  // namespace

void registerDispatch(napi_env env, napi_value exports) { defineFunction(env, exports, "op", op); }

}  // namespace engine
