// Undo for the set (synckit.crdt.undo/1).
//
// A token is what an intent changes in the view, element by element: an add of one that is there
// already has nothing to undo. Undoing an add removes the element only while nobody else has added
// it too; undoing a remove or a clear adds again what is still missing.
#include "set.hpp"

#if !defined(SYNCKIT_CLIENT_ONLY)

namespace synckit {

// Token: byte op (1: was added, 2: was removed), then for 1 fixed64 replica, then elements, each
// after its length.
Status Set::capture(const Stamp& stamp, Bytes intent, Writer& token) const {
  Reader in(intent);
  uint8_t op = in.byte();
  Bytes element = in.rest();
  if (op - 1u > 2 || (op == kClear && element.len)) return malformed_intent();
  if (op == kClear) {
    elements_.sort(elements_.root());
    if (first()) token.byte(kRemove);
    for (const Element* each = first(); each; each = elements_.next(each)) {
      token.sized(elements_.name(each));
    }
    return {};
  }
  SK_TRY(check_value(element));
  if (contains(element) == (op == kAdd)) return {};
  token.byte(op);
  if (op == kAdd) token.fixed64(stamp.replica);
  token.sized(element);
  return {};
}

Status Set::revert(Bytes token, Writer& intents) const {
  Status bad = Status::malformed(SK_TEXT("set undo: these bytes are no token"));
  Reader in(token);
  uint8_t op = in.byte();
  uint64_t author = op == kAdd ? in.fixed64() : 0;
  if ((op != kAdd && op != kRemove) || in.done()) return bad;
  do {
    Bytes element = in.sized();
    if (!in.ok() || !check_value(element).ok()) return bad;
    bool own = op == kAdd;
    for (const Dot& dot : find(element)->dots) own = own && dot.replica == author;
    if (contains(element) != (op == kAdd) || (op == kAdd && !own)) continue;
    intents.varint(1 + element.len);
    intents.byte(op == kAdd ? kRemove : kAdd);
    intents.raw(element);
  } while (!in.done());
  return {};
}

}  // namespace synckit

#endif
