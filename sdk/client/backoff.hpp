// How long clients wait before they try again: full jitter (Brooker, 2015), uniform in
// 0 .. base * 2^attempt, so that clients of one host that went away do not return together.
//
// Threads: as the engine that owns it.
#pragma once

#include <cstdint>

namespace synckit {

struct Backoff {
  static constexpr uint32_t kSlowAttempt = 5;  // from here on the pauses are the longest
  static constexpr uint64_t kBaseMs = 1'000, kMostMs = 30'000;

  uint64_t state = 0;  // random, not 0

  uint64_t pause_ms(uint32_t& attempt) {
    state ^= state << 13;  // Marsaglia's xorshift64, whose constants are short
    state ^= state >> 7;
    state ^= state << 17;
    uint64_t most = attempt < kSlowAttempt ? kBaseMs << attempt++ : kMostMs;
    return (state >> 32) * (most + 1) >> 32;
  }
};

}  // namespace synckit
