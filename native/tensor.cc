// Tensors as JavaScript holds them: the slot table, creation from bytes, and what is known about each.
#include "engine.h"

#include <cstring>

namespace engine {

namespace {

std::vector<at::Tensor> slots(1);  // slot 0 stays empty: it means "none"
std::vector<int64_t> freeSlots;
int64_t live = 0;

const at::Tensor& argument(napi_env env, napi_value value) {
  return tensorAt(static_cast<int64_t>(numberFrom(env, value)), "tensor");
}

std::vector<int64_t> shapeFrom(napi_env env, napi_value value) {
  std::vector<int64_t> shape;
  for (double size : numbersFrom(env, value)) shape.push_back(static_cast<int64_t>(size));
  return shape;
}

// fromBytes(bytes, shape, dtype): a new tensor on the CPU with a copy of the bytes.
napi_value fromBytes(napi_env env, napi_value* arguments, size_t, void*) {
  Bytes bytes = bytesFrom(env, arguments[0]);
  auto shape = shapeFrom(env, arguments[1]);
  auto dtype = static_cast<at::ScalarType>(static_cast<int>(numberFrom(env, arguments[2])));
  at::Tensor tensor = at::empty(shape, at::TensorOptions(dtype));
  if (tensor.nbytes() != bytes.length)
    throw JsError(describe(tensor) + " holds " + std::to_string(tensor.nbytes()) + " bytes, but " +
                  std::to_string(bytes.length) + " were given");
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

napi_value shape(napi_env env, napi_value* arguments, size_t, void*) {
  return toJs(env, argument(env, arguments[0]).sizes());
}

napi_value strides(napi_env env, napi_value* arguments, size_t, void*) {
  return toJs(env, argument(env, arguments[0]).strides());
}

napi_value dtype(napi_env env, napi_value* arguments, size_t, void*) {
  return toJs(env, static_cast<double>(argument(env, arguments[0]).scalar_type()));
}

napi_value device(napi_env env, napi_value* arguments, size_t, void*) {
  return toJs(env, argument(env, arguments[0]).device().str());
}

napi_value item(napi_env env, napi_value* arguments, size_t, void*) {
  return toJs(env, argument(env, arguments[0]).item().toDouble());
}

napi_value dispose(napi_env env, napi_value* arguments, size_t, void*) {
  return toJs(env, freeTensor(static_cast<int64_t>(numberFrom(env, arguments[0]))));
}

// disposeAll(handles): frees many at once, as a scope does at its end.
napi_value disposeAll(napi_env env, napi_value* arguments, size_t, void*) {
  for (double handle : numbersFrom(env, arguments[0])) freeTensor(static_cast<int64_t>(handle));
  return nullptr;
}

napi_value liveCount(napi_env env, napi_value*, size_t, void*) {
  return toJs(env, static_cast<double>(liveTensors()));
}

}  // namespace

int64_t addTensor(at::Tensor tensor) {
  ++live;
  if (freeSlots.empty()) {
    slots.push_back(std::move(tensor));
    return static_cast<int64_t>(slots.size()) - 1;
  }
  int64_t handle = freeSlots.back();
  freeSlots.pop_back();
  slots[handle] = std::move(tensor);
  return handle;
}

const at::Tensor& tensorAt(int64_t handle, const char* what) {
  if (handle <= 0 || handle >= static_cast<int64_t>(slots.size()) || !slots[handle].defined())
    throw JsError(std::string(what) + " has been disposed");
  return slots[handle];
}

bool freeTensor(int64_t handle) {
  if (handle <= 0 || handle >= static_cast<int64_t>(slots.size()) || !slots[handle].defined()) return false;
  slots[handle].reset();
  freeSlots.push_back(handle);
  --live;
  return true;
}

int64_t liveTensors() { return live; }

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
