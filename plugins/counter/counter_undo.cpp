// Undo for the counter (synckit.crdt.undo/1): a token is the amount that was added, and undoing it
// adds the opposite. Additions commute, so what others have added stays.
#include "counter.hpp"

#if !defined(SYNCKIT_CLIENT_ONLY)

namespace synckit {

Status Counter::capture(const Stamp&, Bytes intent, Writer& token) const {
  Reader in(intent);
  int64_t amount = in.zigzag();
  if (!in.good_end()) return malformed_intent();
  if (amount) token.zigzag(amount);
  return {};
}

Status Counter::revert(Bytes token, Writer& intents) const {
  Reader in(token);
  int64_t amount = in.zigzag();
  if (!in.good_end() || !amount) {
    return Status::malformed(SK_TEXT("counter undo: these bytes are no token"));
  }
  Buffer intent;
  for (bool more = true; more;) {
    more = amount == INT64_MIN;  // whose opposite is one more than fits
    int64_t step = more ? -(amount + 1) : -amount;
    amount = -1;
    intent.clear();
    Writer out(intent);
    out.zigzag(step);
    intents.sized(intent);
  }
  return {};
}

}  // namespace synckit

#endif
