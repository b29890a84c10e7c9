/* malloc for the modules of the engine, as small in bytes of code as can be. (alloc.c is quicker
 * and wastes less.)
 *
 * A block is 8 bytes of header, and a power of two of payload, at least 8: so at most a half of it
 * is not used. A freed block goes to the list of its size, and is only used for that size again: a
 * heap is as large as the most that each size ever needed. Memory that is on no list is above
 * `top`. It is asked for in steps of an eighth of the heap, so that it is seldom asked for.
 *
 * Blocks are aligned to 8. One thread. WebAssembly only: the heap is all memory above __heap_base,
 * which the linker aligns.
 */
#include <stddef.h>
#include <stdint.h>

extern unsigned char __heap_base[];

enum { kPage = 65536, kMost = 0x40000000 };

typedef struct block {
  uint32_t log, unused; /* of the payload's size */
  struct block* next[]; /* one, while it is free; the payload begins here */
} block;

static block* lists[32];
static block* top = (block*)__heap_base; /* where the next one begins */

void* malloc(size_t size) {
  if (size - 1 >= kMost) return NULL;
  uint32_t log = 32 - (uint32_t)__builtin_clz((uint32_t)(size - 1) | 7);
  block* made = lists[log];
  if (made) {
    lists[log] = made->next[0];
    return made->next;
  }
  made = top;
  block* end = (block*)((char*)made->next + ((size_t)1 << log));
  size_t have = __builtin_wasm_memory_size(0), wanted = (uintptr_t)end / kPage + 1;
  if (wanted > have && __builtin_wasm_memory_grow(0, wanted - have + have / 8) == (size_t)-1) {
    return NULL;
  }
  top = end;
  made->log = log;
  return made->next;
}

void free(void* pointer) {
  if (!pointer) return;
  block* at = (block*)pointer - 1;
  at->next[0] = lists[at->log];
  lists[at->log] = at;
}

void* realloc(void* pointer, size_t size) {
  if (!pointer) return malloc(size);
  size_t have = (size_t)1 << ((block*)pointer - 1)->log;
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
