// The delta formats of the text type, decoded and checked without a document. Bytes: FORMAT.md.
//
// Both kinds, an author's edit ("op") and a catch-up or snapshot ("state"), decode to one Delta.
// The atoms that it carries are numbered g = 0, 1, 2 ... such that everything an atom builds on
// inside the delta has a smaller number; pieces speak of them as kCarried + g. The atoms that it
// only names are looked up while it is read, where there is a document: pieces have their lvs.
//
// Invariants after decode() returned SK_OK
//   - pieces partition [0, atoms), and so do the segments.
//   - An origin is kNone, kCarried + a smaller g, or (with a document) a lv.
//   - Memory used is at most a small multiple of the input and of the runs of atoms that it names.
//
// Threads: a Delta is a plain value; decode() of distinct ones may run in parallel.
#pragma once

#include <synckit/crdt.hpp>

#include "text_chars.hpp"
#include "text_dots.hpp"

namespace synckit::text {

// First byte of a delta. FORMAT.md has the layouts.
constexpr uint8_t kOp = 1, kState = 2;
constexpr uint8_t kErases = 4, kInserts = 8, kTyping = 16;  // flags of an op

constexpr uint32_t kCarried = kMaxAtoms;
constexpr uint32_t kDeadBit = 1u << 31;
constexpr uint64_t kMaxDeltaBytes = 1u << 30;

// A run of atoms that stand together, with the origins of the first one.
struct Piece {
  uint32_t g;
  uint32_t meta;         // length, and kDeadBit for a tombstone
  uint32_t lo, ro;       // encoding: lvs of the origins; decoding: `lo` = offset of its text
  uint32_t edge[2];      // first and last atom; encoding: lvs, decoding: numbers
  uint32_t origin[2];    // left and right one: predicted, unless the delta says otherwise
  uint32_t older;        // see predict()

  uint32_t len() const { return meta & ~kDeadBit; }
  bool dead() const { return (meta & kDeadBit) != 0; }
};

// To be called for each piece, in document order. Predicts that its origins are the edges of the
// nearest pieces left and right whose atoms are older (smaller g): so it is, unless somebody
// wrote concurrently.
void predict(Vec<Piece>& pieces, uint32_t index);

// The ends of the latest pieces that nothing has continued yet: most pieces are the rest of one
// that a later insertion has cut, and begin where one of these ends. Latest last.
struct OpenEnds {
  static constexpr uint32_t kSize = 15;
  uint32_t ends[kSize];
  uint32_t count = 0;

  uint32_t take(uint32_t i) {  // the i-th latest
    uint32_t at = count - 1 - i, g = ends[at];
    std::memmove(ends + at, ends + at + 1, i * sizeof *ends);
    --count;
    return g;
  }
  void push(uint32_t g) {
    if (count == kSize) take(kSize - 1);
    ends[count++] = g;
  }
};

struct Author {
  uint64_t id;
  uint64_t base;   // state: carries what comes behind this dot, knows this one
  uint64_t max;    // highest dot that is covered; = base when it carries nothing
  uint64_t need;   // highest dot that must be known already
  uint64_t seen;   // highest dot that is known here
  uint64_t last;   // decoding: the end of its latest run
  uint32_t local;  // index into Dots, kNone for a stranger
};

// A run of atoms with consecutive dots, which the delta carries or (author = kNone) deletes.
struct Part {
  uint64_t seq;
  uint32_t g;   // number of the first
  uint32_t lv;  // with a document: where they are there, or (from its count() on) will be
  uint32_t count, author;
};

struct Delta {
  bool state = false, sequential = false;  // sequential: every origin is the predicted one
  uint64_t first = 0;     // op: the first dot of the whole edit
  uint32_t atoms = 0;     // that it carries
  Vec<Author> authors;    // op: the author, then others as they are named; state: ascending by id
  Vec<Part> parts;        // ascending by g; of those with one g, the one that is carried is last
  Vec<Piece> pieces;      // in document order
  Vec<Keyed> order;       // pieces by g
  Bytes text;             // of all visible pieces, in document order

  constexpr Delta() {}
  // Reads and checks. With the `dots` of a document also against these: MISSING_DEPS, or MALFORMED
  // for a name that is no atom.
  Status decode(Bytes bytes, Dots* dots);
  void summarize(Summary& summary, Deps& deps) const;

 private:
  enum class Use : uint8_t { origin, erase, carry };

  // Whatever is wrong ends the reading; the first reason is the one that is reported.
  [[gnu::noinline]] void fail(const char* why);
  void too_many();
  [[gnu::noinline]] uint32_t number(size_t below);
  void decode_op(uint8_t flags);
  [[gnu::noinline]] void decode_state();  // rare: apart from the hot path
  [[gnu::noinline]] void add_author(uint64_t id, uint64_t base, uint64_t max);
  void read_authors();
  [[gnu::noinline]] void read_runs(Use use);
  void read_pieces();
  void read_exceptions();
  void read_text();
  [[gnu::noinline]] uint32_t take(uint32_t author, uint64_t seq, uint64_t tail, Use use);
  [[gnu::noinline]] uint32_t other();
  [[gnu::noinline]] uint32_t op_dot(uint64_t from, bool* more);
  uint32_t state_origin(uint32_t g);

  Dots* dots_ = nullptr;
  uint32_t next_ = 0;   // lv of the next new atom
  size_t names_ = 0;    // runs of atoms that must be known
  size_t replicas_ = 0; // of the field, with those that the delta brings
  bool missing_ = false;
  union {  // set by decode(): an empty Delta is a constant
    char none_ = 0;
    Reader in_;
  };
  Status wrong_;
};

}  // namespace synckit::text
