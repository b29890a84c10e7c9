// The `lww` plugin: what is visible. Here the entries below a path overlay the value at it; what is
// no object is shown as it came.
#include "lww.hpp"

namespace synckit {

// Set entries strictly below a node.
uint32_t Lww::below(uint32_t node) const {
  const Node& at = nodes_[node];
  return at.live - (at.entry && at.entry->is_set());
}

bool Lww::is_object(const Place& place) const {
  return below(place.node) || json_is_object(place.base);
}

bool Lww::is_visible(const Place& place) const { return below(place.node) || place.base.len; }

// One level down. The last of equal names counts.
Lww::Place Lww::step(const Place& place, const Bytes& name) const {
  Place below{names_.find(place.node, name), {}};
  if (const Entry* entry = nodes_[below.node].entry) {
    below.base = entry->value;
    return below;
  }
  for (JsonItems items(place.base); items.next();) {
    if (items.name == name) below.base = items.value;
  }
  return below;
}

// The place at the first `depth` segments of the path; where one of those before the last is no
// visible object, the place there, and `depth` becomes the number of segments up to it.
Lww::Place Lww::descend(const Bytes& path, uint64_t& depth) const {
  static const uint8_t kEmpty[] = {'{', '}'};
  Place place{kRoot, {kEmpty, 2}};
  uint64_t taken = 0;
  for (Reader names(path); !names.done() && taken < depth && is_object(place); ++taken) {
    place = step(place, names.sized());
  }
  depth = taken;
  return place;
}

// An object is always written anew, from its own members in their order and then from what stands
// only below it: so entries that change nothing visible change no byte of it. Recursion is as deep
// as a path and a value together: kMaxPathSegments + kMaxJsonDepth.
void Lww::emit(Writer& json, const Place& place) const {
  if (!is_object(place)) return json.raw(place.base);
  Vec<uint32_t> ids;
  sorted_children(place.node, ids);
  for (uint32_t id : ids) nodes_[id].told = false;
  uint8_t separator = '{';
  JsonItems items(place.base);
  for (size_t i = 0;;) {
    Place below{0, {}};
    bool own = items.next();
    if (!own && i == ids.size()) break;
    if (own) {
      below = {names_.find(place.node, items.name), items.value};
      nodes_[below.node].told = true;
    } else {
      below.node = ids[i++];
      if (nodes_[below.node].told) continue;
    }
    if (const Entry* entry = nodes_[below.node].entry) below.base = entry->value;
    if (!is_visible(below)) continue;
    json.byte(separator);
    separator = ',';
    if (own) {
      json.raw(items.written);
    } else {
      json_string(json, names_.bytes(below.node));
    }
    json.byte(':');
    emit(json, below);
  }
  if (separator == '{') json.byte('{');
  json.byte('}');
}

Status Lww::view(Writer& json) const {
  uint64_t depth = 0;
  emit(json, descend({}, depth));
  return {};
}

// Tells what is now at the first `depth` segments of the path.
void Lww::tell(const Bytes& path, uint64_t depth, Writer& patch) const {
  Place place = descend(path, depth);
  patch.varint(depth);
  Reader names(path);
  for (uint64_t left = depth; left; --left) patch.sized(names.sized());
  bool visible = is_visible(place);
  patch.byte(visible ? kSet : kDelete);
  if (!visible) return;
  Writer measure(nullptr);
  emit(measure, place);
  patch.varint(measure.length());
  emit(patch, place);
}

bool Lww::get(Bytes encoded, Writer& json) const {
  Reader reader(encoded);
  uint64_t count = reader.varint(), depth = count;
  Bytes path = reader.rest();
  Reader names(path);
  if (!read_path(names, 0).ok()) return false;
  Place place = descend(path, depth);
  if (depth < count || !is_visible(place)) return false;
  emit(json, place);
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
