// The built-in types in a module (builtin.hpp): 0 its sk_crdt_v1, 1 its anchors, 2 its undo;
// nullptr where the type has none.
#pragma once

#include <synckit/abi.h>

extern "C" {
const void* synckit_type_lww(uint32_t which);
const void* synckit_type_text(uint32_t which);
const void* synckit_type_set(uint32_t which);
const void* synckit_type_counter(uint32_t which);
}
