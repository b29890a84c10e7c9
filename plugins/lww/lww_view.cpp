// The `lww` plugin: what is visible. Here the entries below a path overlay the value at it; what is
// no object is shown as it came.
#include "lww.hpp"

#if !defined(SYNCKIT_CLIENT_ONLY)  // there JavaScript makes the view of the contents

namespace synckit {

bool Lww::is_object(const Place& place) {
  return place.node->below || json_is_object(place.base);
}

bool Lww::is_visible(const Place& place) { return place.node->below || place.base.len; }

Lww::Place Lww::top() const { return {tree_.root(), "{}", 0}; }

// One level down. The last of equal names counts.
void Lww::step(Place& place, Bytes name) const {
  JsonItems items(place.base);
  place.node = tree_.find(place.node, name);
  place.base = {};
  ++place.depth;
  if (place.node->entry) {
    place.base = place.node->entry->value;
    return;
  }
  while (items.next()) {
    if (items.name == name) place.base = items.value;
  }
}

// The place at the path; where one of those before it is no visible object, the place there.
Lww::Place Lww::descend(const Path& path) const {
  Place place = top();
  for (Reader names(path.bytes); !names.done() && is_object(place);) step(place, names.sized());
  return place;
}

bool Lww::is_there(const Path& path) const {
  Place place = descend(path);
  return place.depth == path.count && is_visible(place);
}

// An object is always written anew, from its own members in their order and then from what stands
// only below it: so entries that change nothing visible change no byte of it. Recursion is as deep
// as a path and a value together: kMaxPathSegments + kMaxJsonDepth.
void Lww::emit(Writer& json, const Place& place) const {
  if (!is_object(place)) return json.raw(place.base);
  tree_.sort(place.node);
  uint8_t separator = '{';
  JsonItems items(place.base);
  const Node* child = nullptr;
  for (bool own = true;;) {
    Place below{nullptr, {}, 0};
    if (own) own = items.next();
    if (own) {
      below = {tree_.find(place.node, items.name), items.value, 0};
      below.node->told = true;
    } else {
      child = child ? tree_.next(child) : tree_.child(place.node);
      if (!child) break;
      bool told = child->told;
      child->told = false;
      if (told) continue;
      below.node = child;
    }
    if (below.node->entry) below.base = below.node->entry->value;
    if (!is_visible(below)) continue;
    json.byte(separator);
    separator = ',';
    if (own) {
      json.raw(items.written);
    } else {
      json_string(json, tree_.name(child));
    }
    json.byte(':');
    emit(json, below);
  }
  if (separator == '{') json.byte('{');
  json.byte('}');
}

Status Lww::view(Writer& json) const {
  emit(json, top());
  return {};
}

bool Lww::get(Bytes encoded, Writer& json) const {
  Reader names(encoded);
  uint64_t count = names.varint();
  Path path;
  if (!read_path(names, count, path).ok() || !is_there(path)) return false;
  emit(json, descend(path));
  return true;
}

// Few names and shallow paths, so that writes meet above, at and below one another.
Status Lww::sample(uint64_t random, Writer& intent) const {
  static const char* const kNames[] = {"a", "b", "c", "\xd0\xb6", "a\"\\b", "k1", "k2", ""};
  static const char* const kValues[] = {
      "1", "-0.5e+3", "null", "\"text\"", "[1,{\"b\":2,\"a\":1}]", "{}",
      "{\"a\":1,\"b\":{\"c\":2}}",
      "{ \"c\" : [ ] , \"a\" : { \"b\" : 1 , \"a\" : null } }", "{\"\\u0061\":1,\"b\":\"\\u00e9\"}",
      "{\"b\":1,\"b\":{\"a\":3}}", "true", "\"a value that is too long to be kept inside\""};
  auto dice = [&random](uint64_t sides) {
    uint64_t value = random % sides;
    random = random / sides + (random << 57);
    return static_cast<size_t>(value);
  };
  bool is_set = dice(4) != 0;
  intent.byte(is_set ? kSet : kDelete);
  size_t count = dice(8) < 4 ? 1 : dice(3) + 1;
  intent.varint(count);
  for (size_t i = 0; i < count; ++i) intent.sized(Bytes(kNames[dice(dice(2) ? 8 : 3)]));
  if (is_set) intent.raw(Bytes(kValues[dice(12)]));
  return {};
}

}  // namespace synckit

#endif
