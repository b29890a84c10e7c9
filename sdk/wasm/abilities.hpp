// The optional interfaces of the built-in types (anchors, undo), also for a field that does not
// exist yet. For modules whose types have them (builtin.hpp).
#pragma once

#include <synckit/crdt.hpp>

#include "types.hpp"

namespace synckit {

struct Abilities {
  const sk_crdt_v1* type;
  const sk_crdt_anchor_v1* anchors;
  const sk_crdt_undo_v1* undo;
  void* empty;  // never edited

  // What the calls get: the field's instance, or an empty one while there is none.
  void* instance(void* of_field) {
    if (!of_field && !empty && type->create(&empty, nullptr) != SK_OK) out_of_memory();
    return of_field ? of_field : empty;
  }
};

// nullptr for a type that is not built in.
inline Abilities* abilities(const sk_crdt_v1* type) {
  static Abilities all[4];
  Abilities* at = all;
  for (auto table : {synckit_type_lww, synckit_type_text, synckit_type_set, synckit_type_counter}) {
    if (!at->type) {
      *at = {static_cast<const sk_crdt_v1*>(table(0)),
             static_cast<const sk_crdt_anchor_v1*>(table(1)),
             static_cast<const sk_crdt_undo_v1*>(table(2)), nullptr};
    }
    if (at->type == type) return at;
    ++at;
  }
  return nullptr;
}

}  // namespace synckit
