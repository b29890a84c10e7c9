// The sequence of spans: see text_tree.hpp.
//
// Order. An atom goes behind its left origin lo and before its right origin ro. Between those two
// can only stand atoms that its writer did not know. scan() walks them and applies the YATA's
// rule in the form whose order equals FugueMax (arXiv:2305.00583): see FORMAT.md, "Order".
#include "text_tree.hpp"

namespace synckit::text {

// ---- lv -> leaf ---------------------------------------------------------------------------

LeafIndex::Place LeafIndex::floor(uint32_t lv) const {
  size_t lo = 0, hi = chunks_.size();
  if (chunks_[hi - 1]->lv[0] <= lv) {
    lo = hi - 1;
  } else {
    while (hi - lo > 1) {
      size_t mid = (lo + hi) / 2;
      (chunks_[mid]->lv[0] <= lv ? lo : hi) = mid;
    }
  }
  const Chunk& chunk = *chunks_[lo];
  uint32_t a = 0, b = chunk.count;
  while (b - a > 1) {
    uint32_t mid = (a + b) / 2;
    (chunk.lv[mid] <= lv ? a : b) = mid;
  }
  return {lo, a};
}

Leaf* LeafIndex::find(uint32_t lv) const {
  Place at = floor(lv);
  return chunks_[at.chunk]->leaf[at.entry];
}

void LeafIndex::put(uint32_t lv, Leaf* leaf) {
  Place at{0, 0};
  if (chunks_.empty()) {
    chunks_.push_back(new Chunk);  // its first entry is that of lv 0
  } else {
    at = floor(lv);
    Chunk* found = chunks_[at.chunk];
    if (found->lv[at.entry] == lv) {
      found->leaf[at.entry] = leaf;
      return;
    }
    ++at.entry;
  }
  Chunk* chunk = chunks_[at.chunk];
  if (chunk->count == Chunk::kEntries) {
    // A full chunk is halved; at the very end of the index it is left full, as typing appends.
    bool last = at.chunk + 1 == chunks_.size() && at.entry == chunk->count;
    uint32_t keep = last ? chunk->count : chunk->count / 2;
    auto* fresh = new Chunk;
    fresh->count = chunk->count - keep;
    std::memcpy(fresh->lv, chunk->lv + keep, fresh->count * sizeof *fresh->lv);
    std::memcpy(fresh->leaf, chunk->leaf + keep, fresh->count * sizeof *fresh->leaf);
    chunk->count = keep;
    chunks_.insert(at.chunk + 1, fresh);
    if (at.entry > keep || last) at.entry -= keep, chunk = fresh;
  }
  uint32_t tail = chunk->count++ - at.entry;
  std::memmove(chunk->lv + at.entry + 1, chunk->lv + at.entry, tail * sizeof *chunk->lv);
  std::memmove(chunk->leaf + at.entry + 1, chunk->leaf + at.entry, tail * sizeof *chunk->leaf);
  chunk->lv[at.entry] = lv;
  chunk->leaf[at.entry] = leaf;
}

void LeafIndex::assign(uint32_t lv, uint32_t end, Leaf* leaf, uint32_t known) {
  if (chunks_.empty()) put(0, leaf);
  if (end < known) put(end, find(end));
  Place at = floor(lv);
  if (chunks_[at.chunk]->leaf[at.entry] != leaf) put(lv, leaf), at = floor(lv);
  // Ranges that begin inside are leftovers of spans that have merged: they move too.
  for (;;) {
    if (++at.entry == chunks_[at.chunk]->count) at.entry = 0, ++at.chunk;
    if (at.chunk == chunks_.size() || chunks_[at.chunk]->lv[at.entry] >= end) return;
    chunks_[at.chunk]->leaf[at.entry] = leaf;
  }
}

void Sequence::build_index() {
  for (Leaf* leaf = first_; leaf; leaf = leaf->next) {
    for (uint32_t i = 0; i < leaf->count; ++i) {
      const Span& span = leaf->spans[i];
      index_.assign(span.lv, span.lv + span.len(), leaf, known_);
    }
  }
}

// ---- the tree -----------------------------------------------------------------------------

Sequence::Sequence(CharLog& chars, Dots& dots) : log_(chars), dots_(dots) {
  leaf_ = first_ = new Leaf;
  root_ = first_;
}

Sequence::~Sequence() { free_branch(root_, height_); }

void Sequence::free_branch(Branch* branch, uint32_t height) {
  if (height == 0) {
    delete static_cast<Leaf*>(branch);
    return;
  }
  auto* node = static_cast<Node*>(branch);
  for (uint32_t i = 0; i < node->count; ++i) free_branch(node->kids[i], height - 1);
  delete node;
}

// Brings the counts above the cursor's leaf up to date.
void Sequence::settle() {
  Node* node = leaf_->parent;
  if (!node) return;
  uint32_t i = node->slot(leaf_);
  uint32_t chars = leaf_->chars - node->chars[i], wide = leaf_->wide - node->wide[i];
  if (!(chars | wide)) return;
  for (;;) {
    node->chars[i] += chars;
    node->wide[i] += wide;
    Branch* kid = node;
    node = node->parent;
    if (!node) return;
    i = node->slot(kid);
  }
}

// Moves the cursor to the start of a leaf.
void Sequence::enter(Leaf* leaf) {
  if (leaf != leaf_) {
    settle();
    leaf_ = leaf;
    base_ = base_wide_ = 0;
    Branch* kid = leaf;
    for (Node* node = leaf->parent; node; kid = node, node = node->parent) {
      for (uint32_t i = 0; node->kids[i] != kid; ++i) {
        base_ += node->chars[i];
        base_wide_ += node->wide[i];
      }
    }
  }
  slot_ = off_ = before_ = 0;
}

// Moves the cursor to the start of the next span.
void Sequence::step() {
  before_ += leaf_->spans[slot_].visible();
  off_ = 0;
  if (++slot_ < leaf_->count) return;
  settle();
  base_ += leaf_->chars;
  base_wide_ += leaf_->wide;
  leaf_ = leaf_->next;
  slot_ = before_ = 0;
}

// Hangs a new branch behind `after`. Its counts came out of `after`: totals above do not change.
void Sequence::hang(Branch* after, Branch* fresh, uint32_t chars, uint32_t wide) {
  Node* node = after->parent;
  if (!node) {
    node = new Node;
    ++height_;
    root_ = node;
    node->count = 1;
    node->kids[0] = after;
    node->chars[0] = chars_;
    node->wide[0] = wide_;
    after->parent = node;
  }
  uint32_t i = node->slot(after) + 1;
  if (node->count == Node::kKids) {
    uint32_t keep = i == Node::kKids ? i - 1 : Node::kKids / 2;
    auto* half = new Node;
    uint32_t sum = 0, sum_wide = 0;
    for (uint32_t k = keep; k < Node::kKids; ++k) {
      uint32_t to = half->count++;
      half->kids[to] = node->kids[k];
      sum += half->chars[to] = node->chars[k];
      sum_wide += half->wide[to] = node->wide[k];
      half->kids[to]->parent = half;
    }
    node->count = keep;
    hang(node, half, sum, sum_wide);
    if (i > keep) node = half, i -= keep;
  }
  for (uint32_t k = node->count++; k > i; --k) {
    node->kids[k] = node->kids[k - 1];
    node->chars[k] = node->chars[k - 1];
    node->wide[k] = node->wide[k - 1];
  }
  node->kids[i] = fresh;
  node->chars[i] = chars;
  node->wide[i] = wide;
  fresh->parent = node;
  node->chars[i - 1] -= chars;
  node->wide[i - 1] -= wide;
}

// Makes room for `count` more spans in the cursor's leaf, by halving it when need be.
void Sequence::room(uint32_t count) {
  Leaf* leaf = leaf_;
  if (leaf->count + count <= Leaf::kSpans) return;
  settle();
  // At the end of the text a full leaf stays full: text that is appended or loaded packs densely.
  bool end = !leaf->next && slot_ + 1 >= leaf->count && !inside();
  uint32_t keep = end ? leaf->count - 1 : leaf->count / 2;
  auto* fresh = new Leaf;
  fresh->next = leaf->next;
  leaf->next = fresh;
  fresh->count = leaf->count - keep;
  std::memcpy(fresh->spans, leaf->spans + keep, fresh->count * sizeof(Span));
  leaf->count = keep;
  for (uint32_t i = 0; i < fresh->count; ++i) {
    const Span& span = fresh->spans[i];
    fresh->chars += span.visible();
    if (wide_ && !span.dead()) fresh->wide += log_.wide(span.lv, span.len());
    if (index_.ready()) index_.assign(span.lv, span.lv + span.len(), fresh, known_);
  }
  leaf->chars -= fresh->chars;
  leaf->wide -= fresh->wide;
  hang(leaf, fresh, fresh->chars, fresh->wide);
  if (slot_ < keep) return;
  leaf_ = fresh;
  slot_ -= keep;
  before_ -= leaf->chars;
  base_ += leaf->chars;
  base_wide_ += leaf->wide;
}

// Opens `count` slots at `slot` of the cursor's leaf, which has the room.
void Sequence::open(uint32_t slot, uint32_t count) {
  Span* at = leaf_->spans + slot;
  std::memmove(at + count, at, (leaf_->count - slot) * sizeof(Span));
  leaf_->count += count;
}

// Cuts the span at the cursor in two behind `at` atoms; the leaf has room.
void Sequence::cut(uint32_t at) {
  open(slot_ + 1, 1);
  Span& a = leaf_->spans[slot_];
  leaf_->spans[slot_ + 1] = {a.lv + at, a.lv + at - 1, a.ro, a.meta - at};
  a.meta = at | (a.meta & Span::kDead);
}

// Joins a slot with the next one where they are one run. Returns whether it did.
bool Sequence::join(uint32_t slot) {
  if (slot + 1 >= leaf_->count) return false;
  Span* a = leaf_->spans + slot;
  if (!a[1].continues(a[0])) return false;
  a[0].meta += a[1].len();
  --leaf_->count;
  std::memmove(a + 1, a + 2, (leaf_->count - slot - 1) * sizeof(Span));
  return true;
}

// ---- the cursor ---------------------------------------------------------------------------

void Sequence::seek(uint32_t position) {
  if (position <= base_ || position > base_ + leaf_->chars) {
    if (position == 0) return enter(first_);
    settle();
    Branch* at = root_;
    uint32_t left = position, wide = 0;
    for (uint32_t level = height_; level; --level) {
      auto* node = static_cast<Node*>(at);
      uint32_t i = 0;
      while (left > node->chars[i]) left -= node->chars[i], wide += node->wide[i], ++i;
      at = node->kids[i];
    }
    leaf_ = static_cast<Leaf*>(at);
    slot_ = before_ = 0;
    base_ = position - left;
    base_wide_ = wide;
  }
  uint32_t left = position - base_;
  const Span* spans = leaf_->spans;
  while (before_ >= left) before_ -= spans[--slot_].visible();
  while (before_ + spans[slot_].visible() < left) before_ += spans[slot_++].visible();
  off_ = left - before_;
}

Sequence::Spot Sequence::find(uint32_t atom) {
  if (slot_ < leaf_->count && leaf_->spans[slot_].has(atom)) {
    return {leaf_, slot_, atom - leaf_->spans[slot_].lv};
  }
  if (!index_.ready()) build_index();
  Leaf* leaf = index_.find(atom);
  uint32_t slot = 0;
  while (!leaf->spans[slot].has(atom)) ++slot;
  return {leaf, slot, atom - leaf->spans[slot].lv};
}

void Sequence::seek_atom(uint32_t atom) {
  if (atom == kNone) return enter(first_);
  Spot spot = find(atom);
  ++spot.off;
  place(spot);
}

uint32_t Sequence::right_atom() const {
  if (slot_ < leaf_->count && inside()) return leaf_->spans[slot_].lv + off_;
  if (slot_ + 1 < leaf_->count) return leaf_->spans[slot_ + 1].lv;
  return leaf_->next ? leaf_->next->spans[0].lv : kNone;
}

uint32_t Sequence::position() const {
  bool visible = off_ && !leaf_->spans[slot_].dead();
  return base_ + before_ + (visible ? off_ : 0);
}

uint32_t Sequence::wide_before() const {
  if (!wide_) return 0;
  uint32_t sum = base_wide_;
  for (uint32_t i = 0; i < slot_; ++i) {
    const Span& span = leaf_->spans[i];
    if (!span.dead()) sum += log_.wide(span.lv, span.len());
  }
  const Span& span = leaf_->spans[slot_];
  return off_ && !span.dead() ? sum + log_.wide(span.lv, off_) : sum;
}

bool Sequence::from_utf16(uint32_t units, uint32_t& position) {
  position = units;
  if (!wide_) return true;
  settle();
  Branch* at = root_;
  uint32_t left = units;
  position = 0;
  for (uint32_t level = height_; level; --level) {
    auto* node = static_cast<Node*>(at);
    uint32_t i = 0;
    uint32_t size;
    for (; i + 1 < node->count && left >= (size = node->chars[i] + node->wide[i]); ++i) {
      left -= size;
      position += node->chars[i];
    }
    at = node->kids[i];
  }
  for (const Leaf* leaf = static_cast<Leaf*>(at); left; leaf = leaf->next) {
    for (uint32_t i = 0; left && i < leaf->count; ++i) {
      const Span& span = leaf->spans[i];
      if (span.dead()) continue;
      uint32_t size = span.len() + log_.wide(span.lv, span.len());
      if (size <= left) {
        left -= size;
        position += span.len();
        continue;
      }
      for (uint32_t lv = span.lv; left;) {
        uint32_t page = CharLog::kPageAtoms - lv % CharLog::kPageAtoms;
        uint32_t step = left >= 2 * page ? page : 1;  // whole pages first
        size = step + log_.wide(lv, step);
        if (size > left) return false;
        left -= size;
        lv += step;
        position += step;
      }
    }
  }
  return true;
}

// ---- edits --------------------------------------------------------------------------------

void Sequence::insert(uint32_t lv, uint32_t count, uint32_t lo, uint32_t ro, bool dead,
                      uint32_t wide) {
  Span fresh{lv, lo, ro, count | (dead ? Span::kDead : 0)};
  if (known_ < lv + count) known_ = lv + count;
  if (off_ && !inside() && fresh.continues(leaf_->spans[slot_])) {
    leaf_->spans[slot_].meta += count;
  } else {
    room(2);
    if (off_) {
      if (inside()) cut(off_);
      before_ += leaf_->spans[slot_++].visible();
    }
    open(slot_, 1);
    leaf_->spans[slot_] = fresh;
    if (index_.ready()) index_.assign(lv, lv + count, leaf_, known_);
  }
  off_ = leaf_->spans[slot_].len();
  if (dead) return;
  leaf_->chars += count;
  leaf_->wide += wide;
  chars_ += count;
  wide_ += wide;
}

// Deletes the atoms [from, to) of the visible span at the cursor, which ends up where they stood.
// Returns how many of them were above U+FFFF.
uint32_t Sequence::kill(uint32_t from, uint32_t to) {
  Span* span = leaf_->spans + slot_;
  uint32_t count = to - from, len = span->len();
  uint32_t wide = wide_ ? log_.wide(span->lv + from, count) : 0;
  Span gone{span->lv + from, from ? span->lv + from - 1 : span->lo, span->ro, count | Span::kDead};
  if (from && to == len && slot_ + 1 < leaf_->count && span[1].continues(gone)) {
    // Backspace: the tombstone behind grows to the left.
    span->meta -= count;
    span[1] = {gone.lv, gone.lo, gone.ro, span[1].meta + count};
  } else if (!from && to < len && slot_ && gone.continues(span[-1])) {
    // Deleting forward: the tombstone in front grows to the right.
    span[-1].meta += count;
    *span = {span->lv + count, span->lv + count - 1, span->ro, span->meta - count};
  } else {
    if (count < len) room(2);
    if (to < len) cut(to);
    if (from) cut(from);
    uint32_t at = slot_ + (from ? 1 : 0);
    leaf_->spans[at].meta |= Span::kDead;
    join(at);
    if (at && join(at - 1) && !from) --slot_;
  }
  off_ = from;
  leaf_->chars -= count;
  leaf_->wide -= wide;
  chars_ -= count;
  wide_ -= wide;
  return wide;
}

void Sequence::erase(uint32_t count) {
  while (count) {
    const Span& span = leaf_->spans[slot_];
    if (span.dead() || off_ >= span.len()) {
      step();
      continue;
    }
    uint32_t part = span.len() - off_ < count ? span.len() - off_ : count;
    kill(off_, off_ + part);
    count -= part;
  }
}

uint32_t Sequence::erase_atoms(uint32_t lv, uint32_t& count, uint32_t& wide) {
  seek_atom(lv);
  const Span& span = leaf_->spans[slot_];
  uint32_t left = span.len() - --off_;
  if (count > left) count = left;
  wide = 0;
  if (span.dead()) return 0;
  wide = kill(off_, off_ + count);
  return count;
}

// ---- where concurrent atoms go ------------------------------------------------------------

void Sequence::place(Spot spot) {
  if (spot.leaf != leaf_ || spot.slot != slot_) {
    enter(spot.leaf);
    for (; slot_ < spot.slot; ++slot_) before_ += leaf_->spans[slot_].visible();
  }
  off_ = spot.off;
}

// Whether atom a stands before atom b. O(log n).
bool Sequence::precedes(uint32_t a, uint32_t b) {
  Spot x = find(a), y = find(b);
  if (x.leaf == y.leaf) return x.slot != y.slot ? x.slot < y.slot : x.off < y.off;
  Branch *p = x.leaf, *q = y.leaf;
  while (p->parent != q->parent) p = p->parent, q = q->parent;
  return p->parent->slot(p) < p->parent->slot(q);
}

// A writer sees lo and ro as neighbours. Then lo stands before ro, and ro's own left origin is not
// between them. Where a dishonest delta breaks that, ro counts as the end, or lo as that left
// origin. Both depend on the causal past alone: everybody mends alike.
void Sequence::seek_place(uint32_t& lo, uint32_t& ro, uint32_t atom) {
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
  scan(lo, ro, atom);
}

// Walks the atoms that stand between the cursor (behind lo) and ro, and leaves the cursor where
// `atom` belongs. Only first atoms of spans are looked at: the rest of a span stays behind them.
// `held`: an atom was passed that may yet turn out to belong behind `atom`.
void Sequence::scan(uint32_t lo, uint32_t ro, uint32_t atom) {
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
        if (dots_.before(atom, other)) break;
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
