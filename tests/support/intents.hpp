// Intents of the built-in types (plugins/*/FORMAT.md), and their registry, for tests and benches.
#pragma once

#include "builtin_plugins.hpp"

#include <kernel/document.hpp>

#include <string>
#include <vector>

namespace synckit::testing_support {

// The four built-in types, linked statically.
inline const Registry& builtin_types() {
  static const Registry registry = [] {
    Registry out;
    for (auto* plugin : {synckit_plugin_v1_lww, synckit_plugin_v1_text, synckit_plugin_v1_set,
                         synckit_plugin_v1_counter}) {
      (void)out.add(
          static_cast<const sk_crdt_v1*>(plugin()->get_interface(SK_IFACE_CRDT, 0)));
    }
    return out;
  }();
  return registry;
}

inline std::string map_set(const std::vector<std::string>& path, const std::string& json) {
  Buffer out;
  Writer w(out);
  w.byte(1);
  w.varint(path.size());
  for (const std::string& key : path) w.sized(Bytes(key));
  w.raw(Bytes(json));
  return out.str();
}
inline std::string set_add(const std::string& json) { return "\x01" + json; }
inline std::string set_remove(const std::string& json) { return "\x02" + json; }
inline std::string count(int64_t amount) {
  Buffer out;
  Writer(out).zigzag(amount);
  return out.str();
}
// Splice in code points.
inline std::string splice(uint64_t at, uint64_t remove, const std::string& text) {
  Buffer out;
  Writer w(out);
  w.byte(1);
  w.varint(at);
  w.varint(remove);
  w.raw(Bytes(text));
  return out.str();
}

}  // namespace synckit::testing_support
