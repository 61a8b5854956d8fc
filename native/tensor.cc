// Tensors as JavaScript holds them: the slot table, creation from bytes, and what is known about each.
#include "tensor.h"

#include <cstring>
#include <sstream>

#include "function.h"

namespace engine {

namespace {

std::vector<at::Tensor> slots(1);  // slot 0 stays empty: it means "none"
std::vector<size_t> freeSlots;
int64_t live = 0;

// The slot that a handle names; 0, which is always empty, for one that names none.
size_t slotOf(double handle) {
  const bool inside = handle >= 1 && handle < static_cast<double>(slots.size());
  return inside ? static_cast<size_t>(handle) : 0;
}

bool freeTensor(double handle) {
  const size_t slot = slotOf(handle);
  if (!slots[slot].defined()) return false;
  slots[slot].reset();
  freeSlots.push_back(slot);
  --live;
  return true;
}

const at::Tensor& argument(napi_env env, napi_value value) { return tensorFrom(env, value, "tensor"); }

// The element types that JavaScript may give the bytes of.
at::ScalarType typeFrom(napi_env env, napi_value value) {
  const auto code = static_cast<at::ScalarType>(whole(numberFrom(env, value), "dtype", 0, 127));
  for (at::ScalarType known : {at::kByte, at::kInt, at::kLong, at::kHalf, at::kFloat, at::kDouble, at::kBool, at::kBFloat16})
    if (code == known) return known;
  throw JsError("'dtype' " + std::to_string(static_cast<int>(code)) + " is not an element type that is used here");
}

// fromBytes(bytes, shape, dtype): a new tensor on the CPU with a copy of the bytes.
napi_value fromBytes(napi_env env, napi_value* arguments, size_t, void*) {
  Bytes bytes = bytesFrom(env, arguments[0]);
  at::Tensor tensor = at::empty(wholesFrom(env, arguments[1], "shape", 0), at::TensorOptions(typeFrom(env, arguments[2])));
  if (tensor.nbytes() != bytes.length)
    throw JsError(describe(tensor) + " holds " + std::to_string(tensor.nbytes()) + " bytes, but " + std::to_string(bytes.length) +
                  " were given");
  if (bytes.length) std::memcpy(tensor.data_ptr(), bytes.data, bytes.length);
  return toJs(env, static_cast<double>(addTensor(std::move(tensor))));
}

// toBytes(tensor): an ArrayBuffer with the elements in row-major order.
napi_value toBytes(napi_env env, napi_value* arguments, size_t, void*) {
  at::Tensor tensor = argument(env, arguments[0]).detach().to(at::kCPU).contiguous();
  void* data;
  napi_value buffer;
  check(env, napi_create_arraybuffer(env, tensor.nbytes(), &data, &buffer));
  if (tensor.nbytes()) std::memcpy(data, tensor.data_ptr(), tensor.nbytes());
  return buffer;
}

napi_value shape(napi_env env, napi_value* arguments, size_t, void*) { return toJs(env, argument(env, arguments[0]).sizes()); }

napi_value strides(napi_env env, napi_value* arguments, size_t, void*) { return toJs(env, argument(env, arguments[0]).strides()); }

napi_value dtype(napi_env env, napi_value* arguments, size_t, void*) {
  return toJs(env, static_cast<double>(argument(env, arguments[0]).scalar_type()));
}

napi_value device(napi_env env, napi_value* arguments, size_t, void*) { return toJs(env, argument(env, arguments[0]).device().str()); }

napi_value item(napi_env env, napi_value* arguments, size_t, void*) { return toJs(env, argument(env, arguments[0]).item().toDouble()); }

napi_value dispose(napi_env env, napi_value* arguments, size_t, void*) { return toJs(env, freeTensor(numberFrom(env, arguments[0]))); }

// disposeAll(handles): frees many at once, as a scope does at its end.
napi_value disposeAll(napi_env env, napi_value* arguments, size_t, void*) {
  for (double handle : numbersFrom(env, arguments[0])) freeTensor(handle);
  return nullptr;
}

napi_value liveCount(napi_env env, napi_value*, size_t, void*) { return toJs(env, static_cast<double>(live)); }

}  // namespace

int64_t addTensor(at::Tensor tensor) {
  ++live;
  if (freeSlots.empty()) {
    slots.push_back(std::move(tensor));
    return static_cast<int64_t>(slots.size()) - 1;
  }
  const size_t slot = freeSlots.back();
  freeSlots.pop_back();
  slots[slot] = std::move(tensor);
  return static_cast<int64_t>(slot);
}

const at::Tensor& tensorOf(double handle, const char* what) {
  const at::Tensor& tensor = slots[slotOf(handle)];
  if (!tensor.defined()) throw JsError(std::string(what) + " has been disposed");
  return tensor;
}

const at::Tensor& tensorFrom(napi_env env, napi_value value, const char* what) {
  double handle;
  if (napi_get_value_double(env, value, &handle) != napi_ok) throw JsError("'" + std::string(what) + "' must be a tensor");
  return tensorOf(handle, what);
}

std::vector<at::Tensor> tensorsFrom(napi_env env, napi_value array, const char* what) {
  std::vector<at::Tensor> tensors;
  for (double handle : numbersFrom(env, array)) tensors.push_back(tensorOf(handle, what));
  return tensors;
}

napi_value toJs(napi_env env, const std::vector<at::Tensor>& tensors) {
  napi_value array;
  check(env, napi_create_array_with_length(env, tensors.size(), &array));
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t handle = tensors[i].defined() ? addTensor(tensors[i]) : 0;
    check(env, napi_set_element(env, array, i, toJs(env, static_cast<double>(handle))));
  }
  return array;
}

void freeAllTensors() {
  slots.assign(1, at::Tensor());
  freeSlots.clear();
  live = 0;
}

std::string describe(const at::Tensor& tensor) {
  if (!tensor.defined()) return "none";
  std::ostringstream text;
  text << c10::toString(tensor.scalar_type()) << "[";
  for (int64_t i = 0; i < tensor.dim(); ++i) text << (i ? ", " : "") << tensor.size(i);
  text << "]";
  return text.str();
}

void registerTensor(napi_env env, napi_value exports) {
  defineFunction(env, exports, "fromBytes", fromBytes);
  defineFunction(env, exports, "toBytes", toBytes);
  defineFunction(env, exports, "shape", shape);
  defineFunction(env, exports, "strides", strides);
  defineFunction(env, exports, "dtype", dtype);
  defineFunction(env, exports, "device", device);
  defineFunction(env, exports, "item", item);
  defineFunction(env, exports, "dispose", dispose);
  defineFunction(env, exports, "disposeAll", disposeAll);
  defineFunction(env, exports, "liveCount", liveCount);
}

}  // namespace engine
