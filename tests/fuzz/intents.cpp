// Chunks as intents of two replicas that exchange their transactions now and then: local edits
// never crash or half apply, and both documents come out equal.
#include "replicas.hpp"

using namespace synckit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Replica a(0xa), b(0xb00000000000000b);
  fuzz::Chunks input(data, size);
  for (uint64_t now_ms = 1000; !input.empty(); ++now_ms) {
    uint8_t op = input.byte();
    if (op & 16) hear(a, b);
    if (op & 32) hear(b, a);
    fuzz::Replica& me = op & 8 ? b : a;
    (void)edit(me, fuzz::kTypes[op & 3], next_stamp(me, now_ms), input.next());  // or refused
  }
  require_equal(a, b);
  return 0;
}
