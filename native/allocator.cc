// Memory of large tensors, kept for the next tensor of that size.
//
// Every step of a training makes the same tensors again. The C library gives memory of this size back to the system at
// once and gets it anew, page by page, each of them cleared: with libtorch's own allocator that is a tenth of a step.
// Here it is kept, and lies in huge pages.
#include "allocator.h"

#ifdef __linux__

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

namespace engine {

namespace {

constexpr size_t kSmallest = 256 << 10;  // below, the C library keeps memory itself
constexpr size_t kGrain = 4 << 10;
constexpr size_t kReserved = size_t(1) << 40;  // addresses, not memory: pages count when they are first written
constexpr size_t kAlignment = 64;

// One range of addresses, given out in blocks. A freed block joins its free neighbours; a new one comes from the
// smallest hole that it fits into, so that the range stays about as long as what was ever in use at once.
class Arena {
 public:
  // Null when the system gives no address range; then the C library's memory serves.
  void* take(size_t bytes) {
    const size_t size = (bytes + kGrain - 1) / kGrain * kGrain;
    std::lock_guard<std::mutex> lock(mutex_);
    if (!begin_ && !reserve()) return nullptr;
    char* block;
    auto hole = bySize_.lower_bound({size, nullptr});
    if (hole != bySize_.end()) {
      auto [holeSize, address] = *hole;
      removeHole(address, holeSize);
      if (holeSize > size) addHole(address + size, holeSize - size);
      block = address;
    } else {
      // A hole at the end grows.
      size_t atEnd = 0;
      if (!byAddress_.empty()) {
        auto [address, holeSize] = *byAddress_.rbegin();
        if (address + holeSize == end_) atEnd = holeSize;
      }
      if (static_cast<size_t>(end_ - begin_) - atEnd + size > kReserved) return nullptr;
      block = end_ - atEnd;
      if (atEnd > 0) removeHole(block, atEnd);
      end_ = block + size;
    }
    used_[block] = size;
    live_ += size;
    peak_ = std::max(peak_, live_);
    return block;
  }

  // False when the block is none of this range.
  bool giveBack(void* pointer) {
    auto* block = static_cast<char*>(pointer);
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = used_.find(block);
    if (found == used_.end()) return false;
    size_t size = found->second;
    used_.erase(found);
    live_ -= size;
    auto next = byAddress_.lower_bound(block);
    if (next != byAddress_.begin()) {
      auto [address, holeSize] = *std::prev(next);
      if (address + holeSize == block) {
        removeHole(address, holeSize);
        block = address;
        size += holeSize;
      }
    }
    next = byAddress_.lower_bound(block);
    if (next != byAddress_.end() && block + size == next->first) {
      const size_t holeSize = next->second;
      removeHole(next->first, holeSize);
      size += holeSize;
    }
    addHole(block, size);
    return true;
  }

  MemoryInUse inUse() {
    std::lock_guard<std::mutex> lock(mutex_);
    MemoryInUse use{live_, peak_};
    peak_ = live_;
    return use;
  }

 private:
  bool reserve() {
    void* range = mmap(nullptr, kReserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) return false;
    madvise(range, kReserved, MADV_HUGEPAGE);
    begin_ = end_ = static_cast<char*>(range);
    return true;
  }

  void addHole(char* address, size_t size) {
    byAddress_.emplace(address, size);
    bySize_.emplace(size, address);
  }

  void removeHole(char* address, size_t size) {
    byAddress_.erase(address);
    bySize_.erase({size, address});
  }

  std::mutex mutex_;
  char *begin_ = nullptr, *end_ = nullptr;
  std::unordered_map<char*, size_t> used_;
  std::map<char*, size_t> byAddress_;
  std::set<std::pair<size_t, char*>> bySize_;
  size_t live_ = 0, peak_ = 0;
};

// Never destroyed: tensors may outlive it at the end of the process.
Arena& arena() {
  static auto* only = new Arena;
  return *only;
}

void release(void* pointer) {
  if (pointer && !arena().giveBack(pointer)) std::free(pointer);
}

// libtorch's interface changed between versions (`allocate` was const, `copy_data` is newer), so that nothing here is
// marked as overriding.
struct Keeping : c10::Allocator {
  at::DataPtr allocate(size_t bytes) const { return allocated(bytes); }
  at::DataPtr allocate(size_t bytes) { return allocated(bytes); }
  c10::DeleterFnPtr raw_deleter() const { return &release; }
  void copy_data(void* to, const void* from, std::size_t count) const { std::memcpy(to, from, count); }

 private:
  static at::DataPtr allocated(size_t bytes) {
    void* pointer = nullptr;
    if (bytes >= kSmallest) pointer = arena().take(bytes);
    if (!pointer && bytes > 0 && posix_memalign(&pointer, kAlignment, bytes) != 0) pointer = nullptr;
    TORCH_CHECK(pointer || bytes == 0, "not enough memory: a tensor of ", bytes >> 20, " MB does not fit");
    return {pointer, pointer, &release, at::Device(at::DeviceType::CPU)};
  }
};

}  // namespace

void installAllocator() {
  static Keeping keeping;
  c10::SetCPUAllocator(&keeping, /*priority=*/1);
}

MemoryInUse memoryInUse() { return arena().inUse(); }

}  // namespace engine

#else

namespace engine {
void installAllocator() {}
MemoryInUse memoryInUse() { return {0, 0}; }
}  // namespace engine

#endif
