/* malloc for replica.wasm and plugins: small in bytes of code, quick, and good at growing buffers.
 *
 * Every block has an 8-byte header with its size and class. Classes are 8 bytes apart up to 64,
 * then four per doubling, so a block wastes at most a fifth. A freed block goes to the list of its
 * class; memory that is not on a list is above `top`. Three habits keep the heap small without
 * splitting or joining:
 *   - the highest block is given back by lowering `top`, and grows in place;
 *   - a large request may take a free block of the next four classes (up to twice its size);
 *   - new memory is asked for in steps of an eighth of the heap, at least 64 KiB.
 *
 * Blocks are aligned to 8. One thread. WebAssembly only: the heap is all memory above __heap_base,
 * which the linker aligns.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern unsigned char __heap_base[];

enum { kPage = 65536, kClasses = 128, kLarge = 256, kMost = 0x70000000 };

typedef struct block {
  uint32_t size, size_class;
  struct block* next[]; /* one, while it is free; the payload begins here */
} block;

static block* lists[kClasses];
static block* top = (block*)__heap_base; /* where the next one begins */

static block* end_of(block* at) { return (block*)((char*)at->next + at->size); }

/* Makes memory reach `end`; 0 when there is none. */
static int reach(uintptr_t end) {
  size_t have = __builtin_wasm_memory_size(0), wanted = (end + kPage - 1) / kPage;
  if (wanted <= have) return 1;
  size_t more = wanted - have, ample = have / 8;
  return (ample > more && __builtin_wasm_memory_grow(0, ample) != (size_t)-1) ||
         __builtin_wasm_memory_grow(0, more) != (size_t)-1;
}

void* malloc(size_t size) {
  if (size > kMost) return NULL;
  /* In units of 8 bytes, rounded up to three bits that count. */
  uint32_t units = (uint32_t)(size + 7 + !size) / 8;
  uint32_t bits = 29 - (uint32_t)__builtin_clz((units - 1) | 7);
  units = (units + (1u << bits) - 1) >> bits;
  uint32_t size_class = bits * 4 + units;
  for (uint32_t c = size_class, last = size < kLarge ? c : c + 4; c <= last; ++c) {
    block* found = lists[c];
    if (!found) continue;
    lists[c] = found->next[0];
    return found->next;
  }
  block* made = top;
  size = (size_t)units << bits << 3;
  if (!reach((uintptr_t)made->next + size)) return NULL;
  made->size = (uint32_t)size;
  made->size_class = size_class;
  top = end_of(made);
  return made->next;
}

void free(void* pointer) {
  if (!pointer) return;
  block* at = (block*)pointer - 1;
  if (end_of(at) == top) {
    top = at;
    return;
  }
  at->next[0] = lists[at->size_class];
  lists[at->size_class] = at;
}

void* realloc(void* pointer, size_t size) {
  if (!pointer) return malloc(size);
  block *at = (block*)pointer - 1, *before = top;
  size_t have = at->size;
  if (size <= have) return pointer;
  int highest = end_of(at) == top;
  if (highest) top = at;
  void* moved = malloc(size);
  if (!moved) {
    top = before;
    return NULL;
  }
  if (moved != pointer) {
    __builtin_memcpy(moved, pointer, have);
    if (!highest) free(pointer);
  }
  return moved;
}

void* calloc(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
  void* made = malloc(bytes);
  if (made) memset(made, 0, bytes);
  return made;
}
