// The hooks behind meter.hpp: the linker sends calls of malloc and its like here (--wrap), the
// compiler calls __sanitizer_cov_trace_pc at every basic block of the types.
#include "meter.hpp"

#include <malloc.h>

namespace synckit::cost {

Meter meter;

bool Meter::counts_steps() {
#if defined(SYNCKIT_NO_STEPS)
  return false;
#else
  return true;
#endif
}

namespace {

void* taken(void* block) {
  if (!block) return block;
  ++meter.allocations;
  meter.live += malloc_usable_size(block);
  if (meter.live > meter.peak) meter.peak = meter.live;
  return block;
}

void given(void* block) {
  if (block) meter.live -= malloc_usable_size(block);
}

}  // namespace
}  // namespace synckit::cost

extern "C" {

void* __real_malloc(size_t size);
void* __real_calloc(size_t count, size_t size);
void* __real_realloc(void* block, size_t size);
void __real_free(void* block);

void* __wrap_malloc(size_t size) { return synckit::cost::taken(__real_malloc(size)); }
void* __wrap_calloc(size_t count, size_t size) {
  return synckit::cost::taken(__real_calloc(count, size));
}
// Counted as its worst case, in which old and new block are there at once.
void* __wrap_realloc(void* block, size_t size) {
  size_t before = block ? malloc_usable_size(block) : 0;
  void* moved = synckit::cost::taken(__real_realloc(block, size));
  if (moved) synckit::cost::meter.live -= before;
  return moved;
}
void __wrap_free(void* block) {
  synckit::cost::given(block);
  __real_free(block);
}

#if !defined(SYNCKIT_NO_STEPS)
void* __real_memcpy(void* to, const void* from, size_t size);
void* __real_memmove(void* to, const void* from, size_t size);
void* __real_memset(void* to, int value, size_t size);

void* __wrap_memcpy(void* to, const void* from, size_t size) {
  synckit::cost::meter.steps += size / 64;
  return __real_memcpy(to, from, size);
}
void* __wrap_memmove(void* to, const void* from, size_t size) {
  synckit::cost::meter.steps += size / 64;
  return __real_memmove(to, from, size);
}
void* __wrap_memset(void* to, int value, size_t size) {
  synckit::cost::meter.steps += size / 64;
  return __real_memset(to, value, size);
}

void __sanitizer_cov_trace_pc(void) { ++synckit::cost::meter.steps; }
#endif
}
