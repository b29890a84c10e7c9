// The sequence: all atoms ever inserted, in document order, tombstones included.
//
// Spans (runs of consecutive lvs) stand in leaves (text_leaves.hpp). Edits go through one cursor
// that remembers the leaf and slot of the last edit: typing at one place is O(1).
//
// Invariant: spans are never removed from the sequence, only merged inside one leaf.
//
// Threads: as the document that owns it.
#pragma once

#include "text_leaves.hpp"

namespace synckit::text {

class Sequence {
 public:
  Sequence(CharLog& chars, Dots& dots);
  void swap(Sequence& other);  // text_compact.cpp; logs and dots have to be swapped as well

  Extent total() const { return leaves_.total(); }   // visible
  uint32_t chars() const { return total().chars(); }  // visible code points
  uint32_t wide() const { return total().wide(); }    // visible code points above U+FFFF
  const Leaf* first() const { return leaves_.first(); }

  // Puts the cursor right behind the first `left` visible code points, or with `utf16` UTF-16 units
  // (there must be so many). Returns how many code points these are; kNone when they end inside a
  // surrogate pair.
  uint32_t seek(uint32_t left, bool utf16 = false) {
    if (kShortcuts && !utf16 && counted_ && left > at_ &&
        left - at_ <= leaf_->spans[slot_].visible()) {
      off_ = left - at_;
      return left;
    }
    return walk(left, utf16);
  }
  // Puts the cursor right behind an atom; kNone: at the start.
  void seek_atom(uint32_t atom);
  // Whether so many visible code points are before the cursor. (It may be that nobody knows.)
  bool stands_at(uint32_t chars) const { return counted_ && stands() == chars; }
  // How many, where they are known.
  uint32_t stands() const { return at_ + (leaf_->spans[slot_].dead() ? 0 : off_); }
  // Whether the cursor stands there, and the atom lv inserted there would lengthen the span that
  // ends there. If so, type() inserts it.
  bool types(uint64_t chars, uint32_t lv) const {
    const Span& span = leaf_->spans[slot_];
    return counted_ && off_ && off_ == span.meta && span.lv + off_ == lv &&
           at_ + off_ == chars && span.ro == right_atom();
  }
  void type() {
    Span& span = leaf_->spans[slot_];
    off_ = ++span.meta;
    leaves_.lengthened(span.lv + off_);
    leaves_.add(leaf_, {1, 0});
  }
  // What stands left and right of the cursor, tombstones included; kNone at the ends.
  uint32_t left_atom() const { return off_ ? leaf_->spans[slot_].lv + off_ - 1 : kNone; }
  SK_NOW uint32_t right_atom() const {
    if (slot_ < leaf_->count && inside()) return leaf_->spans[slot_].lv + off_;
    if (slot_ + 1 < leaf_->count) return leaf_->spans[slot_ + 1].lv;
    return leaf_->next ? leaf_->next->spans[0].lv : kNone;
  }
  // What is visible before the cursor.
  Extent position() const;
  // Moves the cursor in front of an atom. Returns how many follow in its span, it included, and
  // Span::kDead with it when these are tombstones.
  uint32_t enter(uint32_t atom);

  // Moves the cursor to where atoms with such origins belong (FugueMax). Any pair of known atoms
  // is accepted and put into a form that an honest writer could have sent; see text_tree.cpp.
  void seek_place(Span& fresh);
  // Inserts atoms at the cursor, which ends up behind them. Their characters are in the log.
  void insert(const Span& fresh, uint32_t wide);
  // Deletes the next `count` visible atoms behind the cursor (they must exist).
  void erase(uint32_t count);
  // Deletes the visible ones of the atoms [lv, lv + count).
  void erase_atoms(uint32_t lv, uint32_t count);

  Vec<Atoms> changed;  // what erase and erase_atoms have deleted since somebody cleared this

 private:
  struct Spot {
    Leaf* leaf;
    uint32_t slot, off;  // the atom `off` of that span; as a place: in front of it
  };

  bool inside() const { return off_ < leaf_->spans[slot_].len(); }
  uint32_t walk(uint32_t left, bool utf16);
  bool step(uint32_t chars);
  // The atoms [lv, lv + count), which are visible.
  Extent extent(uint32_t lv, uint32_t count) const {
    return {count, wide() ? log_.wide(lv, count) : 0};
  }
  void kill(uint32_t from, uint32_t to);
  static void shift(Span* span, uint32_t by);
  SK_APART void cut(uint32_t at);
  SK_APART bool join(uint32_t slot);
  SK_APART void open(uint32_t slot);
  SK_APART void room();
  Spot find(uint32_t atom);
  bool precedes(uint32_t a, uint32_t b);
  void scan(const Span& fresh);
  void place(const Spot& spot);

  CharLog& log_;
  Dots& dots_;
  Leaves leaves_;

  // The cursor. While counted_, at_ = visible atoms before slot_. Remote edits do not need it.
  Leaf* leaf_;
  uint32_t slot_ = 0, off_ = 0, at_ = 0;
  bool counted_ = true;
};

}  // namespace synckit::text
