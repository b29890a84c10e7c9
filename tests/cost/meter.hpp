// What calls into the types cost, counted and not timed: the same on every machine, whatever else
// it does. Steps are basic blocks of the types' code, and 64 bytes each of memory that is moved;
// bytes are what malloc gave to this program's own objects (the types, and buffers in this
// test), not to the standard library.
//
// Threads: none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace synckit::cost {

struct Meter {
  uint64_t steps = 0;
  uint64_t allocations = 0;
  size_t live = 0;  // bytes that are allocated now
  size_t peak = 0;  // the most that there were since somebody set it

  // Are steps counted in this build?
  static bool counts_steps();
};

extern Meter meter;

// What was used since it was made.
class Measure {
 public:
  Measure() : steps_(meter.steps), live_(meter.live) { meter.peak = meter.live; }
  uint64_t steps() const { return meter.steps - steps_; }
  // At the worst moment, beyond what was there before.
  size_t memory() const { return meter.peak - live_; }

 private:
  uint64_t steps_;
  size_t live_;
};

}  // namespace synckit::cost
