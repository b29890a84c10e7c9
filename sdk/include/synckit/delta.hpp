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
#include <synckit/json.hpp>

namespace synckit {

inline constexpr uint8_t kOpDelta = 0x11, kStateDelta = 0x12;
inline constexpr size_t kMaxShared = 31;

// Why a call is refused; a null pointer when it is not. Functions that ship to browsers return this
// one word to each other, and a Status (three) only to the outside.
struct Problem {
  sk_status code;
  const char* text;
};
using Verdict = const Problem*;

inline Status status_of(Verdict wrong) {
  return wrong ? Status{wrong->code, wrong->text} : Status{};
}

inline constexpr Problem kNewerFormat{SK_UNSUPPORTED, "the delta has a newer format: update"};
inline constexpr Problem kMalformedDelta{SK_MALFORMED, "malformed delta"};
inline constexpr Problem kMalformedIntent{SK_MALFORMED, "malformed intent"};
inline constexpr Problem kMalformedStamp{SK_MALFORMED, "malformed stamp: replica or seq is 0"};
inline constexpr Problem kMalformedJson{
    SK_MALFORMED, "malformed JSON: not one value of RFC 8259, or nested too deep"};
inline constexpr Problem kUsedSeq{SK_CONFLICT, "this seq was already used"};

// Is the first byte one that format 1 knows?
inline Verdict check_delta_kind(Bytes delta) {
  if (delta.empty()) return &kMalformedDelta;
  if (delta.data[0] >> 4 != 1) return &kNewerFormat;
  return delta.data[0] == kOpDelta || delta.data[0] == kStateDelta ? nullptr : &kMalformedDelta;
}

inline Verdict check_stamp(const Stamp& stamp) {
  return stamp.replica == 0 || stamp.seq == 0 ? &kMalformedStamp : nullptr;
}

inline Verdict check_json(Bytes value, bool* sorted = nullptr) {
  JsonChecker checker(value);
  if (!checker.run()) return &kMalformedJson;
  if (sorted) *sorted = checker.sorted();
  return nullptr;
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
