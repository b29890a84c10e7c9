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
// Invariants, outside a call: an element is in the tree while, and only while, it has a live dot;
// at most one live dot per element and replica (a newer add has seen the older one); every live
// dot is in the context.
//
// Failure: a delta is read to its end before anything changes, and room is made for all that it can
// have to tell. (Where memory runs out between two elements of a state, those before are merged: no
// context claims them, so they come again. The same goes for a damaged state where deltas are not
// checked first, because the host did: ADR 8.)
//
// Threads: as crdt.hpp says: calls on one instance never overlap, inspect is reentrant.
#pragma once

#include <synckit/delta.hpp>
#include <synckit/tree.hpp>

namespace synckit {

class Set : public Crdt<Set> {
 public:
  static constexpr TypeInfo kInfo{"set"};
  static constexpr size_t kMaxElementBytes = kMaxValueBytes;  // one element's JSON text
  static constexpr size_t kMaxElements = 1u << 20;      // beyond which mutate adds no more
  static constexpr size_t kMaxEarly = 256;  // removed dots that did not come yet

  // intent: byte op (1 add, 2 remove, 3 clear), for add and remove the JSON value.
  // add, remove: O(1) for an element with few concurrent adders; clear: O(n).
  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs);
  Status merge(Bytes delta, Writer& patch);
  Status encode(const Version& since, Writer& delta) const;
  Status view(Writer& json) const;
  Status contents(Writer& parts) const;
  static Status inspect(Bytes delta, Summary& summary, Deps& deps);
  Status sample(uint64_t random, Writer& intent) const;
#if !defined(SYNCKIT_CLIENT_ONLY)
  Status capture(const Stamp& stamp, Bytes intent, Writer& token) const;  // set_undo.cpp
  Status revert(Bytes token, Writer& intents) const;
#endif

  bool contains(Bytes json) const { return !find(json)->dots.empty(); }
  size_t size() const { return elements_.size(); }

 private:
  enum : uint8_t { kAdd = 1, kRemove = 2, kClear = 3 };  // of an intent and of a patch
  static constexpr uint8_t kRowsDelta = 0x14;  // below are those of the intents
  static constexpr size_t kPatchHead = 1 + kMaxVarintBytes;

  struct Element : TreeNode {
    Dots dots;
    uint32_t round;  // the last delta that named it
  };

  struct Op {
    uint8_t kind;
    Dot own;
    Bytes element;
  };

  static Status read_op(RowReader& delta, Op& op);
  static Status check_rows(RowReader& rows, uint64_t& count);
  bool make_room_for(size_t most, bool all, Writer& patch) const;
  const Element* find(Bytes element) const { return elements_.find(elements_.root(), element); }
  Element* first() const { return elements_.child(elements_.root()); }
  Element* list(Bytes bytes);
  static void tell(const Element* element, uint8_t op, Writer& out);
  void join(Element* element, const Dots& seen, Writer& patch);
  void join_others(const Dots& seen, Writer& patch);
  void join_op(const Op& op, const Dots& seen, Writer& patch);
  Status join_rows(RowReader& rows, Writer& patch);
  void see(const Dots& seen, uint64_t author);
  bool was_here(Dot dot) const;

  Tree<Element> elements_;
  Dots context_;
#if !defined(SYNCKIT_CLIENT_ONLY)  // what the host sends is in causal order
  Vec<Dot> early_;  // empty when deliveries are causal and authors honest
#endif
  Dots listed_;     // what a delta lists of the element at hand
  uint32_t round_ = 0;
};

}  // namespace synckit
