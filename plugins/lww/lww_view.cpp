// The `lww` plugin: what is visible. Values are stored as they came; here the entries below a path
// overlay the value at it, and names come out sorted at every level.
#include "lww.hpp"

namespace synckit {

namespace {

constexpr uint32_t kRoot = 0;

bool is_json_object(Bytes value) { return value.len && value.data[0] == '{'; }

}  // namespace

// Set entries strictly below a node.
uint32_t Lww::below(uint32_t node) const {
  if (node == kNoId) return 0;
  return nodes_[node].live - (nodes_[node].entry.kind == kSet ? 1 : 0);
}

bool Lww::is_object(const Place& place) const {
  return is_json_object(place.base) || below(place.node) > 0;
}

bool Lww::is_visible(const Place& place) const {
  return place.base.data != nullptr || below(place.node) > 0;
}

// The place of a node, where `member` is what its parent's value has under its name.
Lww::Place Lww::place_of(uint32_t node, const Place& member) const {
  if (node == kNoId) return member;
  const Entry& entry = nodes_[node].entry;
  if (entry.kind == kNone) return {node, member.base, member.sorted};
  if (entry.kind == kDelete) return {node, {}, false};
  return {node, json_trim(entry.value.bytes()), entry.sorted};
}

// One level down. The last of equal names counts.
Lww::Place Lww::step(const Place& place, Bytes name) const {
  Place member{kNoId, {}, place.sorted};
  if (is_json_object(place.base)) {
    for (JsonItems items(place.base); items.next();) {
      if (JsonKey::member(items.name).compare({name, false}) == 0) member.base = items.value;
    }
  }
  uint32_t node = place.node == kNoId ? kNoId : names_.find(place.node, name);
  return place_of(node, member);
}

// How many of the prefixes of the path (the whole path left out) are visible objects, counted from
// the root until the first that is not. When all are, `last` is the place at the whole path.
unsigned Lww::objects_on(const Path& path, Place& last) const {
  last = {kRoot, {}, false};
  for (unsigned i = 0;; ++i) {
    last = step(last, path[i]);
    if (i + 1 == path.count || !is_object(last)) return i;
  }
}

// Is nothing to be seen at the path?
bool Lww::nothing_at(const Path& path) const {
  Place place;
  return objects_on(path, place) + 1 < path.count || !is_visible(place);
}

// Tells what the write at `path`, into `node`, changed: at the shallowest path whose value changed
// its kind or came or went with it. The parent of that path is an object before and after.
void Lww::write_patch(const Path& path, uint32_t node, unsigned objects, Writer& patch) const {
  Place place{kRoot, {}, false};
  if (nodes_[node].entry.kind == kDelete) {  // objects that existed only for it go too
    unsigned after = objects_on(path, place);
    if (after < objects) objects = after;
    place = {kRoot, {}, false};
  }
  bool whole = objects + 1 == path.count;
  patch.varint(objects + 1);
  for (unsigned i = 0; i <= objects; ++i) {
    patch.sized(path[i]);
    if (!whole) place = step(place, path[i]);
  }
  if (whole) {
    const Entry& entry = nodes_[node].entry;  // nearly always all there is to tell
    if (entry.sorted && nodes_[node].child == kNoId) {
      patch.byte(kSet);
      return patch.sized(entry.value.bytes());
    }
    place = place_of(node, {});
  }
  if (!is_visible(place)) return patch.byte(kDelete);
  patch.byte(kSet);
  Writer measure(nullptr);
  emit(measure, place);
  patch.varint(measure.length());
  emit(patch, place);
}

// Are the value's bytes just what the view shows?
bool Lww::is_plain(const Place& place) const {
  return place.sorted && (place.node == kNoId || nodes_[place.node].child == kNoId);
}

void Lww::emit(Writer& json, const Place& place) const {
  if (is_plain(place)) return json.raw(place.base);
  if (is_object(place)) return emit_object(json, place);
  if (place.base.data[0] != '[') return json.raw(place.base);
  json.byte('[');
  bool first = true;
  for (JsonItems items(place.base); items.next(); first = false) {
    if (!first) json.byte(',');
    emit(json, {kNoId, items.value, place.sorted});
  }
  json.byte(']');
}

// Recursion is as deep as a path and a value together: kMaxPathSegments + kMaxJsonDepth.
void Lww::emit_object(Writer& json, const Place& place) const {
  Vec<Member> members;
  if (is_json_object(place.base)) {
    for (JsonItems items(place.base); items.next();) {
      members.push_back({JsonKey::member(items.name), {kNoId, items.value, place.sorted}});
    }
  }
  if (place.node != kNoId) {
    for (uint32_t id = nodes_[place.node].child; id != kNoId; id = nodes_[id].next) {
      members.push_back({{names_.bytes(id), false}, {id, {}, false}});
    }
  }
  Vec<uint32_t> order;
  for (uint32_t i = 0; i < members.size(); ++i) order.push_back(i);
  sort_ids(order, [&](uint32_t a, uint32_t b) {
    return members[a].key.compare(members[b].key) < 0;
  });

  json.byte('{');
  bool first = true;
  for (size_t i = 0; i < order.size(); ++i) {
    // The sort is stable: of equal names the node comes last, and before it the member to take.
    const Member& member = members[order[i]];
    bool more = i + 1 < order.size() && members[order[i + 1]].key.compare(member.key) == 0;
    if (more && members[order[i + 1]].place.node != kNoId) {
      members[order[i + 1]].place.base = member.place.base;
      members[order[i + 1]].place.sorted = member.place.sorted;
    }
    if (more) continue;
    Place here = place_of(member.place.node, member.place);
    if (!is_visible(here)) continue;
    if (!first) json.byte(',');
    first = false;
    member.key.write(json);
    json.byte(':');
    emit(json, here);
  }
  json.byte('}');
}

Status Lww::view(Writer& json) const {
  emit_object(json, {kRoot, {}, false});
  return {};
}

bool Lww::get(Bytes encoded, Writer& json) const {
  Reader reader(encoded);
  Path path;
  Place place;
  if (read_path(reader, path) || !reader.good_end()) return false;
  if (objects_on(path, place) + 1 < path.count || !is_visible(place)) return false;
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
