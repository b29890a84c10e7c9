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
// index. A write or read of a flat key is a few probes. Node 0 is nobody's: what is not there.
//
// Invariants, outside a call: clocks rise strictly from an entry to any entry below it; every
// node but the root has an entry or a child; `live` counts the set entries in a subtree, its
// root included; the journal is empty.
//
// One way in: mutate, restamp and merge all end in `write`, so that an author does what everybody
// else will do.
//
// Failure: a delta is applied row by row while it is read. Each replaced entry waits in the
// journal until the call has written its output; Change puts all of them back when it did not get that
// far.
//
// Threads: as crdt.hpp says: calls on one instance never overlap, inspect is reentrant.
#pragma once

#include <synckit/delta.hpp>
#include <synckit/intern.hpp>

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
  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs);
  Status merge(Bytes delta, Writer& patch);
  Status encode(const Version& since, Writer& delta) const;
  Status view(Writer& json) const;
  static Status inspect(Bytes delta, Summary& summary, Deps&) {
    return refused_delta(scan(delta, summary, nullptr, nullptr));
  }
  Status restamp(const Stamp& stamp, Bytes delta, Writer& out);
  Status sample(uint64_t random, Writer& intent) const;

  // The visible value at a path (varint segment count, then each segment: varint length, bytes).
  // False when nothing is there or the path is malformed.
  bool get(Bytes path, Writer& json) const;
  size_t entries() const { return entries_; }

 private:
  enum : uint8_t { kSet = 1, kDelete = 2 };
  enum : uint32_t { kRoot = 1 };

  // One write; without a value (which is never empty) a delete. What the map keeps is an
  // allocation that begins with an Entry and goes on with its value.
  struct Entry {
    uint64_t hlc;
    Dot dot;
    Bytes value;

    bool is_set() const { return value.len != 0; }
  };
  struct Node {
    Entry* entry;
    uint32_t child, next, previous;  // first child; siblings
    uint32_t live;
    mutable bool told;  // scratch of emit: the object above has a member of this name
  };
  struct Undo {
    uint32_t node;
    Entry* entry;
  };
  // A position in the view: a node and the value that its subtree overlays (empty: nothing).
  struct Place {
    uint32_t node;
    Bytes base;
  };
  struct Change;
  class RowsIn;
  class RowsOut;

  // Paths inside are runs of segments (each varint length, then bytes) without their number.
  static Status read_path(Reader& in, uint64_t count);
  static Status check_value(const Entry& edit);
  static Status scan(Bytes delta, Summary& summary, Lww* map, Writer* patch);
  static bool beats(const Entry& entry, const Entry& edit);

  uint32_t find(const Bytes& path) const;
  void publish(const Bytes& path, const Entry& edit, Writer& delta, Writer& patch);
  void write(const Bytes& path, const Entry& edit, Writer& patch);
  SK_ONCE void tell(const Bytes& path, uint64_t depth, Writer& patch) const;
  void put(uint32_t node, const Entry* edit);
  void replace(uint32_t node, Entry* entry);
  void drop_older(uint32_t parent, const Entry& edit);
  void settle(bool commit);
  SK_ONCE uint32_t obtain(uint32_t parent, Bytes name);
  SK_ONCE void prune(uint32_t node);

  uint32_t below(uint32_t node) const;
  bool is_object(const Place& place) const;
  bool is_visible(const Place& place) const;
  Place step(const Place& place, const Bytes& name) const;
  SK_ONCE Place descend(const Bytes& path, uint64_t& depth) const;
  SK_ONCE void emit(Writer& json, const Place& place) const;
  void sorted_children(uint32_t node, Vec<uint32_t>& ids) const;
  void write_rows(uint32_t parent, const Version& since, Buffer& path, RowsOut& rows) const;

  Intern names_;  // scope: the parent's id
  Vec<Node> nodes_;
  Vec<Undo> journal_;
  Dots author_;  // of a local edit: one, kept for its memory
  size_t entries_ = 0;
};

}  // namespace synckit
