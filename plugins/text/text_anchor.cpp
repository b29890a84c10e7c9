// Anchors (synckit.crdt.anchor/1): the name of the character that a position sticks to. FORMAT.md
// has the bytes.
//
// A left anchor names the visible character before its position, a right one the one behind it, so
// that an anchor made where text was deleted does not hang on a tombstone. Once its character is
// deleted itself, it stays where that stood: tombstones keep their places (docs/adr/0010).
//
// Nothing changes but the cursor of the sequence. Both calls are O(log n).
#include "text.hpp"

namespace synckit::text {
namespace {

constexpr uint8_t kStart = 0x10, kEnd = 0x11, kBehind = 0x12, kBefore = 0x13;

}  // namespace

Status Text::make_anchor(uint64_t position, uint32_t unit, uint32_t side, Writer& anchor) {
  if ((unit != SK_UNIT_CODE_POINTS && unit != SK_UNIT_UTF16) || side > SK_SIDE_RIGHT) {
    return {SK_UNSUPPORTED, SK_TEXT("text anchor: no such unit or side")};
  }
  bool utf16 = unit == SK_UNIT_UTF16 && tree_.wide();
  if (position > uint64_t{tree_.chars()} + (utf16 ? tree_.wide() : 0)) {
    return Status::malformed(SK_TEXT("text anchor: the position is past the end"));
  }
  auto at = static_cast<uint32_t>(position);
  if (utf16) at = tree_.seek(at, true);
  if (at == kNone) {
    return Status::malformed(SK_TEXT("text anchor: the position is inside a surrogate pair"));
  }
  bool right = side == SK_SIDE_RIGHT;
  if (at == (right ? tree_.chars() : 0)) {
    anchor.byte(right ? kEnd : kStart);
    return {};
  }
  tree_.seek(right ? at + 1 : at);
  uint32_t lv = tree_.left_atom();
  const Run& run = dots_.runs()[dots_.run_of(lv)];
  anchor.byte(right ? kBefore : kBehind);
  anchor.fixed64(dots_.replicas()[run.replica].id);
  anchor.varint(run.seq + (lv - run.lv));
  return {};
}

Status Text::resolve_anchor(Bytes anchor, uint32_t unit, uint64_t& position, bool& deleted) {
  if (unit != SK_UNIT_CODE_POINTS && unit != SK_UNIT_UTF16) {
    return {SK_UNSUPPORTED, SK_TEXT("text anchor: no such unit")};
  }
  Reader in(anchor);
  uint8_t kind = in.byte();
  Extent before;
  bool gone = false;
  if (kind == kEnd) before = {tree_.chars(), tree_.wide()};
  if (kind == kBehind || kind == kBefore) {
    uint64_t replica = in.fixed64(), seq = in.varint();
    if (!in.good_end() || !replica || !seq) {
      return Status::malformed(SK_TEXT("text anchor: cut short, too long, or a dot of nobody"));
    }
    uint32_t local = dots_.replica(replica, false), left;
    if (seq > dots_.seen(local)) {
      return {SK_MISSING_DEPS, SK_TEXT("text anchor: its character has not arrived here yet")};
    }
    uint32_t lv = dots_.find(local, seq, left);
    if (lv == kNone) return stranger();
    gone = tree_.enter(lv) & Span::kDead;
    before = tree_.position();
    if (kind == kBehind && !gone) before += {1, chars_.wide(lv, 1)};
  } else if ((kind != kStart && kind != kEnd) || !in.good_end()) {
    return Status::malformed(SK_TEXT("text anchor: unknown kind, or too long"));
  }
  position = uint64_t{before.chars()} + (unit == SK_UNIT_UTF16 ? before.wide() : 0);
  deleted = gone;
  return {};
}

}  // namespace synckit::text
