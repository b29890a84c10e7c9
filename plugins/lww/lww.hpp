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
// index. A write or read of a flat key is a few probes.
//
// Invariants, outside a call: clocks rise strictly from an entry to any entry below it; every
// node but the root has an entry or a child; the journal is empty.
//
// One way in: mutate, restamp and merge all end in `write`, so that an author does what everybody
// else will do.
//
// Failure: a delta is applied row by row while it is read. As long as a later row or an output may
// fail, each replaced entry waits in the journal; Change puts all of them back when one did. Where
// deltas are vouched for and no output fails (ADR 8), there is no journal.
//
// Threads: as crdt.hpp says: calls on one instance never overlap, inspect is reentrant.
#pragma once

#include <synckit/delta.hpp>
#include <synckit/tree.hpp>

namespace synckit {

class Lww : public Crdt<Lww> {
 public:
  static constexpr TypeInfo kInfo{"lww"};
  static constexpr unsigned kMaxPathSegments = 64;
  static constexpr size_t kMaxKeyBytes = 1024;       // of one path segment
  static constexpr size_t kMaxEntries = 1u << 20;     // beyond which mutate writes no new path

  // intent: byte op (1 set, 2 delete), the path, for set the JSON value. O(path) while nothing
  // stands below the path, plus the subtree where something does.
  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs);
  Status merge(Bytes delta, Writer& patch);
  Status encode(const Version& since, Writer& delta) const;
  Status view(Writer& json) const;
  Status contents(Writer& parts) const;
  static Status inspect(Bytes delta, Summary& summary, Deps&);
  Status restamp(const Stamp& stamp, Bytes delta, Writer& out);
  Status sample(uint64_t random, Writer& intent) const;
#if !defined(SYNCKIT_CLIENT_ONLY)
  Status capture(const Stamp& stamp, Bytes intent, Writer& token) const;  // lww_undo.cpp
  Status revert(Bytes token, Writer& intents) const;
#endif

  // The visible value at a path (varint segment count, then each segment: varint length, bytes).
  // False when nothing is there or the path is malformed.
  bool get(Bytes path, Writer& json) const;
  size_t entries() const { return entries_; }

 private:
  enum : uint8_t { kSet = 1, kDelete = 2 };

  // A path as it was read: `bytes` are its segments (each varint length, then bytes) without their
  // number.
  struct Path {
    Bytes bytes;
    size_t count;
  };
  // One write; without a value (which is never empty) a delete. What the map keeps is an
  // allocation that begins with an Entry and goes on with its value.
  struct Entry {
    uint64_t hlc;
    Dot dot;
    Bytes value;

    bool is_set() const { return value.len != 0; }
  };
  struct Node : TreeNode {
    Entry* entry;
    uint32_t below;  // set entries strictly below it
    bool journaled;
    mutable bool told;  // scratch of emit: the object above has a member of this name

    ~Node() { std::free(entry); }
  };
  static constexpr bool kJournal = kOutputsFail || !kVouchedFor;
  struct Undo {
    Node* node;
    Entry* entry;
  };
  // A position in the view: a node, the value that its subtree overlays (empty: nothing), and how
  // many segments of a path lead there.
  struct Place {
    const Node* node;
    Bytes base;
    size_t depth;
  };
  struct Change;
  class RowsIn;
  class RowsOut;

  static Status read_path(Reader& in, uint64_t count, Path& path);
  SK_NOW static Status check(Bytes value);
  static Status read_intent(const Stamp& stamp, Bytes intent, Path& path, Entry& edit);
  static bool beats(const Entry& entry, const Entry& edit);

  const Node* find(const Path& path) const;
  static void write_op(const Path& path, const Entry& edit, Writer& delta);
  void write(const Path& path, const Entry& edit, Writer& patch);
  SK_NOW void put(Node* node, const Entry* edit);
  void replace(Node* node, Entry* entry);
  void drop_older(const Node* parent, const Entry& edit);
  void settle(bool commit);
  bool journaling() const { return kJournal && journaling_; }

  static bool is_empty(const Node* node) { return !node->entry && !node->child; }
  static bool is_object(const Place& place);
  static bool is_visible(const Place& place);
  Place top() const;
  void step(Place& place, Bytes name) const;
  Place descend(const Path& path) const;
  bool is_there(const Path& path) const;
  void emit(Writer& json, const Place& place) const;
  void tell(const Path& path, Writer& patch) const;
  static void tell_entry(size_t depth, Bytes path, Bytes value, Writer& patch);
  void tell_all(const Node* node, size_t depth, Buffer& path, Writer& patch) const;
  void write_rows(const Node* parent, const Version& since, Buffer& path, RowsOut& rows) const;
  void count_authors(const Node* parent, const Version& since, Dots& authors) const;

#if !defined(SYNCKIT_CLIENT_ONLY)
  bool stands(const Path& path, uint64_t replica, Bytes after) const;
  static void write_intent(size_t count, Bytes path, Bytes value, Writer& intents);
  void write_below(const Node* node, size_t count, Buffer& path, uint64_t except,
                   Writer& intents) const;
#endif

  Tree<Node> tree_;
  Vec<Undo> journal_;
  bool journaling_ = false;  // inside a call that may fail
  size_t entries_ = 0;
};

}  // namespace synckit
