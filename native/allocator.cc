// Memory of large tensors, kept for the next tensor of that size.
//
// Every step of a training makes the same tensors again. The C library gives memory of this size back to the system at
// once and gets it anew, page by page, each of them cleared: with libtorch's own allocator that is a tenth of a step.
// Here blocks are kept, and lie in huge pages. Used and kept blocks together take at most a quarter more than what was
// ever in use at once: with no margin, the phases of a step take blocks from each other all the time.
#include "engine.h"

#ifdef __linux__

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

namespace engine {

namespace {

constexpr size_t kSmallest = 256 << 10;  // below, the C library keeps memory itself
constexpr size_t kHugePage = 2 << 20;
constexpr size_t kAlignment = 64;

// Sizes in steps of an eighth, so that tensors of about one size share blocks.
size_t blockSize(size_t bytes) {
  size_t power = kSmallest;
  while (power * 2 <= bytes) power *= 2;
  const size_t step = power / 8;
  return (bytes + step - 1) / step * step;
}

void* mapBlock(size_t size) {
  const size_t margin = size >= kHugePage ? kHugePage : 0;
  void* mapped = mmap(nullptr, size + margin, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  if (margin == 0) return mapped;
  auto address = reinterpret_cast<uintptr_t>(mapped);
  const uintptr_t aligned = (address + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned > address) munmap(mapped, aligned - address);
  if (address + margin > aligned) munmap(reinterpret_cast<void*>(aligned + size), address + margin - aligned);
  madvise(reinterpret_cast<void*>(aligned), size, MADV_HUGEPAGE);
  return reinterpret_cast<void*>(aligned);
}

class Blocks {
 public:
  void* take(size_t bytes) {
    const size_t size = blockSize(bytes);
    std::lock_guard<std::mutex> lock(mutex_);
    live_ += size;
    peak_ = std::max(peak_, live_);
    void* block = reuse(size);
    if (!block) {
      giveBack(peak_ + peak_ / 4 - live_);
      block = mapBlock(size);
      if (!block && kept_ > 0) {
        giveBack(0);
        block = mapBlock(size);
      }
    }
    if (block) sizes_[block] = size;
    else live_ -= size;
    return block;
  }

  // False when the block is none of these.
  bool keep(void* block) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = sizes_.find(block);
    if (found == sizes_.end()) return false;
    const size_t size = found->second;
    sizes_.erase(found);
    live_ -= size;
    kept_ += size;
    oldest_.push_back({block, size});
    free_.emplace(size, std::prev(oldest_.end()));
    return true;
  }

 private:
  struct Free {
    void* block;
    size_t size;
  };
  using Position = std::list<Free>::iterator;

  void* reuse(size_t size) {
    auto found = free_.find(size);
    if (found == free_.end()) return nullptr;
    void* block = found->second->block;
    oldest_.erase(found->second);
    free_.erase(found);
    kept_ -= size;
    return block;
  }

  // Returns kept blocks to the system, those unused for longest first, until no more than `limit` bytes are kept.
  void giveBack(size_t limit) {
    while (kept_ > limit) {
      Position first = oldest_.begin();
      auto [begin, end] = free_.equal_range(first->size);
      for (auto entry = begin; entry != end; ++entry)
        if (entry->second == first) {
          free_.erase(entry);
          break;
        }
      munmap(first->block, first->size);
      kept_ -= first->size;
      oldest_.erase(first);
    }
  }

  std::mutex mutex_;
  std::unordered_map<void*, size_t> sizes_;
  std::multimap<size_t, Position> free_;
  std::list<Free> oldest_;
  size_t live_ = 0, kept_ = 0, peak_ = 0;
};

// Never destroyed: tensors may outlive it at the end of the process.
Blocks& blocks() {
  static auto* all = new Blocks;
  return *all;
}

void release(void* pointer) {
  if (pointer && !blocks().keep(pointer)) std::free(pointer);
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
    if (bytes >= kSmallest) pointer = blocks().take(bytes);
    else if (bytes > 0 && posix_memalign(&pointer, kAlignment, bytes) != 0) pointer = nullptr;
    TORCH_CHECK(pointer || bytes == 0, "not enough memory: a tensor of ", bytes >> 20, " MB does not fit");
    return {pointer, pointer, &release, at::Device(at::DeviceType::CPU)};
  }
};

}  // namespace

void installAllocator() {
  static Keeping keeping;
  c10::SetCPUAllocator(&keeping, /*priority=*/1);
}

}  // namespace engine

#else

namespace engine {
void installAllocator() {}
}  // namespace engine

#endif
