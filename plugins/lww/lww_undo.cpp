// Undo for the map (synckit.crdt.undo/1): writes what stood at the path and below it before.
//
// Only where the own edit still stands: a write of the same replica with the same value. (Not of
// the same dot: once a later edit of one's own was undone, its undo stands there, with this value.)
// What others wrote over it stays.
//
// A write hides what is below its path. So entries come back one by one, the upper ones first:
// those that the edit hid, and then what others have written below since. What the own replica has
// there belongs to later edits, and these were undone before.
#include "lww.hpp"

#if !defined(SYNCKIT_CLIENT_ONLY)

namespace synckit {
namespace {

constexpr uint8_t kHasAfter = 1, kHasBefore = 2;  // first byte of a token

Status bad_token() {
  return Status::malformed(SK_TEXT("map undo: these bytes are no token"));
}

}  // namespace

// Token: byte of flags, fixed64 replica, the path as in an intent, then the value that was written
// and the one that stood there before, each after its length, as far as the flags say that there is
// one; then the intents that bring back what stood below.
Status Lww::capture(const Stamp& stamp, Bytes intent, Writer& token) const {
  Reader in(intent);
  uint8_t op = in.byte();
  uint64_t count = in.varint();
  Bytes path = in.rest();
  in = Reader(path);
  if (count == 0) in.fail();
  SK_TRY(read_path(in, count));
  path.len = in.offset();
  Bytes value = in.rest();
  if (op != (value.len ? kSet : kDelete)) return malformed_intent();
  SK_TRY(check_value({stamp.hlc, {}, value}));
  uint64_t depth = count;
  Place place = descend(path, depth);
  if (depth < count) place = {};
  if (op == kDelete && !is_visible(place)) return {};
  token.byte((value.len ? kHasAfter : 0) | (place.base.len ? kHasBefore : 0));
  token.fixed64(stamp.replica);
  token.varint(count);
  token.raw(path);
  if (value.len) token.sized(value);
  if (place.base.len) token.sized(place.base);
  Buffer below;
  Writer(below).raw(path);
  write_below(find(path), count, below, 0, token);
  return {};
}

// Is what the replica did at the path still what is to be seen there? Of a delete no entry may be
// left, when an own undo has gone over it from above.
bool Lww::stands(uint64_t count, Bytes path, uint64_t replica, Bytes after) const {
  uint32_t node = kRoot;
  const Entry *entry = nullptr, *above = nullptr;
  for (Reader names(path); !names.done();) {
    node = names_.find(node, names.sized());
    if (entry) above = entry;
    entry = nodes_[node].entry;
  }
  if (entry) return entry->dot.replica == replica && entry->value == after;
  if (after.len || (above && above->dot.replica != replica)) return false;
  uint64_t depth = count;
  Place place = descend(path, depth);
  return depth < count || !is_visible(place);
}

void Lww::write_intent(uint64_t count, Bytes path, Bytes value, Writer& intents) {
  Buffer intent;
  Writer out(intent);
  out.byte(value.len ? kSet : kDelete);
  out.varint(count);
  out.raw(path);
  out.raw(value);
  intents.sized(intent);
}

// Writes what stands below a node again, the upper entries first, but for those of one replica.
void Lww::write_below(uint32_t node, uint64_t count, Buffer& path, uint64_t except,
                      Writer& intents) const {
  Vec<uint32_t> ids;
  sorted_children(node, ids);
  for (uint32_t id : ids) {
    size_t above = path.len;
    Writer(path).sized(names_.bytes(id));
    const Entry* entry = nodes_[id].entry;
    if (entry && entry->dot.replica != except) write_intent(count + 1, path, entry->value, intents);
    write_below(id, count + 1, path, except, intents);
    path.len = above;
  }
}

Status Lww::revert(Bytes token, Writer& intents) const {
  Reader in(token);
  uint8_t flags = in.byte();
  uint64_t replica = in.fixed64(), count = in.varint();
  if (!in.ok() || count == 0) return bad_token();
  size_t start = in.offset();
  if (!read_path(in, count).ok()) return bad_token();
  Bytes path{token.data + start, in.offset() - start}, after, before;
  if (flags & kHasAfter) after = in.sized();
  if (flags & kHasBefore) before = in.sized();
  if (!in.ok() || flags > (kHasAfter | kHasBefore)) return bad_token();
  Bytes hidden = in.rest();
  for (in = Reader(hidden); !in.done();) in.sized();
  if (!in.ok()) return bad_token();
  if (!stands(count, path, replica, after)) return {};
  write_intent(count, path, before, intents);
  intents.raw(hidden);
  Buffer below;
  Writer(below).raw(path);
  write_below(find(path), count, below, replica, intents);
  return {};
}

}  // namespace synckit

#endif
