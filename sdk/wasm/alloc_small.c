/* malloc for the modules of the engine, as small in bytes of code as can be. (alloc.c is quicker
 * and wastes less.)
 *
 * A block is 8 bytes of header and a payload of 3 or 4 times a power of two, at least 24 bytes: so
 * at most a third of what is larger is not used. A freed block goes to the list of its size, and is
 * only used for that size again: a heap is as large as the most that each size ever needed. Memory
 * that is on no list is above `top`. It is asked for in steps of an eighth of the heap, so that it
 * is seldom asked for.
 *
 * Blocks are aligned to 8. One thread. WebAssembly only: the heap is all memory above __heap_base,
 * which the linker aligns.
 */
#include <stddef.h>
#include <stdint.h>

extern unsigned char __heap_base[];

enum { kPage = 65536, kMost = 0x40000000 };

typedef struct block {
  uint32_t size, size_class;
  struct block* next[]; /* one, while it is free; the payload begins here */
} block;

static block* lists[64];
static block* top = (block*)__heap_base; /* where the next one begins */

void* malloc(size_t size) {
  if (size - 1 >= kMost) return NULL;
  uint32_t most = (uint32_t)(size - 1) | 16, shift = 30 - (uint32_t)__builtin_clz(most);
  uint32_t units = (most >> shift) + 1, size_class = shift * 2 + units;
  block* made = lists[size_class];
  if (made) {
    lists[size_class] = made->next[0];
    return made->next;
  }
  made = top;
  size = units << shift;
  block* end = (block*)((char*)made->next + size);
  size_t have = __builtin_wasm_memory_size(0), wanted = (uintptr_t)end / kPage + 1;
  if (wanted > have && __builtin_wasm_memory_grow(0, wanted - have + have / 8) == (size_t)-1) {
    return NULL;
  }
  top = end;
  made->size = size;
  made->size_class = size_class;
  return made->next;
}

void free(void* pointer) {
  if (!pointer) return;
  block* at = (block*)pointer - 1;
  at->next[0] = lists[at->size_class];
  lists[at->size_class] = at;
}

void* realloc(void* pointer, size_t size) {
  if (!pointer) return malloc(size);
  size_t have = ((block*)pointer - 1)->size;
  if (size <= have) return pointer;
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
  if (made) __builtin_memset(made, 0, bytes);
  return made;
}
