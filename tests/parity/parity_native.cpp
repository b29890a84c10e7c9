// Prints one line per history: type, seed, hash, edits with an effect, refused calls.
//
//   parity_native FIRST COUNT STEPS
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "history.hpp"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s FIRST COUNT STEPS\n", argv[0]);
    return 64;
  }
  uint64_t first = std::strtoull(argv[1], nullptr, 0), count = std::strtoull(argv[2], nullptr, 0);
  uint32_t steps = static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 0));
  for (uint32_t type = 0; synckit::parity::type_name(type); ++type) {
    for (uint64_t seed = first; seed < first + count; ++seed) {
      auto result = synckit::parity::run_built_in(type, seed, steps);
      std::printf("%s %" PRIu64 " %016" PRIx64 " %u %u\n", synckit::parity::type_name(type), seed,
                  result.hash, result.edits, result.failed);
    }
  }
  return 0;
}
