// The two clocks: wall time for stamps and expiry, monotonic time for timeouts. Milliseconds.
#pragma once

#include <chrono>
#include <cstdint>

namespace synckit {

inline int64_t wall_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

inline int64_t steady_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

inline int64_t steady_ms() { return steady_us() / 1000; }

}  // namespace synckit
