// Editing traces: recorded ones where they are at hand, else a generated one of the same shape.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace synckit::testing_support {

struct TracePatch {
  uint32_t position, remove;  // code points
  std::string insert;         // UTF-8
};

struct Trace {
  std::string name;  // "automerge-paper", or "generated (seed 1)"
  std::vector<TracePatch> patches;
  std::string end;   // the final text
};

// The recorded trace `name` from the folder $SYNCKIT_TRACES, at most `max_patches` of it (0: all).
// Without it, a generated one: typing runs, corrections, jumps, a few scripts.
Trace load_trace(const std::string& name, size_t max_patches, uint64_t seed = 1);

}  // namespace synckit::testing_support
