// The leaves of a text: spans (runs of atoms) in document order, 32 in each, how much of a
// leaf is visible, and which leaf an atom stands in.
//
// Above the leaves stands a B+tree that counts visible code points and those above U+FFFF, so that
// a position finds its leaf in O(log n); a node holds the counts of its kids, so that a descent
// reads one or two cache lines a level and not each kid. An index from atoms to leaves, as sorted
// ranges, is built when the first remote edit asks for it.
//
// Invariants
//   - A span's first atom has origins (lo, ro); each further one has the atom before it as left
//     origin and the same right origin. So a span may be cut anywhere and joined when adjacent.
//   - Sizes are exact. No leaf is empty but the one of an empty text. Leaves live as long as the
//     text and are never taken out.
//
// Threads: as the document that owns them.
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
  // Code points, or UTF-16 units.
  uint32_t units(bool utf16) const { return chars() + (utf16 ? wide() : 0); }
  void operator+=(Extent other) { both_ += other.both_; }
  void operator-=(Extent other) { both_ -= other.both_; }

 private:
  uint64_t both_ = 0;
};

// Zeroed memory.
inline void* blank(size_t size) {
  void* block = std::calloc(1, size);
  if (!block) out_of_memory();
  return block;
}

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

// All blocks come from one arena; a branch knows its place in its parent.
class Leaves {
 public:
  Leaves();
  void swap(Leaves& other);

  Leaf* first() const { return first_; }
  Extent total() const { return total_; }
  Leaf* fresh() { return static_cast<Leaf*>(arena_.take(sizeof(Leaf))); }
  // Counts what has come to stand in a leaf.
  void add(Leaf* leaf, Extent size) {
    total_ += size;
    const Branch* at = leaf;
    for (Node* node; (node = at->parent); at = node) node->sizes[at->place] += size;
  }
  // Puts a fresh leaf behind another. Its spans come from there; so much of them is visible.
  void hang(Leaf* after, Leaf* fresh, Extent size) {
    fresh->next = after->next;
    after->next = fresh;
    hang_branch(after, fresh, size);
    if (!index_.ready()) return;
    for (uint32_t i = 0; i < fresh->count; ++i) assign(fresh->spans[i], fresh);
  }
  // The leaf with the end of the first `left` visible units. `left` gets how many of these are
  // there, `at` the code points before it.
  Leaf* seek(uint32_t& left, bool utf16, uint32_t& at) const;
  // What is visible in front of a leaf.
  Extent before(const Leaf* leaf) const;
  // Whether a leaf stands before another one.
  static bool precedes(const Leaf* a, const Leaf* b);

  // The leaf in which an atom stands.
  Leaf* find(uint32_t lv);
  // The latest atoms have come to stand in a leaf.
  void assign(const Span& span, Leaf* leaf) {
    uint32_t end = span.lv + span.len();
    lengthened(end);
    if (index_.ready()) index_.assign(span.lv, end, leaf, known_);
  }
  // A span was lengthened by the latest atoms, which end there.
  void lengthened(uint32_t end) {
    if (known_ < end) known_ = end;
  }

 private:
  [[gnu::noinline]] static void set(Node* node, uint32_t place, Branch* kid, Extent size);
  void hang_branch(Branch* after, Branch* fresh, Extent size);

  Arena arena_;
  LeafIndex index_{arena_};
  Node* root_;
  Leaf* first_;
  Extent total_;
  uint32_t height_ = 1;  // levels of nodes above the leaves
  uint32_t known_ = 0;   // all inserted atoms are below
};

}  // namespace synckit::text
