// The sequence: all atoms ever inserted, in document order, tombstones included.
//
// Spans (runs of consecutive lvs) stand in leaves of 32; above them a B+tree counts visible code
// points and those above U+FFFF, so that a position finds its span in O(log n). Edits go through
// one cursor that remembers the leaf and slot of the last edit: typing at one place is O(1).
// An index from lv to leaf is built when the first remote edit asks for it, and kept from then on.
//
// Invariants
//   - A span's first atom has origins (lo, ro); each further one has the atom before it as left
//     origin and the same right origin. So a span may be cut anywhere and joined when adjacent.
//   - Counts in nodes are exact, except along the path of the cursor's leaf: settle() mends them.
//   - No leaf is empty but the one of an empty text. Spans are never removed from the sequence,
//     only merged inside one leaf.
//
// Threads: as the document that owns it.
#pragma once

#include "text_chars.hpp"
#include "text_dots.hpp"

namespace synckit::text {

struct Span {
  static constexpr uint32_t kDead = 1u << 31;

  uint32_t lv;      // of the first atom
  uint32_t lo, ro;  // left and right origin of the first atom; kNone = start, end
  uint32_t meta;    // length, and kDead for a tombstone

  uint32_t len() const { return meta & ~kDead; }
  bool dead() const { return (meta & kDead) != 0; }
  uint32_t visible() const { return dead() ? 0 : meta; }
  bool has(uint32_t atom) const { return atom - lv < len(); }
  // Right after `a` in the document: may both be one span?
  bool continues(const Span& a) const {
    return lv == a.lv + a.len() && lo == lv - 1 && ro == a.ro && dead() == a.dead();
  }
};

struct Node;

struct Branch {  // what leaves and nodes share
  Node* parent = nullptr;
};

struct Leaf : Branch {
  static constexpr uint32_t kSpans = 32;
  Leaf* next = nullptr;
  uint32_t count = 0;
  uint32_t chars = 0, wide = 0;  // visible; always exact
  Span spans[kSpans];
};

struct Node : Branch {
  static constexpr uint32_t kKids = 16;
  uint32_t count = 0;
  uint32_t chars[kKids], wide[kKids];
  Branch* kids[kKids];

  uint32_t slot(const Branch* kid) const {
    uint32_t i = 0;
    while (kids[i] != kid) ++i;
    return i;
  }
};

// lv -> leaf, as sorted ranges in chunks of 128.
class LeafIndex {
 public:
  LeafIndex() = default;
  LeafIndex(const LeafIndex&) = delete;
  LeafIndex& operator=(const LeafIndex&) = delete;
  ~LeafIndex() {
    for (Chunk* chunk : chunks_) delete chunk;
  }
  bool ready() const { return !chunks_.empty(); }
  Leaf* find(uint32_t lv) const;
  // The atoms [lv, end) stand in `leaf` now. `known` = number of atoms assigned so far or now.
  void assign(uint32_t lv, uint32_t end, Leaf* leaf, uint32_t known);

 private:
  struct Chunk {
    static constexpr uint32_t kEntries = 128;
    uint32_t count = 0;
    uint32_t lv[kEntries];
    Leaf* leaf[kEntries];
  };
  struct Place {
    size_t chunk;
    uint32_t entry;
  };
  Place floor(uint32_t lv) const;
  void put(uint32_t lv, Leaf* leaf);
  Vec<Chunk*> chunks_;
};

class Sequence {
 public:
  Sequence(CharLog& chars, Dots& dots);
  ~Sequence();
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  uint32_t chars() const { return chars_; }  // visible code points
  uint32_t wide() const { return wide_; }    // visible code points above U+FFFF
  const Leaf* first() const { return first_; }

  // Code point position of a UTF-16 position (at most chars() + wide()). False: inside a pair.
  bool from_utf16(uint32_t units, uint32_t& position);

  // Puts the cursor right behind the first `position` visible atoms (at most chars()).
  void seek(uint32_t position);
  // Puts the cursor right behind an atom; kNone: at the start.
  void seek_atom(uint32_t atom);
  // What stands left and right of the cursor, tombstones included; kNone at the ends.
  uint32_t left_atom() const { return off_ ? leaf_->spans[slot_].lv + off_ - 1 : kNone; }
  uint32_t right_atom() const;
  // Visible atoms before the cursor, and how many of them are above U+FFFF.
  uint32_t position() const;
  uint32_t wide_before() const;

  // Moves the cursor to where atoms with these origins belong (FugueMax). Any pair of known atoms
  // is accepted and put into a form that an honest writer could have sent; see text_tree.cpp.
  void seek_place(uint32_t& lo, uint32_t& ro, uint32_t atom);
  // Inserts atoms at the cursor, which ends up behind them. Their characters are in the log.
  void insert(uint32_t lv, uint32_t count, uint32_t lo, uint32_t ro, bool dead, uint32_t wide);
  // Deletes the next `count` visible atoms behind the cursor (they must exist).
  void erase(uint32_t count);
  // Deletes the visible ones of the atoms [lv, lv + *count) that share lv's span; *count gets the
  // length of that part. Returns how many went, *wide how many of them were above U+FFFF, and
  // leaves the cursor such that position() is theirs.
  uint32_t erase_atoms(uint32_t lv, uint32_t& count, uint32_t& wide);
  // Calls each(lv, count) for the next `count` visible atoms behind the cursor.
  template <class Each>
  void visit(uint32_t count, Each&& each) const;

 private:
  struct Spot {
    Leaf* leaf;
    uint32_t slot, off;  // the atom `off` of that span; as a place: in front of it
  };

  bool inside() const { return off_ < leaf_->spans[slot_].len(); }
  void settle();
  void enter(Leaf* leaf);
  void step();
  uint32_t kill(uint32_t from, uint32_t to);
  void cut(uint32_t at);
  bool join(uint32_t slot);
  void open(uint32_t slot, uint32_t count);
  void room(uint32_t count);
  void hang(Branch* after, Branch* fresh, uint32_t chars, uint32_t wide);
  void build_index();
  Spot find(uint32_t atom);
  bool precedes(uint32_t a, uint32_t b);
  void scan(uint32_t lo, uint32_t ro, uint32_t atom);
  void place(Spot spot);
  static void free_branch(Branch* branch, uint32_t height);

  CharLog& log_;
  Dots& dots_;
  LeafIndex index_;
  Branch* root_;
  Leaf* first_;
  uint32_t height_ = 0;  // levels of nodes above the leaves
  uint32_t chars_ = 0, wide_ = 0;
  uint32_t known_ = 0;  // all inserted atoms are below

  // The cursor. base = visible atoms in leaves before this one; before = in slots before slot_.
  Leaf* leaf_;
  uint32_t slot_ = 0, off_ = 0;
  uint32_t before_ = 0, base_ = 0, base_wide_ = 0;
};

template <class Each>
void Sequence::visit(uint32_t count, Each&& each) const {
  const Leaf* leaf = leaf_;
  uint32_t slot = slot_, off = off_;
  while (count) {
    if (slot == leaf->count) {
      leaf = leaf->next, slot = 0, off = 0;
      continue;
    }
    const Span& span = leaf->spans[slot];
    if (!span.dead() && off < span.len()) {
      uint32_t part = span.len() - off < count ? span.len() - off : count;
      each(span.lv + off, part);
      count -= part;
    }
    ++slot, off = 0;
  }
}

}  // namespace synckit::text
