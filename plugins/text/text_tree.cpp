// The sequence of spans: see text_tree.hpp.
//
// Order. An atom goes behind its left origin lo and before its right origin ro. Between those two
// can only stand atoms that its writer did not know. scan() walks them and applies the YATA's
// rule in the form whose order equals FugueMax (arXiv:2305.00583): see FORMAT.md, "Order".
#include "text_tree.hpp"

namespace synckit::text {

Sequence::Sequence(CharLog& chars, Dots& dots)
    : log_(chars), dots_(dots), leaf_(leaves_.first()) {}

// Makes room for two more spans in the cursor's leaf, by halving it when need be.
void Sequence::room() {
  Leaf* leaf = leaf_;
  if (leaf->count + 2u <= Leaf::kSpans) return;
  // Half of it, or what is behind the cursor: text that is appended, loaded or typed packs densely.
  uint32_t half = leaf->count / 2u, keep = slot_ > half ? slot_ : half;
  Leaf* fresh = leaves_.fresh();
  fresh->count = static_cast<uint16_t>(leaf->count - keep);
  leaf->count = static_cast<uint16_t>(keep);
  std::memcpy(fresh->spans, leaf->spans + keep, fresh->count * sizeof(Span));
  Extent moved;
  for (uint32_t i = 0; i < fresh->count; ++i) {
    const Span& span = fresh->spans[i];
    moved += extent(span.lv, span.visible());
  }
  leaves_.hang(leaf, fresh, moved);
  if (slot_ < keep) return;
  leaf_ = fresh;
  slot_ -= keep;
}

// Opens a slot in the cursor's leaf, which has the room.
void Sequence::open(uint32_t slot) {
  Span* at = leaf_->spans + slot;
  std::memmove(at + 1, at, (leaf_->count++ - slot) * sizeof(Span));
}

// Moves the border between a span and the one before it, both of one run, by so many atoms.
void Sequence::shift(Span* span, uint32_t by) {
  span[-1].meta += by;
  span->meta -= by;
  span->lv += by;
  span->lo = span->lv - 1;
}

// Cuts the span at the cursor in two behind `at` atoms; the leaf has room.
void Sequence::cut(uint32_t at) {
  open(slot_);
  Span* span = leaf_->spans + slot_;
  span->meta &= Span::kDead;
  shift(span + 1, at);
}

// Joins a slot with the next one where they are one run. Returns whether it did.
bool Sequence::join(uint32_t slot) {
  Span* a = leaf_->spans + slot;
  if (slot + 1 >= leaf_->count || !a[1].continues(a[0]) || a[1].dead() != a[0].dead()) {
    return false;
  }
  a[0].meta += a[1].len();
  --leaf_->count;
  std::memmove(a + 1, a + 2, (leaf_->count - slot - 1) * sizeof(Span));
  return true;
}

// ---- the cursor ---------------------------------------------------------------------------

// Moves the cursor inside its leaf; false when the place is not there.
bool Sequence::step(uint32_t chars) {
  const Span* spans = leaf_->spans;
  while (at_ >= chars) {
    if (!slot_) return false;
    at_ -= spans[--slot_].visible();
  }
  while (chars - at_ > spans[slot_].visible()) {
    at_ += spans[slot_].visible();
    if (++slot_ >= leaf_->count) return false;
  }
  off_ = chars - at_;
  return true;
}

uint32_t Sequence::walk(uint32_t left, bool utf16) {
  uint32_t chars = left;
  if (kShortcuts && !utf16 && counted_ && step(chars)) return chars;
  counted_ = true;
  leaf_ = leaves_.seek(left, utf16, at_);
  if (kShortcuts && !utf16) {
    slot_ = off_ = 0;
    step(chars);
    return chars;
  }
  const Span* span = leaf_->spans;
  for (;; ++span) {
    uint32_t count = span->visible(), size = utf16 ? count + log_.wide(span->lv, count) : count;
    if (left <= size) break;
    left -= size;
    at_ += count;
  }
  slot_ = static_cast<uint32_t>(span - leaf_->spans);
  off_ = utf16 ? 0 : left;
  for (uint32_t lv = span->lv; utf16 && left;) {
    uint32_t page = CharLog::kPageAtoms - lv % CharLog::kPageAtoms;
    uint32_t part = left >= 2 * page ? page : 1;  // whole pages first
    uint32_t size = part + log_.wide(lv, part);
    if (size > left) return kNone;
    left -= size;
    lv += part;
    off_ += part;
  }
  return at_ + off_;
}

Sequence::Spot Sequence::find(uint32_t atom) {
  Leaf* leaf = leaf_;
  uint32_t slot = slot_;
  if (!kShortcuts || slot >= leaf->count || !leaf->spans[slot].has(atom)) {
    leaf = leaves_.find(atom);
    for (slot = 0; !leaf->spans[slot].has(atom);) ++slot;
  }
  return {leaf, slot, atom - leaf->spans[slot].lv};
}

void Sequence::place(const Spot& spot) {
  if (kShortcuts) counted_ = counted_ && spot.leaf == leaf_ && spot.slot == slot_;
  leaf_ = spot.leaf;
  slot_ = spot.slot;
  off_ = spot.off;
}

void Sequence::seek_atom(uint32_t atom) {
  if (atom == kNone) return place({leaves_.first(), 0, 0});
  place(find(atom));
  ++off_;
}

uint32_t Sequence::enter(uint32_t atom) {
  place(find(atom));
  return leaf_->spans[slot_].meta - off_;
}

Extent Sequence::position() const {
  Extent sum = leaves_.before(leaf_);
  for (uint32_t i = 0; i <= slot_ && i < leaf_->count; ++i) {
    const Span& span = leaf_->spans[i];
    if (!span.dead()) sum += extent(span.lv, i < slot_ ? span.len() : off_);
  }
  return sum;
}

// ---- edits --------------------------------------------------------------------------------

void Sequence::insert(const Span& fresh, uint32_t wide) {
  Span* span = leaf_->spans + slot_;
  if (kShortcuts && off_ && !inside() && fresh.continues(*span) && fresh.dead() == span->dead()) {
    span->meta += fresh.len();
    leaves_.lengthened(fresh.lv + fresh.len());
  } else {
    room();
    if (off_) {
      if (inside()) cut(off_);
      if (kShortcuts) at_ += leaf_->spans[slot_].visible();
      ++slot_;
    }
    open(slot_);
    leaf_->spans[slot_] = fresh;
    leaves_.assign(fresh, leaf_);
    if (!kShortcuts && slot_ && join(slot_ - 1)) --slot_;
  }
  off_ = leaf_->spans[slot_].len();
  if (!fresh.dead()) leaves_.add(leaf_, {fresh.len(), wide});
}

// Deletes the atoms [from, to) of the visible span at the cursor, which ends up where they stood.
void Sequence::kill(uint32_t from, uint32_t to) {
  Span* span = leaf_->spans + slot_;
  uint32_t count = to - from, len = span->len(), lv = span->lv + from;
  changed.add() = {lv, count};
  off_ = from;
  if (kShortcuts && from && to == len && slot_ + 1 < leaf_->count && span[1].dead() &&
      span[1].continues(*span)) {  // Backspace: the tombstone behind grows to the left.
    shift(span + 1, 0 - count);
  } else if (kShortcuts && !from && to < len && slot_ && span[-1].dead() &&
             span->continues(span[-1])) {
    // Deleting forward: the tombstone in front grows to the right.
    shift(span, count);
  } else {
    if (count < len) room();
    if (to < len) cut(to);
    if (from) cut(from);
    uint32_t at = slot_ + (from ? 1 : 0);
    leaf_->spans[at].meta |= Span::kDead;
    join(at);
    if (!from && at && join(at - 1)) --slot_;
  }
  Extent nothing;
  nothing -= extent(lv, count);
  leaves_.add(leaf_, nothing);
}

void Sequence::erase(uint32_t count) {
  while (count) {
    const Span& span = leaf_->spans[slot_];
    if (span.dead() || off_ >= span.len()) {
      if (kShortcuts) at_ += span.visible();
      off_ = 0;
      if (++slot_ == leaf_->count) leaf_ = leaf_->next, slot_ = 0;
      continue;
    }
    uint32_t part = span.len() - off_ < count ? span.len() - off_ : count;
    kill(off_, off_ + part);
    count -= part;
  }
}

void Sequence::erase_atoms(uint32_t lv, uint32_t count) {
  while (count) {
    uint32_t rest = enter(lv), part = rest & ~Span::kDead;
    if (part > count) part = count;
    if (!(rest & Span::kDead)) kill(off_, off_ + part);
    lv += part;
    count -= part;
  }
}

// ---- where concurrent atoms go ------------------------------------------------------------

// Whether atom a stands before atom b. O(log n).
bool Sequence::precedes(uint32_t a, uint32_t b) {
  Spot x = find(a), y = find(b);
  if (x.leaf == y.leaf) return x.slot != y.slot ? x.slot < y.slot : x.off < y.off;
  return Leaves::precedes(x.leaf, y.leaf);
}

// A writer sees lo and ro as neighbours. Then lo stands before ro, and ro's own left origin is not
// between them. Where a dishonest delta breaks that, ro counts as the end, or lo as that left
// origin. Both depend on the causal past alone: everybody mends alike.
void Sequence::seek_place(Span& fresh) {
  uint32_t &lo = fresh.lo, &ro = fresh.ro;
  seek_atom(lo);
  if (right_atom() == ro) return;  // nothing concurrent: the common case
  if (ro != kNone && lo != kNone && !precedes(lo, ro)) ro = kNone;
  if (ro != kNone) {
    Spot spot = find(ro);
    uint32_t other = spot.off ? ro - 1 : spot.leaf->spans[spot.slot].lo;
    if (other != kNone && other != lo && (lo == kNone || precedes(lo, other))) {
      lo = other;
      seek_atom(lo);
    }
  }
  scan(fresh);
}

// Walks the atoms that stand between the cursor (behind lo) and ro, and leaves the cursor where
// `fresh` belongs. Only first atoms of spans are looked at: the rest of a span stays behind them.
// `held`: an atom was passed that may yet turn out to belong behind `fresh`.
void Sequence::scan(const Span& fresh) {
  uint32_t lo = fresh.lo, ro = fresh.ro;
  Spot at{leaf_, slot_, off_}, goal = at;
  bool held = false;
  for (;;) {
    if (at.slot < at.leaf->count && at.off == at.leaf->spans[at.slot].len()) ++at.slot, at.off = 0;
    if (at.slot == at.leaf->count) at = {at.leaf->next, 0, 0};
    if (!at.leaf) break;
    const Span& span = at.leaf->spans[at.slot];
    uint32_t other = span.lv + at.off;
    if (other == ro) break;
    uint32_t left = at.off ? other - 1 : span.lo;
    if (left == lo) {
      if (span.ro == ro) {
        if (dots_.before(fresh.lv, other)) break;
        held = false;
      } else {
        held = span.ro != kNone && (ro == kNone || precedes(span.ro, ro));
      }
    } else if (left == kNone || (lo != kNone && precedes(left, lo))) {
      break;
    }
    at.off = span.has(ro) ? ro - span.lv : span.len();
    if (!held) goal = at;
  }
  place(goal);
}

}  // namespace synckit::text
