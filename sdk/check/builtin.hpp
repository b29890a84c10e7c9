// check/builtin.hpp: intents of the built-in map, set and counter, for tests.
#pragma once

#include <check/doc.hpp>

#include <initializer_list>

namespace synckit::check {

inline std::string varint(uint64_t value) {
  Buffer out;
  Writer(out).varint(value);
  return out.str();
}
inline std::string sized(std::string_view bytes) { return varint(bytes.size()).append(bytes); }
inline std::string fixed64(uint64_t value) {
  Buffer out;
  Writer(out).fixed64(value);
  return out.str();
}

using PathNames = std::vector<std::string>;

inline std::string path_bytes(const PathNames& path) {
  std::string out = varint(path.size());
  for (const std::string& name : path) out += sized(name);
  return out;
}
inline std::string map_set(const PathNames& path, std::string_view json) {
  return ("\1" + path_bytes(path)).append(json);
}
inline std::string map_delete(const PathNames& path) { return "\2" + path_bytes(path); }
inline std::string set_add(std::string_view json) { return std::string("\1").append(json); }
inline std::string set_remove(std::string_view json) { return std::string("\2").append(json); }
inline std::string set_clear() { return "\3"; }
inline std::string counter_add(int64_t amount) {
  Buffer out;
  Writer(out).zigzag(amount);
  return out.str();
}

}  // namespace synckit::check
