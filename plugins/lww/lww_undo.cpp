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
  Path path;
  Entry edit;
  SK_TRY(read_intent(stamp, intent, path, edit));
  bool there = is_there(path);
  if (!edit.is_set() && !there) return {};
  Place place = descend(path);
  if (place.depth < path.count) place.base = {};
  token.byte((edit.is_set() ? kHasAfter : 0) | (place.base.len ? kHasBefore : 0));
  token.fixed64(stamp.replica);
  token.varint(path.count);
  token.raw(path.bytes);
  if (edit.is_set()) token.sized(edit.value);
  if (place.base.len) token.sized(place.base);
  Buffer below;
  Writer(below).raw(path.bytes);
  write_below(find(path), path.count, below, 0, token);
  return {};
}

// Is what the replica did at the path still what is to be seen there? Of a delete no entry may be
// left, when an own undo has gone over it from above.
bool Lww::stands(const Path& path, uint64_t replica, Bytes after) const {
  const Node* node = tree_.root();
  const Entry *entry = nullptr, *above = nullptr;
  for (Reader names(path.bytes); !names.done();) {
    node = tree_.find(node, names.sized());
    if (entry) above = entry;
    entry = node->entry;
  }
  if (entry) return entry->dot.replica == replica && entry->value == after;
  if (after.len || (above && above->dot.replica != replica)) return false;
  return !is_there(path);
}

void Lww::write_intent(size_t count, Bytes path, Bytes value, Writer& intents) {
  Buffer intent;
  Writer out(intent);
  out.byte(value.len ? kSet : kDelete);
  out.varint(count);
  out.raw(path);
  out.raw(value);
  intents.sized(intent);
}

// Writes what stands below a node again, the upper entries first, but for those of one replica.
void Lww::write_below(const Node* parent, size_t count, Buffer& path, uint64_t except,
                      Writer& intents) const {
  tree_.sort(parent);
  for (const Node* node = tree_.child(parent); node; node = tree_.next(node)) {
    size_t above = path.len;
    Writer(path).sized(tree_.name(node));
    const Entry* entry = node->entry;
    if (entry && entry->dot.replica != except) write_intent(count + 1, path, entry->value, intents);
    write_below(node, count + 1, path, except, intents);
    path.len = above;
  }
}

Status Lww::revert(Bytes token, Writer& intents) const {
  Reader in(token);
  uint8_t flags = in.byte();
  uint64_t replica = in.fixed64(), count = in.varint();
  Path path;
  if (!in.ok() || count == 0 || !read_path(in, count, path).ok()) return bad_token();
  Bytes after, before;
  if (flags & kHasAfter) after = in.sized();
  if (flags & kHasBefore) before = in.sized();
  if (!in.ok() || flags > (kHasAfter | kHasBefore)) return bad_token();
  Bytes hidden = in.rest();
  for (in = Reader(hidden); !in.done();) in.sized();
  if (!in.ok()) return bad_token();
  if (!stands(path, replica, after)) return {};
  write_intent(path.count, path.bytes, before, intents);
  intents.raw(hidden);
  Buffer below;
  Writer(below).raw(path.bytes);
  write_below(find(path), path.count, below, replica, intents);
  return {};
}

}  // namespace synckit

#endif
