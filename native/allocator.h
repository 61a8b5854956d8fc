// The allocator of large tensors on the CPU.
#pragma once

#include <cstddef>

namespace engine {

// Before the first tensor is made.
void installAllocator();

// Bytes of large tensors on the CPU, now and at most since the last call; 0 where libtorch's own allocator is in use.
struct MemoryInUse {
  size_t live, peak;
};
MemoryInUse memoryInUse();

}  // namespace engine
