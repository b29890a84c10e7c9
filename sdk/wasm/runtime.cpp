// What the C++ runtime would bring, in a few bytes: without exceptions there is nothing to do but
// stop when memory runs out. (Growable buffers ask first and report SK_NOMEM.)
#include <cstddef>
#include <cstdlib>

void* operator new(std::size_t size) {
  void* made = std::malloc(size);
  if (!made) __builtin_trap();
  return made;
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* pointer) noexcept { std::free(pointer); }
void operator delete[](void* pointer) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { std::free(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { std::free(pointer); }

// The library's reads words at a time, in four times the bytes; here it only meets error texts.
extern "C" __attribute__((weak)) std::size_t strlen(const char* text) {
  std::size_t len = 0;
  while (text[len]) ++len;
  return len;
}

extern "C" [[noreturn]] void __cxa_pure_virtual() { __builtin_trap(); }
// Weak: a plugin that uses more of the library brings the library's own.
extern "C" __attribute__((weak)) void abort() { __builtin_trap(); }
extern "C" __attribute__((weak)) void _Exit(int) { __builtin_trap(); }
