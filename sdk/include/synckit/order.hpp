// synckit/order.hpp: dots of different replicas, in order; and room made in time.
//
// Threads: independent objects.
#pragma once

#include <synckit/crdt.hpp>

namespace synckit {

// Room for `count` more items, so that the appending or inserting that follows cannot fail. (A
// module for browsers stops where memory runs out, wherever that is.)
template <class T>
void make_room(Vec<T>& items, size_t count = 1) {
  if (!kOutputsFail) return;
  size_t size = items.size();
  items.extend(count, sizeof(T));
  items.truncate(size);
}

// At most one dot per replica, ascending by replica: a version, or what an operation observed.
class Dots : public Vec<Dot> {
 public:
  // Index of the first dot whose replica is not below. Replicas come in runs: the last answer is
  // tried first.
  size_t position(uint64_t replica) const {
#if defined(SYNCKIT_SMALL)
    return dot_position(data(), size(), replica);
#endif
    if (last_ >= size() || (*this)[last_].replica != replica) {
      last_ = dot_position(data(), size(), replica);
    }
    return last_;
  }

  // The seq of `replica`, 0 when it has none.
  uint64_t seq(uint64_t replica) const {
    size_t at = position(replica);
    return at < size() && (*this)[at].replica == replica ? (*this)[at].seq : 0;
  }
  bool has(Dot dot) const { return dot.seq <= seq(dot.replica); }

  // Raises the seq of the dot's replica, which gets its place when it is new. O(n) when new. The
  // index of that replica.
  size_t raise(Dot dot) {
    return raise_dot(*this, position(dot.replica), dot);
  }

  // Gives all replicas of `more` that are new their places at once, with seq 0. O(n + m log n),
  // where one raise() after the other is O(n m). In modules for browsers it does nothing: there
  // nearly all that are new come with the first state, in order, each behind the others.
  SK_ONCE void admit([[maybe_unused]] const Dots& more) {
#if !defined(SYNCKIT_CLIENT_ONLY)
    if (more.size() < 2) return;
    Dots all;
    size_t at = 0;
    for (const Dot& dot : more) {
      size_t to = position(dot.replica);
      all.append(data() + at, to - at);
      at = to;
      if (to == size() || (*this)[to].replica != dot.replica) all.push_back({dot.replica, 0});
    }
    all.append(data() + at, size() - at);
    swap(all);
#endif
  }

 private:
  mutable size_t last_ = 0;
};

}  // namespace synckit
