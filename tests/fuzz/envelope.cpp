// Any bytes as a frame, and as each message's body: decoding never crashes, and what the kernel
// accepts it writes in a form that is a fixed point.
#include "../kernel/reframe.hpp"
#include "fuzz.hpp"

using namespace synckit;
using testing::recode_part;
using testing::reframe;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Buffer once, twice;
  if (reframe(Bytes(data, size), once).ok()) {
    fuzz::require(reframe(once, twice).ok() && once.bytes() == twice.bytes(), "frame changes");
  }
  for (uint32_t kind = 1; kind <= 15; ++kind) {  // the same bytes as every kind of body
    Buffer frame;
    Writer out(frame);
    out.varint(kind << 3 | 2);
    out.sized(Bytes(data, size));
    once.clear(), twice.clear();
    if (!reframe(frame, once).ok()) continue;
    fuzz::require(reframe(once, twice).ok() && once.bytes() == twice.bytes(), "body changes");
  }
  once.clear(), twice.clear();
  if (recode_part<wire::Transaction>(Bytes(data, size), once).ok()) {
    fuzz::require(recode_part<wire::Transaction>(once, twice).ok() && once.bytes() == twice.bytes(),
                  "transaction changes");
  }
  once.clear(), twice.clear();
  if (recode_part<wire::Snapshot>(Bytes(data, size), once).ok()) {
    fuzz::require(recode_part<wire::Snapshot>(once, twice).ok() && once.bytes() == twice.bytes(),
                  "snapshot changes");
  }
  return 0;
}
