// synckit/delta.hpp: what the deltas of the built-in map, set and counter have in common; any
// type may use it.
//
// The first byte of a delta is format << 4 | kind. An op delta is what one mutate call wrote. A
// state delta is what encode wrote: many authors, and a snapshot when it was made for nobody's
// version. Lists of byte strings that come in order are front coded: each gives how many bytes
// it shares with the one before it (at most kMaxShared, which bounds how much memory a byte of
// input can cost), then the rest.
//
// Threads: pure functions.
#pragma once

#include <synckit/crdt.hpp>

namespace synckit {

inline constexpr uint8_t kOpDelta = 0x11, kStateDelta = 0x12;
inline constexpr size_t kMaxShared = 31;

// Is the first byte one that format 1 knows?
inline Status check_delta_kind(Bytes delta) {
  if (delta.empty()) return Status::malformed("malformed delta: it is empty");
  if (delta.data[0] >> 4 != 1) {
    return {SK_UNSUPPORTED, "the delta has a newer format than this version reads; update", 0};
  }
  if (delta.data[0] != kOpDelta && delta.data[0] != kStateDelta) {
    return Status::malformed("malformed delta: unknown kind in its first byte");
  }
  return {};
}

// For what an intent and a delta have in common: in a delta, over a limit is out of format.
inline Status in_delta(Status status) {
  if (status.code == SK_LIMIT) status.code = SK_MALFORMED;
  return status;
}

inline Status check_stamp(const Stamp& stamp) {
  if (stamp.replica == 0 || stamp.seq == 0) {
    return Status::malformed("malformed stamp: replica and seq must not be 0");
  }
  return {};
}

// How many bytes `bytes` takes over from `previous` when front coded.
inline size_t shared_prefix(Bytes previous, Bytes bytes) {
  size_t n = 0;
  while (n < previous.len && n < bytes.len && n < kMaxShared &&
         previous.data[n] == bytes.data[n]) {
    ++n;
  }
  return n;
}

// A column of numbers that stay close to one another: each is written as the signed difference
// to the one before, modulo 2^64.
struct Difference {
  uint64_t last = 0;

  void write(Writer& out, uint64_t value) {
    out.zigzag(static_cast<int64_t>(value - last));
    last = value;
  }
  uint64_t read(Reader& in) { return last += static_cast<uint64_t>(in.zigzag()); }
};

// Folds the dots that a delta carries into its summary.
struct DotRange {
  uint64_t low = UINT64_MAX, high = 0;

  void add(uint64_t seq) {
    if (seq < low) low = seq;
    if (seq > high) high = seq;
  }
  void report(Summary& summary, uint64_t replica) const {
    summary.replica = replica;
    summary.seq_lo = low;
    summary.seq_hi = high;
  }
};

}  // namespace synckit
