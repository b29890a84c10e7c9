// The built-in types as subjects of the law checker.
#pragma once

#include "patches.hpp"

#include "../support/builtin_plugins.hpp"

#include <check/laws.hpp>

namespace synckit::laws {

inline check::Subject subject_of(const sk_plugin* plugin, check::ApplyPatch apply_patch) {
  const sk_crdt_v1* type = check::crdt_of(plugin);
  return {type, check::samples_of(plugin, type->type), apply_patch, true,
          check::anchors_of(plugin, type->type), check::undo_of(plugin, type->type)};
}

inline check::Subject map_subject() {
  return subject_of(synckit_plugin_v1_lww(), apply_map_patch);
}
inline check::Subject set_subject() {
  return subject_of(synckit_plugin_v1_set(), apply_set_patch);
}
inline check::Subject counter_subject() {
  return subject_of(synckit_plugin_v1_counter(), apply_counter_patch);
}
inline check::Subject text_subject() {
  check::Subject subject = subject_of(synckit_plugin_v1_text(), apply_text_patch);
  subject.tight_outputs = false;
  return subject;
}

}  // namespace synckit::laws
