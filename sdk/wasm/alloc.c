/* malloc for core.wasm and for plugins: small in bytes of code, quick, and good at growing buffers.
 *
 * Every block has an 8-byte header with its class. Classes are 8 bytes apart up to 64, then four
 * per doubling, so a block wastes at most a fifth. A freed block goes to its class's list; memory
 * that is not on a list is above `top`. Three habits keep the heap small without splitting or
 * joining:
 *   - the highest block is given back by lowering `top`, and grows and shrinks in place;
 *   - a large request may take a free block of the next four classes (up to twice its size);
 *   - new memory is asked for in steps of an eighth of the heap, at least 64 KiB.
 *
 * Blocks are aligned to 8. One thread. WebAssembly only: the heap is all memory above __heap_base.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern unsigned char __heap_base;

enum { kHeader = 8, kPage = 65536, kClasses = 116, kLarge = 256 };

typedef struct block {
  uint32_t size_class;
  uint32_t unused;
  struct block* next; /* while it is free; the payload begins here */
} block;

static block* lists[kClasses];
static uintptr_t top, end; /* first free byte; end of memory */

/* Smallest class that holds `size` payload bytes. */
__attribute__((noinline)) static uint32_t class_of(size_t size) {
  if (size <= 64) return size ? (uint32_t)((size - 1) >> 3) : 0;
  uint32_t bits = 31 - (uint32_t)__builtin_clz((uint32_t)(size - 1)); /* size - 1 in 2^bits .. */
  return 8 + (bits - 6) * 4 + (uint32_t)(((size - 1) >> (bits - 2)) & 3);
}

__attribute__((noinline)) static size_t size_of(uint32_t size_class) {
  if (size_class < 8) return (size_class + 1) * 8;
  uint32_t bits = (size_class - 8) / 4 + 6, quarter = (size_class - 8) % 4;
  return ((size_t)1 << bits) + ((size_t)(quarter + 1) << (bits - 2));
}

static uintptr_t end_of(block* at) { return (uintptr_t)at + kHeader + size_of(at->size_class); }

/* Makes memory reach `wanted`; 0 when there is none. */
static int reach(uintptr_t wanted) {
  if (!end) {
    top = ((uintptr_t)&__heap_base + 7) & ~(uintptr_t)7;
    end = __builtin_wasm_memory_size(0) * kPage;
  }
  if (wanted <= end) return 1;
  size_t needed = (wanted - end + kPage - 1) / kPage, ample = end / kPage / 8;
  if (ample > needed && __builtin_wasm_memory_grow(0, ample) != (size_t)-1) {
    end += ample * kPage;
    return 1;
  }
  if (__builtin_wasm_memory_grow(0, needed) == (size_t)-1) return 0;
  end += needed * kPage;
  return 1;
}

void* malloc(size_t size) {
  if (size > 0x70000000u) return NULL;
  uint32_t size_class = class_of(size);
  uint32_t last = size >= kLarge && size_class + 4 < kClasses ? size_class + 4 : size_class;
  for (uint32_t c = size_class; c <= last; ++c) {
    block* found = lists[c];
    if (!found) continue;
    lists[c] = found->next;
    return (char*)found + kHeader;
  }
  if (!end && !reach(0)) return NULL;
  size_t total = kHeader + size_of(size_class);
  if (top + total < top || !reach(top + total)) return NULL;
  block* made = (block*)top;
  top += total;
  made->size_class = size_class;
  return (char*)made + kHeader;
}

void free(void* pointer) {
  if (!pointer) return;
  block* at = (block*)((char*)pointer - kHeader);
  if (end_of(at) == top) {
    top = (uintptr_t)at;
    return;
  }
  at->next = lists[at->size_class];
  lists[at->size_class] = at;
}

void* realloc(void* pointer, size_t size) {
  if (!pointer) return malloc(size);
  block* at = (block*)((char*)pointer - kHeader);
  size_t have = size_of(at->size_class);
  if (size <= have) return pointer;
  if (end_of(at) == top && size <= 0x70000000u) {
    uint32_t size_class = class_of(size);
    uintptr_t wanted = (uintptr_t)at + kHeader + size_of(size_class);
    if (!reach(wanted)) return NULL;
    at->size_class = size_class;
    top = wanted;
    return pointer;
  }
  void* moved = malloc(size);
  if (!moved) return NULL;
  __builtin_memcpy(moved, pointer, have);
  free(pointer);
  return moved;
}

void* calloc(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
  void* made = malloc(bytes);
  if (made) memset(made, 0, bytes);
  return made;
}
