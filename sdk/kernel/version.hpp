// Version vectors and hybrid logical clocks: the causality that host and clients share.
//
// No I/O, no wall clock (the caller passes the time), no threads.
#pragma once

#include <synckit/crdt.hpp>

namespace synckit {

// Owning version vector: replica -> highest contiguous seq; ascending by replica.
// Lookup O(log n), a new replica O(n).
class VersionVector {
 public:
  static constexpr size_t kMaxReplicas = 1u << 16;  // per document; reached: SK_LIMIT

  uint64_t operator[](uint64_t replica) const {
    size_t i = find(replica);
    return i < dots_.size() && dots_[i].replica == replica ? dots_[i].seq : 0;
  }
  // Raises the entry; never lowers it.
  void raise(uint64_t replica, uint64_t seq) {
    if (seq) raise_dot(dots_, find(replica), {replica, seq});
  }
  // Sets an entry whatever it was; 0 removes it.
  void set(uint64_t replica, uint64_t seq) {
    size_t i = find(replica);
    bool there = i < dots_.size() && dots_[i].replica == replica;
    if (seq == 0) {
      if (there) dots_.erase(i);
    } else if (there) {
      dots_[i].seq = seq;
    } else {
      dots_.insert(i, Dot{replica, seq});
    }
  }
  void join(const VersionVector& other) {
    for (const Dot& dot : other.dots_) raise(dot.replica, dot.seq);
  }
  // True when everything in `other` is in this one too.
  bool covers(const VersionVector& other) const {
    for (const Dot& dot : other.dots_) {
      if ((*this)[dot.replica] < dot.seq) return false;
    }
    return true;
  }
  friend bool operator==(const VersionVector& a, const VersionVector& b) {
    return a.covers(b) && b.covers(a);
  }

  sk_version view() const { return {dots_.data(), dots_.size()}; }
  const Vec<Dot>& dots() const { return dots_; }
  size_t size() const { return dots_.size(); }
  bool empty() const { return dots_.empty(); }
  void clear() { dots_.clear(); }

 private:
  size_t find(uint64_t replica) const {
    return dot_position(dots_.data(), dots_.size(), replica);
  }
  Vec<Dot> dots_;
};

// Hybrid logical clock (Kulkarni et al., 2014): 48 bits Unix ms << 16 | 16 bits counter.
// A counter that overflows runs into the milliseconds, which keeps it monotonic.
class Hlc {
 public:
  static constexpr uint64_t pack(uint64_t unix_ms, uint64_t counter = 0) {
    return unix_ms << 16 | counter;
  }
  static constexpr uint64_t ms(uint64_t hlc) { return hlc >> 16; }

  // A stamp for a local event at `now_ms`: above everything ticked or observed.
  uint64_t tick(uint64_t now_ms) {
    uint64_t now = pack(now_ms);
    last_ = now > last_ ? now : last_ + 1;
    return last_;
  }
  void observe(uint64_t hlc) {
    if (hlc > last_) last_ = hlc;
  }
  uint64_t last() const { return last_; }
  void reset(uint64_t hlc) { last_ = hlc; }

 private:
  uint64_t last_ = 0;
};

}  // namespace synckit
