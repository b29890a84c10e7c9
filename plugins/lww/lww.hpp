// The `lww` type: a map from JSON paths to JSON values, where the last writer wins, path by path,
// by (hlc, replica, seq).
//
// Meaning. A write (set or delete; a delete is a write) hides every older entry at its path and
// below it. A newer entry below an older value overlays it: in an object it replaces, adds or
// removes its member; a value that is no object gives way to an object once something visible
// stands below it. Objects that exist only because something stands below them go with it.
//
// Why it converges: an entry that an ancestor-or-self entry beats can never be seen again, since
// whatever might replace the winner beats it too. So each replica keeps exactly the unbeaten
// entries, which is a function of the set of merged writes and not of their order. The state
// needs no history, no context and no log.
//
// Structure: a tree of nodes, one per path prefix in use; (parent, name) -> node in one hash
// index. A write or read of a flat key is one probe.
//
// Invariants, outside a call: clocks rise strictly from an entry to any entry below it; every
// node but the root has an entry or a child; `live` counts the set entries in a subtree, its
// root included; the journal is empty.
//
// Failure: each replaced entry waits in the journal until the call has written its output;
// Change puts all of them back when it did not get that far.
//
// Threads: as crdt.hpp says: calls on one instance never overlap, inspect is reentrant.
#pragma once

#include <synckit/delta.hpp>
#include <synckit/intern.hpp>
#include <synckit/json.hpp>
#include <synckit/order.hpp>

namespace synckit {

class Lww : public Crdt<Lww> {
 public:
  static constexpr TypeInfo kInfo{"lww"};
  static constexpr unsigned kMaxPathSegments = 64;
  static constexpr size_t kMaxKeyBytes = 1024;       // of one path segment
  static constexpr size_t kMaxValueBytes = 1u << 20;  // of one value's JSON text
  static constexpr size_t kMaxEntries = 1u << 20;     // beyond which mutate writes no new path

  Lww();
  ~Lww();
  Lww(const Lww&) = delete;
  Lww& operator=(const Lww&) = delete;

  // intent: byte op (1 set, 2 delete), the path, for set the JSON value. O(path) while nothing
  // stands below the path, plus the subtree where something does.
  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs) {
    return status_of(edit(stamp, intent, delta, patch, seqs));
  }
  Status merge(Bytes delta, Writer& patch) { return status_of(take(delta, patch)); }
  Status encode(const Version& since, Writer& delta) const;
  Status view(Writer& json) const;
  static Status inspect(Bytes delta, Summary& summary, Deps&) {
    return status_of(examine(delta, summary));
  }
  Status restamp(const Stamp& stamp, Bytes delta, Writer& out) {
    return status_of(rewrite(stamp, delta, out));
  }
  Status sample(uint64_t random, Writer& intent) const;

  // The visible value at a path (varint segment count, then each segment: varint length, bytes).
  // False when nothing is there or the path is malformed.
  bool get(Bytes path, Writer& json) const;
  size_t entries() const { return entries_; }

 private:
  enum : uint8_t { kNone = 0, kSet = 1, kDelete = 2, kDead = 3 };

  // Segments as ranges of one run of bytes; left uninitialised on purpose.
  struct Path {
    const uint8_t* base;
    unsigned count;
    uint32_t at[kMaxPathSegments], len[kMaxPathSegments];

    Bytes operator[](unsigned i) const { return {base + at[i], len[i]}; }
  };
  struct Edit {
    uint64_t hlc, replica, seq;
    Bytes value;
    uint8_t kind;
    bool sorted;  // the value's bytes are what the view shows, see JsonChecker::sorted
  };
  struct Entry {
    uint64_t hlc, replica, seq;
    Blob value;
    uint8_t kind;
    bool sorted;
  };
  struct Node {
    Entry entry;
    uint32_t child, next, previous;  // first child; siblings
    uint32_t live;
  };
  struct Undo {
    uint32_t node;
    Entry entry;
  };
  // A position in the view: a node (or kNoId) and the value that its subtree overlays (no data:
  // nothing).
  struct Place {
    uint32_t node;
    Bytes base;
    bool sorted;
  };
  struct Member {
    JsonKey key;
    Place place;
  };
  class Rows;
  class RowWriter;
  class Change;

  Verdict edit(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs);
  Verdict take(Bytes delta, Writer& patch);
  Verdict rewrite(const Stamp& stamp, Bytes delta, Writer& out);
  static Verdict examine(Bytes delta, Summary& summary);
  static Verdict read_path(Reader& reader, Path& path);
  static Verdict read_edit(Reader& reader, Path& path, Edit& edit);
  static Verdict read_op(Bytes delta, Path& path, Edit& edit);
  static bool beats(const Entry& entry, const Edit& edit);

  void write(const Path& path, const Edit& edit, Writer& patch);
  void write_patch(const Path& path, uint32_t node, unsigned objects, Writer& patch) const;
  void put(uint32_t node, const Edit& edit);
  void drop_older(uint32_t parent, const Edit& edit);
  void count(uint32_t node, uint8_t kind, uint32_t step);
  void settle(bool commit);
  void retire(Blob& value);
  uint32_t make_node(uint32_t parent, Bytes name);
  void prune(uint32_t node);
  uint32_t find(const Path& path) const;

  uint32_t below(uint32_t node) const;
  bool is_object(const Place& place) const;
  bool is_visible(const Place& place) const;
  bool nothing_at(const Path& path) const;
  bool is_plain(const Place& place) const;
  Place place_of(uint32_t node, const Place& parent_member) const;
  Place step(const Place& place, Bytes name) const;
  unsigned objects_on(const Path& path, Place& last) const;
  void emit(Writer& json, const Place& place) const;
  void emit_object(Writer& json, const Place& place) const;
  void sorted_children(uint32_t node, Vec<uint32_t>& ids) const;

  Intern names_;  // scope: the parent's id
  Vec<Node> nodes_;
  Vec<Undo> journal_;
  Blob spare_{};  // the largest allocation that a replaced value left behind
  size_t entries_ = 0;
};

}  // namespace synckit
