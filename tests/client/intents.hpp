// Intents of the built-in types (plugins/*/FORMAT.md), for tests.
#pragma once

#include <synckit/bytes.hpp>

#include <string>
#include <vector>

namespace synckit::model {

inline std::string map_set(const std::vector<std::string>& path, const std::string& json) {
  Buffer out;
  Writer w(out);
  w.byte(1);
  w.varint(path.size());
  for (const std::string& key : path) w.sized(Bytes(key));
  w.raw(Bytes(json));
  return out.str();
}
inline std::string map_delete(const std::vector<std::string>& path) {
  Buffer out;
  Writer w(out);
  w.byte(2);
  w.varint(path.size());
  for (const std::string& key : path) w.sized(Bytes(key));
  return out.str();
}
inline std::string set_add(const std::string& json) { return "\x01" + json; }
inline std::string set_remove(const std::string& json) { return "\x02" + json; }
inline std::string count(int64_t amount) {
  Buffer out;
  Writer(out).zigzag(amount);
  return out.str();
}
// UTF-16 splice.
inline std::string splice(uint64_t at, uint64_t remove, const std::string& text) {
  Buffer out;
  Writer w(out);
  w.byte(2);
  w.varint(at);
  w.varint(remove);
  w.raw(Bytes(text));
  return out.str();
}

}  // namespace synckit::model
