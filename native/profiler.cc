// What the benchmark sees of libtorch at work, forward and backward: the calls of chosen operators with their
// arguments, which it replays on their own, and the time of every operator.
#include "profiler.h"

#include <ATen/record_function.h>

#include <chrono>
#include <map>
#include <optional>
#include <set>

#include "function.h"

namespace engine {

namespace {

struct Call {
  std::string name;
  std::string arguments;  // a JSON array; tensors as {"shape": [...], "strides": [...], "dtype": n}
};

std::set<std::string> recordedNames;
std::vector<Call> calls;
std::optional<at::CallbackHandle> callback;

void appendNumbers(std::string& out, at::IntArrayRef numbers) {
  out += "[";
  for (size_t i = 0; i < numbers.size(); ++i) out += (i ? "," : "") + std::to_string(numbers[i]);
  out += "]";
}

void appendJson(std::string& out, const c10::IValue& value) {
  if (value.isTensor() && value.toTensor().defined()) {
    out += "{\"shape\":";
    appendNumbers(out, value.toTensor().sizes());
    out += ",\"strides\":";
    appendNumbers(out, value.toTensor().strides());
    out += ",\"dtype\":" + std::to_string(static_cast<int>(value.toTensor().scalar_type())) + "}";
  } else if (value.isIntList()) {
    appendNumbers(out, value.toIntVector());
  } else if (value.isBoolList()) {
    out += "[";
    const char* separator = "";
    for (bool flag : value.toBoolList()) {
      out += std::string(separator) + (flag ? "true" : "false");
      separator = ",";
    }
    out += "]";
  } else if (value.isInt()) {
    out += std::to_string(value.toInt());
  } else if (value.isBool()) {
    out += value.toBool() ? "true" : "false";
  } else {
    out += "null";
  }
}

std::unique_ptr<at::ObserverContext> onEnter(const at::RecordFunction& function) {
  if (!recordedNames.count(function.name())) return nullptr;
  std::string json = "[";
  const char* separator = "";
  for (const auto& input : function.inputs()) {
    json += separator;
    appendJson(json, input);
    separator = ",";
  }
  calls.push_back({function.name(), json + "]"});
  return nullptr;
}

// startRecording(names): from now on calls of these operators are kept.
napi_value startRecording(napi_env env, napi_value* arguments, size_t, void*) {
  if (callback) throw JsError("already recording");
  std::vector<std::string> names = stringsFrom(env, arguments[0]);
  recordedNames = {names.begin(), names.end()};
  calls.clear();
  callback = at::addThreadLocalCallback(
      at::RecordFunctionCallback(onEnter).needsInputs(true).scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
  return nullptr;
}

// stopRecording(): JSON of [[name, arguments], ...] in the order of the calls.
napi_value stopRecording(napi_env env, napi_value*, size_t, void*) {
  if (!callback) throw JsError("not recording");
  at::removeCallback(*callback);
  callback.reset();
  std::string json = "[";
  for (size_t i = 0; i < calls.size(); ++i) json += std::string(i ? "," : "") + "[\"" + calls[i].name + "\"," + calls[i].arguments + "]";
  calls.clear();
  return toJs(env, json + "]");
}

using Clock = std::chrono::steady_clock;

// An operator at work. Operators call others: the time of those is not its own.
struct Running : at::ObserverContext {
  std::string key;
  Clock::time_point start;
  double inner = 0;  // seconds in operators that it called
  Running* outer = nullptr;
};

struct Total {
  int64_t count = 0;
  double seconds = 0;
};

std::map<std::string, Total> totals;
Running* innermost = nullptr;
std::optional<at::CallbackHandle> timing;

std::string keyOf(const at::RecordFunction& function) {
  std::string key = std::string("[\"") + function.name() + "\",[";
  const char* separator = "";
  for (const auto& input : function.inputs()) {
    if (!input.isTensor() || !input.toTensor().defined()) continue;
    key += separator;
    appendNumbers(key, input.toTensor().sizes());
    separator = ",";
  }
  return key + "]";
}

std::unique_ptr<at::ObserverContext> onStart(const at::RecordFunction& function) {
  auto running = std::make_unique<Running>();
  running->key = keyOf(function);
  running->outer = innermost;
  innermost = running.get();
  running->start = Clock::now();
  return running;
}

void onEnd(const at::RecordFunction&, at::ObserverContext* context) {
  auto* running = static_cast<Running*>(context);
  double seconds = std::chrono::duration<double>(Clock::now() - running->start).count();
  innermost = running->outer;
  if (innermost) innermost->inner += seconds;
  Total& total = totals[running->key];
  total.count += 1;
  total.seconds += seconds - running->inner;
}

// startProfile(): from now on the time of every operator is summed up.
napi_value startProfile(napi_env, napi_value*, size_t, void*) {
  if (timing) throw JsError("already profiling");
  totals.clear();
  innermost = nullptr;
  timing = at::addThreadLocalCallback(
      at::RecordFunctionCallback(onStart, onEnd).needsInputs(true).scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
  return nullptr;
}

// stopProfile(): JSON of [[name, shapes of its tensors, count, seconds of its own], ...].
napi_value stopProfile(napi_env env, napi_value*, size_t, void*) {
  if (!timing) throw JsError("not profiling");
  at::removeCallback(*timing);
  timing.reset();
  std::string json = "[";
  const char* separator = "";
  for (const auto& [key, total] : totals) {
    json += separator + key + "," + std::to_string(total.count) + "," + std::to_string(total.seconds) + "]";
    separator = ",";
  }
  totals.clear();
  return toJs(env, json + "]");
}

}  // namespace

void registerProfiler(napi_env env, napi_value exports) {
  defineFunction(env, exports, "startProfile", startProfile);
  defineFunction(env, exports, "stopProfile", stopProfile);
  defineFunction(env, exports, "startRecording", startRecording);
  defineFunction(env, exports, "stopRecording", stopRecording);
}

}  // namespace engine
