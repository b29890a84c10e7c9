// Names of atoms: (replica, seq) <-> local version.
//
// Why: inside one document every atom has a dense 32-bit local version (lv), its place in the
// order in which this instance learnt of it. Only formats speak of dots; everything else of lvs.
//
// Invariants
//   - runs() is ascending by lv and covers [0, count()) without gaps; inside a run lv and seq
//     count up together.
//   - Delivery is FIFO per replica, so the runs of one replica ascend by seq as well. They are
//     chained backwards; `jump` leads far back, such that any run is O(log n) steps away (Myers'
//     skew-binary list).
//   - Replica.seen is the highest dot of that replica in this field, deletes included.
//
// Threads: as the document that owns it.
#pragma once

#include <synckit/crdt.hpp>

namespace synckit::text {

// What only saves time; left out where bytes count for more.
#if defined(SYNCKIT_SMALL)
inline constexpr bool kShortcuts = false;
#else
inline constexpr bool kShortcuts = true;
#endif

constexpr uint32_t kNone = 0xffffffff;       // no atom: the start or the end of the text
constexpr uint32_t kMaxAtoms = 1u << 28;     // code points ever inserted into one field
constexpr uint32_t kMaxReplicas = 1u << 16;  // writers of one field

constexpr uint64_t kMaxSeq = UINT64_MAX >> 1;  // of a dot: an op has one more bit beside it

struct Atoms {  // a run of atoms
  uint32_t lv, count;
};

struct Keyed {
  uint32_t key, value;
};
// By the first of their two numbers; those that share it may change places.
template <class Pair>
[[gnu::noinline]] void sort(Vec<Pair>& items) {
  size_t count = items.size();
#if defined(SYNCKIT_SMALL)  // Shell's
  size_t step = 1;
  while (step < count) step = 3 * step + 1;
  while (step /= 3) {
    for (size_t i = step; i < count; ++i) {
      Pair item = items[i];
      const auto& [key, value] = item;
      size_t at = i;
      for (; at >= step; at -= step) {
        const auto& [other, ignored] = items[at - step];
        if (other <= key) break;
        items[at] = items[at - step];
      }
      items[at] = item;
    }
  }
#else  // by radix
  if (count < 2) return;
  Vec<Pair> spare;
  Pair *from = items.data(), *to = static_cast<Pair*>(spare.extend(count, sizeof(Pair)));
  for (uint32_t shift = 0, more = 1; more; shift += 8) {
    uint32_t at[256] = {}, sum = 0;
    more = 0;
    for (size_t i = 0; i < count; ++i) {
      const auto& [key, value] = from[i];
      ++at[key >> shift & 255];
      more |= key >> shift >> 8;
    }
    for (uint32_t& slot : at) sum += slot, slot = sum - slot;
    for (size_t i = 0; i < count; ++i) {
      const auto& [key, value] = from[i];
      to[at[key >> shift & 255]++] = from[i];
    }
    std::swap(from, to);
  }
  if (from != items.data()) std::memcpy(items.data(), from, count * sizeof(Pair));
#endif
}

// The last of `count` ascending keys, `stride` bytes apart, that is at most `key`; 0 without one.
uint32_t floor_of(const uint32_t* keys, size_t stride, size_t count, uint32_t key);

struct Run {
  uint64_t seq;
  uint32_t lv, replica;        // the index into Dots, not the id
  uint32_t prev, jump, depth;  // earlier runs of the same replica (jump: or itself); how many
};

struct Replica {
  uint64_t id, seen;
  uint32_t last;  // its last run
};

class Dots {
 public:
  void swap(Dots& other) {
    runs_.swap(other.runs_);
    replicas_.swap(other.replicas_);
    by_id_.swap(other.by_id_);
    std::swap(count_, other.count_);
    std::swap(hint_, other.hint_);
    std::swap(last_, other.last_);
  }
  uint32_t count() const { return count_; }
  const Vec<Run>& runs() const { return runs_; }
  Vec<Replica>& replicas() { return replicas_; }
  const Vec<Replica>& replicas() const { return replicas_; }
  // All replicas, ascending by id; `seq` is the index.
  const Vec<Dot>& by_id() const { return by_id_; }

  // The index of a replica, which is made if need be or else may be kNone.
  SK_NOW uint32_t replica(uint64_t id, bool make) {
    if (kShortcuts && last_ < replicas_.size() && replicas_[last_].id == id) return last_;
    return look_up(id, make);
  }
  uint64_t seen(uint32_t index) const { return index == kNone ? 0 : replicas_[index].seen; }
  // The next `count` lvs are the dots seq, seq + 1 ... of a replica.
  void add(uint32_t replica, uint64_t seq, uint32_t count);

  // Whether a dot of that replica, higher than any of its others, would lengthen the latest run. If
  // so, type() makes the next lv that dot.
  bool types(uint64_t id, uint64_t seq) const {
    if (runs_.empty() || seq >= kMaxSeq) return false;
    const Run& run = runs_.back();
    const Replica& who = replicas_[run.replica];
    return who.id == id && who.seen < seq && run.seq + (count_ - run.lv) == seq;
  }
  void type(uint64_t seq) {
    replicas_[runs_.back().replica].seen = seq;
    ++count_;
  }

  uint32_t run_end(uint32_t index) const {
    return index + 1 < runs_.size() ? runs_[index + 1].lv : count_;
  }
  // The run that holds lv (lv < count()).
  uint32_t run_of(uint32_t lv) const;
  // The lv of a dot, kNone when it is not an atom of this field. `left` gets the number of
  // atoms from there to the end of the run: the following seqs that are atoms too.
  uint32_t find(uint32_t replica, uint64_t seq, uint32_t& left) const;
  // True when dot(a) orders before dot(b): the tie rule for equal origins.
  bool before(uint32_t a, uint32_t b) const;

 private:
  uint32_t look_up(uint64_t id, bool make);

  Vec<Run> runs_;
  Vec<Replica> replicas_;
  Vec<Dot> by_id_;
  uint32_t count_ = 0;
  mutable uint32_t hint_ = 0, last_ = 0;  // last answers of run_of and replica
};

}  // namespace synckit::text
