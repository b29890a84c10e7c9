// parity.wasm: parity_run(type, seed low, seed high, steps) -> address of
// { u32 hash low, u32 hash high, u32 edits, u32 failed }.
#include "history.hpp"

extern "C" __attribute__((export_name("parity_run"), used)) const uint32_t* parity_run(
    uint32_t type, uint32_t seed_lo, uint32_t seed_hi, uint32_t steps) {
  static uint32_t out[4];
  auto result = synckit::parity::run_built_in(
      type, seed_lo | static_cast<uint64_t>(seed_hi) << 32, steps);
  out[0] = static_cast<uint32_t>(result.hash);
  out[1] = static_cast<uint32_t>(result.hash >> 32);
  out[2] = result.edits;
  out[3] = result.failed;
  return out;
}
