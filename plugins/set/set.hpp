// The `set` type: an observed-remove set of JSON values in which a concurrent add wins over a
// remove, kept without tombstones (ORSWOT, Bieniusa et al. 2012, in its delta form).
//
// How: every add carries its own dot, and an element is in the set while it has a live dot. The
// context tells, per replica, up to which seq everything was seen. A state that has seen a dot
// but does not list it as live has removed it: that is how a removal travels without a trace of
// its own. Operations name the dots of others that their author had observed; what the author
// itself added earlier is always observed (FIFO) and never named.
//
// Whether an operation takes effect never depends on what else a replica has seen, because one
// that names dots which never existed must not split replicas. So a removal that comes before its
// add (the kernel prevents it) is kept in early_, and the add is dead on arrival.
//
// Invariants, outside a call: an element is interned while, and only while, it has a live dot; at
// most one live dot per element and replica (a newer add observed the older one); every live dot
// is in the context; no dot is marked.
//
// Failure: a call first marks dots (fresh, doomed), writes its output, and only then commits;
// Change undoes the marks when it did not get that far.
//
// Threads: as crdt.hpp says: calls on one instance never overlap, inspect is reentrant.
#pragma once

#include <synckit/delta.hpp>
#include <synckit/intern.hpp>
#include <synckit/json.hpp>
#include <synckit/order.hpp>

namespace synckit {

class Set : public Crdt<Set> {
 public:
  static constexpr TypeInfo kInfo{"set"};
  static constexpr size_t kMaxElementBytes = 1u << 20;  // one element's JSON text
  static constexpr size_t kMaxElements = 1u << 20;      // beyond which mutate adds no more
  static constexpr size_t kMaxEarly = 256;   // removals kept for adds that did not come yet

  // intent: byte op (1 add, 2 remove, 3 clear), for add and remove the JSON value.
  // add, remove: O(1) for an element with few concurrent adders; clear: O(n).
  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs) {
    return status_of(edit(stamp, intent, delta, patch, seqs));
  }
  Status merge(Bytes delta, Writer& patch) { return status_of(take(delta, patch)); }
  Status encode(const Version& since, Writer& delta) const;
  Status view(Writer& json) const;
  static Status inspect(Bytes delta, Summary& summary, Deps& deps) {
    return status_of(examine(delta, summary, deps));
  }
  Status sample(uint64_t random, Writer& intent) const;

  bool contains(Bytes json) const { return elements_.find(0, json) != kNoId; }
  size_t size() const { return elements_.size(); }

 private:
  enum : uint8_t { kAdd = 1, kRemove = 2, kClear = 3 };
  enum : uint32_t { kLive = 0, kFresh = 1, kDoomed = 2, kKept = 3 };  // marks

  struct LiveDot {
    uint64_t replica, seq;
    uint32_t next;     // of the same element, ascending by replica; or the next free one
    uint32_t element;  // kNoId: free
    uint32_t mark;
    uint32_t unused;
  };
  struct Early {  // removes the dots of a replica in (low, high]
    uint64_t replica, low, high;
  };
  struct Op {
    uint8_t op;
    Dot dot;
    Bytes element;
  };
  struct Row {
    Dot dot;
    bool survivor;  // stands for a dot that the receiver knows, without its element
    bool again;     // the element is that of the row before
  };
  class Rows;
  class Change;

  Verdict edit(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs);
  Verdict take(Bytes delta, Writer& patch);
  Verdict join(Bytes delta, Writer& patch);
  static Verdict examine(Bytes delta, Summary& summary, Deps& deps);
  static Verdict check_edit(uint8_t op, Bytes element);
  static Verdict read_op(Bytes delta, Op& op, Vec<Dot>& observed);

  bool is_live(uint32_t dot) const { return dots_[dot].element != kNoId; }
  Dot dot_at(uint32_t dot) const { return {dots_[dot].replica, dots_[dot].seq}; }
  bool seen(Dot dot) const {
    const Dot* known = context_.find(dot.replica);
    return known && dot.seq <= known->seq;
  }
  uint32_t first_dot(uint32_t element) const {
    return element == kNoId ? kNoId : heads_[element];
  }
  template <class Each>
  void each_in_scope(const Op& op, Each&& each);
  bool removed_early(Dot dot) const;
  void expect_observed(const Op& op);
  void forget_early();
  void apply(const Op& op, Writer& patch);
  void add_dot(Bytes element, Dot dot);
  void doom(uint32_t dot);
  void unlink(uint32_t dot);
  void write_patch(Writer& patch) const;
  void settle(bool commit);

  Intern elements_;
  Vec<uint32_t> heads_;  // per element id: its first dot
  Vec<LiveDot> dots_;
  uint32_t free_ = kNoId;
  ReplicaMap<Dot> context_;
  Vec<Early> early_;          // empty when deliveries are causal and authors honest
  ReplicaMap<Dot> observed_;  // scratch of one call
  Vec<uint32_t> marked_;      // dots whose mark is kFresh or kDoomed, during one call
};

}  // namespace synckit
