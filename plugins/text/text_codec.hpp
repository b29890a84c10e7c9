// The delta formats of the text type, decoded and checked without a document. Bytes: FORMAT.md.
//
// Both kinds, an author's edit ("op") and a catch-up or snapshot ("state"), decode to one Delta:
// authors, deletions of atoms that it does not carry, and pieces of atoms that it does carry.
// The carried atoms are numbered g = 0, 1, 2 ... such that everything an atom builds on inside the
// delta has a smaller number; segments tell which dot a number means.
//
// Invariants after decode() returned SK_OK
//   - pieces partition [0, atoms), and so do segments; `order` lists pieces by ascending g.
//   - An origin is kNone, a smaller g, or kOutside | index into `outside`.
//   - Memory used is at most a small multiple of the input.
//
// Threads: a Delta is a plain value; decode() of distinct ones may run in parallel.
#pragma once

#include <synckit/crdt.hpp>

#include "text_chars.hpp"
#include "text_dots.hpp"

namespace synckit::text {

// First byte of a delta. FORMAT.md has the layouts.
constexpr uint8_t kOp = 1, kState = 2, kKindMask = 3;
constexpr uint8_t kErases = 4, kInserts = 8, kTable = 16, kTyping = 32;  // flags of an op

constexpr uint32_t kOutside = 1u << 31;
constexpr uint32_t kDeadBit = 1u << 31;
constexpr uint64_t kMaxDeltaBytes = 1u << 30;

struct Keyed {
  uint64_t key;
  uint32_t value;
};
void sort(Vec<Keyed>& items, Vec<Keyed>& spare);  // by key, stable

// A run of atoms that stand together, with the origins of the first one.
struct Piece {
  uint32_t g;
  uint32_t meta;    // length, and kDeadBit for a tombstone
  uint32_t lo, ro;  // decoding: see Delta; encoding: lvs
  // Encoding: lv of the first and the last atom. Decoding: `first` = offset of its text.
  uint32_t first, last;
  uint32_t replica, rank;  // encoding only: index into Dots, number among its carried atoms

  uint32_t len() const { return meta & ~kDeadBit; }
  bool dead() const { return (meta & kDeadBit) != 0; }
};

// For each piece, in document order, the nearest pieces left and right whose atoms are older
// (smaller g): index or kNone. The origins, unless somebody wrote there concurrently.
void predict(const Vec<Piece>& pieces, Vec<uint32_t>& left, Vec<uint32_t>& right);

// The ends of the latest pieces that nothing has continued yet: most pieces are the rest of one
// that a later insertion has cut, and begin where one of these ends.
class OpenEnds {
 public:
  static constexpr uint32_t kSize = 15;
  uint32_t count() const { return count_; }
  uint32_t find(uint32_t g) const {  // kSize when it is none of them
    for (uint32_t i = 0; i < count_; ++i) {
      if (ends_[i] == g) return i;
    }
    return kSize;
  }
  uint32_t take(uint32_t i) {
    uint32_t g = ends_[i];
    --count_;
    std::memmove(ends_ + i, ends_ + i + 1, (count_ - i) * sizeof *ends_);
    return g;
  }
  void push(uint32_t g) {
    if (count_ < kSize) ++count_;
    std::memmove(ends_ + 1, ends_, (count_ - 1) * sizeof *ends_);
    ends_[0] = g;
  }

 private:
  uint32_t ends_[kSize];
  uint32_t count_ = 0;
};

struct Author {
  uint64_t id;
  uint64_t base;  // state: carries what comes behind this dot, knows this one
  uint64_t max;   // highest dot that is covered; = base when it carries nothing
  uint64_t need;  // highest dot that must be known already
  uint32_t local;         // set by merge: index into Dots
  uint32_t run, run_end;  // decoding: its seq runs in Delta::runs
};

struct Segment {  // of the atoms that a delta carries
  uint64_t seq;
  uint32_t g, author, len;
  uint32_t known, lv;  // set by merge: atoms already known, lv of the first other one
};

struct SeqRun {
  uint64_t seq;
  uint32_t author, len;
};

struct Delta {
  bool state, sequential;  // sequential: every origin is the predicted one
  uint64_t first;          // op: the first dot of the whole edit
  uint32_t atoms;
  Vec<Author> authors;    // op: the author, then the table; state: ascending by id
  Vec<SeqRun> gone;       // deleted atoms that the delta does not carry
  Vec<SeqRun> runs;       // state: carried seqs by author
  Vec<SeqRun> outside;    // dots that origins name; len unused
  Vec<Segment> segments;  // ascending by g
  Vec<Piece> pieces;      // in document order
  Vec<Keyed> order, spare;
  Vec<uint32_t> left, right;
  Bytes text;  // of all visible pieces, in document order

  Status decode(Bytes bytes);
  void summarize(Summary& summary, Deps& deps) const;

 private:
  Status decode_op(Reader& in, uint8_t flags);
  Status decode_state(Reader& in);
  Status read_authors(Reader& in);
  Status read_runs(Reader& in);
  Status read_segments(Reader& in);
  Status read_pieces(Reader& in);
  Status read_exceptions(Reader& in);
  Status read_text(Bytes rest);
  bool op_dot(Reader& in, uint8_t flags, uint64_t from, SeqRun& out);
  bool op_origin(Reader& in, uint8_t flags, uint64_t from, uint32_t& origin);
  bool state_origin(Reader& in, uint32_t g, uint32_t& origin);
};

}  // namespace synckit::text
