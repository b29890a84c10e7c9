// The `set` type: an observed-remove set of JSON values in which a concurrent add wins over a
// remove, kept without tombstones (ORSWOT, Bieniusa et al. 2012, in its delta form).
//
// How: every add carries its own dot, and an element is in the set while it has a live dot. The
// context tells, per replica, up to which seq everything was seen. A state that has seen a dot
// but does not list it as live has removed it: that is how a removal travels without a trace of
// its own.
//
// An operation is the same thing made small: a state of one element (a clear: of all). It has seen
// its own dot and the dots of that element which its author had, and lists its own, when it adds.
// So there is one way in, and mutate takes it too: it writes its delta and then merges it.
//
// Whatever was seen here cannot come (back) to life. Whether an operation takes effect never
// depends on what else a replica has seen, because one that names dots which never existed must
// not split replicas. So a dot that comes after its removal (the kernel prevents it) is dead on
// arrival.
//
// Invariants, outside a call: an element is interned while, and only while, it has a live dot; at
// most one live dot per element and replica (a newer add has seen the older one); every live dot
// is in the context; no dot is marked. Dot 0 is nobody's.
//
// Failure: a call first marks dots (fresh, kept, doomed), also while it still reads; then it writes
// its output, and only then commits; Change undoes the marks when it did not get that far.
//
// Threads: as crdt.hpp says: calls on one instance never overlap, inspect is reentrant.
#pragma once

#include <synckit/delta.hpp>
#include <synckit/intern.hpp>

namespace synckit {

class Set : public Crdt<Set> {
 public:
  static constexpr TypeInfo kInfo{"set"};
  static constexpr size_t kMaxElementBytes = 1u << 20;  // one element's JSON text
  static constexpr size_t kMaxElements = 1u << 20;      // beyond which mutate adds no more
  static constexpr size_t kMaxEarly = 256;  // removed dots that did not come yet

  Set();

  // intent: byte op (1 add, 2 remove, 3 clear), for add and remove the JSON value.
  // add, remove: O(1) for an element with few concurrent adders; clear: O(n).
  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs);
  Status merge(Bytes delta, Writer& patch) { return refused_delta(apply(delta, patch)); }
  Status encode(const Version& since, Writer& delta) const;
  Status view(Writer& json) const;
  static Status inspect(Bytes delta, Summary& summary, Deps& deps) {
    Dots seen;
    return refused_delta(scan(delta, summary, deps, seen, nullptr));
  }
  Status sample(uint64_t random, Writer& intent) const;
#if !defined(SYNCKIT_CLIENT_ONLY)
  Status capture(const Stamp& stamp, Bytes intent, Writer& token) const;  // set_undo.cpp
  Status revert(Bytes token, Writer& intents) const;
#endif

  bool contains(Bytes json) const { return elements_.find(0, json) != kNoId; }
  size_t size() const { return elements_.size(); }

 private:
  enum : uint8_t { kAdd = 1, kRemove = 2, kClear = 3 };  // of an intent and of a patch
  enum : uint8_t { kAddDelta = 0x10 | kAdd, kRemoveDelta, kClearDelta, kRowsDelta };
  enum : uint32_t { kLive, kFresh, kDoomed, kKept };  // marks

  struct LiveDot {
    Dot dot;
    uint32_t next;     // of the same element, ascending by replica; or the next free one
    uint32_t element;  // kNoId: free
    uint32_t mark, unused;
  };
  class Change;

  static Status check_element(Bytes element);
  static Status scan(Bytes delta, Summary& summary, Deps& deps, Dots& seen, Set* set);
  Status apply(Bytes delta, Writer& patch);
  uint32_t first(bool all, Bytes element) const;
  uint32_t next(bool all, uint32_t at) const;
  void sorted_elements(Vec<uint32_t>& ids) const;
  void list(Bytes element, Dot dot);
  void sweep(bool all, Bytes element, const Dots& seen);
  void mark(uint32_t at, uint32_t as);
  void unlink(uint32_t at);
  void write_patch(Writer& patch) const;
  void settle(bool commit);

  Intern elements_;
  Vec<uint32_t> heads_;  // per element id: its first dot
  Vec<LiveDot> dots_;
  uint32_t free_ = 0;
  Dots context_;
  Vec<Dot> early_;  // empty when deliveries are causal and authors honest
  Vec<uint32_t> marked_;  // dots that have a mark, during one call
  Buffer scratch_;        // the delta of a local edit
};

}  // namespace synckit
