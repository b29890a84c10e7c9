// The sequence: all atoms ever inserted, in document order, tombstones included.
//
// Spans (runs of consecutive lvs) stand in leaves of 32; above them a B+tree counts visible code
// points and those above U+FFFF, so that a position finds its span in O(log n). A node holds the
// counts of its kids, so that a descent reads one or two cache lines a level and not each kid.
// Edits go through one cursor that remembers the leaf and slot of the last edit: typing at one
// place is O(1).
// An index from lv to leaf is built when the first remote edit asks for it, and kept from then on.
//
// Invariants
//   - A span's first atom has origins (lo, ro); each further one has the atom before it as left
//     origin and the same right origin. So a span may be cut anywhere and joined when adjacent.
//   - Counts in nodes are exact, and a branch knows its place in its parent. No leaf is empty but
//     the one of an empty text. Spans are never removed from the sequence, only merged inside one
//     leaf.
//   - All blocks come from one arena and live as long as the sequence.
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
  // Right after `a` in the document: the rest of its run?
  bool continues(const Span& a) const {
    return lv == a.lv + a.len() && lo == lv - 1 && ro == a.ro;
  }
};

// Code points, and how many of them are above U+FFFF: two sums that are added as one number.
// Differences may be below 0.
class Extent {
 public:
  Extent() = default;
  Extent(uint32_t chars, uint32_t wide) : both_(chars + (uint64_t{wide} << 32)) {}
  uint32_t chars() const { return static_cast<uint32_t>(both_); }
  uint32_t wide() const { return static_cast<uint32_t>(both_ >> 32); }
  void operator+=(Extent other) { both_ += other.both_; }
  void operator-=(Extent other) { both_ -= other.both_; }

 private:
  uint64_t both_ = 0;
};

struct Node;

struct Branch {  // what leaves and nodes share
  Node* parent;    // of the root: nullptr
  uint16_t count;  // spans or kids
  uint16_t place;  // among the parent's kids
};

struct Leaf : Branch {
  static constexpr uint32_t kSpans = 32;
  Leaf* next;
  Span spans[kSpans];
};

struct Node : Branch {
  static constexpr uint32_t kKids = 16;
  Extent sizes[kKids];  // visible in each kid
  Branch* kids[kKids];
};

// Zeroed blocks that are freed together.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();
  void* take(size_t size);
  void swap(Arena& other) { std::swap(last_, other.last_); }

 private:
  void** last_ = nullptr;  // each block begins with the address of the one before it
};

// lv -> leaf, as sorted ranges in chunks of 128.
class LeafIndex {
 public:
  explicit LeafIndex(Arena& arena) : arena_(arena) {}
  bool ready() const { return !chunks_.empty(); }
  void swap(LeafIndex& other) { chunks_.swap(other.chunks_); }  // and its arena, too
  Leaf* find(uint32_t lv) const { return floor(lv).leaf; }
  void begin(Leaf* leaf);  // where all atoms stand at first
  // The atoms [lv, end) stand in `leaf` now. `known` = number of atoms assigned so far or now.
  void assign(uint32_t lv, uint32_t end, Leaf* leaf, uint32_t known);

 private:
  struct Entry {
    uint32_t lv;
    Leaf* leaf;
  };
  struct Chunk {
    static constexpr uint32_t kEntries = 128;
    uint32_t count;
    Entry entries[kEntries];
  };
  struct Slot {
    uint32_t lv;  // of the first entry
    Chunk* chunk;
  };
  [[gnu::noinline]] Entry& floor(uint32_t lv) const;
  void put(uint32_t lv, Leaf* leaf);

  Arena& arena_;
  Vec<Slot> chunks_;
};

class Sequence {
 public:
  Sequence(CharLog& chars, Dots& dots);
  void swap(Sequence& other);  // text_compact.cpp; logs and dots have to be swapped as well

  uint32_t chars() const { return total_.chars(); }  // visible code points
  uint32_t wide() const { return total_.wide(); }    // visible code points above U+FFFF
  const Leaf* first() const { return first_; }

  // Puts the cursor right behind the first `chars` visible code points (there must be so many).
  void seek(uint32_t chars);
  // How many code points the first `units` visible UTF-16 units are (there must be so many). kNone
  // when they end inside a surrogate pair. Moves the cursor.
  SK_APART uint32_t code_points(uint32_t units);
  // Puts the cursor right behind an atom; kNone: at the start.
  void seek_atom(uint32_t atom);
  // Whether so many visible code points are before the cursor. (It may be that nobody knows.)
  bool stands_at(uint32_t chars) const {
    return counted_ && at_ + (leaf_->spans[slot_].dead() ? 0 : off_) == chars;
  }
  // Whether the cursor stands there, and the atom lv inserted there would lengthen the span that
  // ends there. If so, type() inserts it; its right origin is returned.
  bool types(uint64_t chars, uint32_t lv) const {
    const Span& span = leaf_->spans[slot_];
    return counted_ && off_ && off_ == span.meta && span.lv + off_ == lv &&
           at_ + off_ == chars && span.ro == right_atom();
  }
  uint32_t type() {
    Span& span = leaf_->spans[slot_];
    off_ = ++span.meta;
    known_ = span.lv + off_;
    add({1, 0});
    return span.ro;
  }
  // What stands left and right of the cursor, tombstones included; kNone at the ends.
  uint32_t left_atom() const { return off_ ? leaf_->spans[slot_].lv + off_ - 1 : kNone; }
  uint32_t right_atom() const;
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
  SK_APART uint32_t descend(uint32_t left, bool utf16);
  bool step(uint32_t chars);
  // The atoms [lv, lv + count), which are visible.
  Extent extent(uint32_t lv, uint32_t count) const {
    return {count, wide() ? log_.wide(lv, count) : 0};
  }
  void add(Extent size);
  void kill(uint32_t from, uint32_t to);
  static void shift(Span* span, uint32_t by);
  SK_APART void cut(uint32_t at);
  SK_APART bool join(uint32_t slot);
  SK_APART void open(uint32_t slot);
  SK_APART void room();
  [[gnu::noinline]] static void set(Node* node, uint32_t place, Branch* kid, Extent size);
  void hang(Branch* after, Branch* fresh, Extent size);
  void assign(const Span& span, Leaf* leaf) {
    index_.assign(span.lv, span.lv + span.len(), leaf, known_);
  }
  Spot find(uint32_t atom);
  bool precedes(uint32_t a, uint32_t b);
  void scan(const Span& fresh);
  void place(const Spot& spot);

  CharLog& log_;
  Dots& dots_;
  Arena arena_;
  LeafIndex index_{arena_};
  Node* root_;
  Leaf* first_;
  Extent total_;
  uint32_t height_ = 1;  // levels of nodes above the leaves
  uint32_t known_ = 0;   // all inserted atoms are below

  // The cursor. While counted_, at_ = visible atoms before slot_. Remote edits do not need it.
  Leaf* leaf_;
  uint32_t slot_ = 0, off_ = 0, at_ = 0;
  bool counted_ = true;
};

}  // namespace synckit::text
