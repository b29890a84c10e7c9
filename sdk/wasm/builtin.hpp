// Forced into every built-in type's source when it is compiled for core.wasm (-include): instead of
// a whole plugin it gives its one table, so that what only the checker needs (samples, descriptors)
// is not shipped.
#pragma once

// The engine reports a type's failure in the kernel's words: the type's own would only be weight.
// (replica.wasm calls the types itself and shows them.)
#if !defined(SYNCKIT_KEEP_TEXT)
#define SK_TEXT(literal) ""
#endif

#include <synckit/crdt.hpp>

#undef SYNCKIT_CRDT_PLUGIN
#if defined(SYNCKIT_CLIENT_ONLY)  // types.hpp has the signature
#define SYNCKIT_CRDT_PLUGIN(Class, plugin_id, plugin_version)     \
  extern "C" const void* SYNCKIT_TYPE_SYMBOL(uint32_t) {          \
    return Class::crdt_interface();                               \
  }
#else
#define SYNCKIT_CRDT_PLUGIN(Class, plugin_id, plugin_version)     \
  extern "C" const void* SYNCKIT_TYPE_SYMBOL(uint32_t which) {    \
    if (which == 0) return Class::crdt_interface();               \
    if (which == 1) return Class::anchor_interface();             \
    return Class::undo_interface();                               \
  }
#endif
