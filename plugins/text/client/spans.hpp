// The sequence of a text in a browser: spans of atoms, tombstones included, in two splay trees.
//
// Why: the structures of the other builds (text_tree.hpp and what is below it) are made for speed
// and memory. Here code counts, so one small tree serves for everything that is looked up or
// sorted: by place in the text, with sums of UTF-16 units, and by the name of an atom. A span takes
// 112 bytes here, where it takes about 50 there.
//
// Invariants
//   - A span's first atom has origins (lo, ro); each further one has the atom before it as left
//     origin and the same right origin. So a span may be cut anywhere.
//   - The text begins with kStart and ends with kEnd, which are spans of their own: every origin is
//     an atom.
//   - The text of a span is at most 4 kMost bytes, so that counting in it is O(1).
//   - Deleted text is let go once more was inserted since than was there. Tombstones stay.
//   - Bytes from a damaged store may claim anything. They can make a text that makes no sense, but
//     nothing is read past its end, and everything ends.
//
// Cost: O(log n) amortized, n spans.
//
// Threads: as the document that owns them.
#pragma once

#include <synckit/crdt.hpp>

namespace synckit::text::client {

// A dot in one number: the index of its replica, and the seq. Seqs count up without gaps, so no
// document comes near the end of theirs.
using Atom = uint64_t;
constexpr uint32_t kSeqBits = 47;
constexpr Atom kStart = 0, kEnd = 1;
constexpr uint32_t kAll = 0xffffffff;

// Moves over so many code points, or until there are `most` UTF-16 units, but over no character
// that is cut short. Returns how many units these are; `atoms` gets how many code points are left.
uint32_t scan(const uint8_t*& at, const uint8_t* end, uint32_t& atoms, uint32_t most);

// What a span is in a tree.
struct Link {
  static constexpr uint64_t kMark = uint64_t{1} << 32;
  Link *up, *kid[2];
  uint64_t own;  // visible units, and kMark if it is marked
  uint64_t sum;  // of what hangs here
};

// A splay tree of links.
class Tree {
 public:
  Link* root = nullptr;  // never empty once it is in use

  // Makes it the root.
  void splay(Link& link);
  void insert(Link& before, Link& fresh);
  // Takes out what comes right behind `before`.
  void remove(Link& before, Link& gone);
  void set(Link& link, uint64_t own);
  bool marked() const { return root->sum >= Link::kMark; }
  // The first one that is marked, now the root and without its mark; nullptr when there is none.
  Link* pop();

  static uint64_t sum(const Link* link) { return link ? link->sum : 0; }

 private:
  static void add_up(Link& link) { link.sum = link.own + sum(link.kid[0]) + sum(link.kid[1]); }
  static void rotate(Link& link);
  static void hang(Link& link, Link* right);
};

struct Place : Link {};  // in the order of the text; marked: the patch has to tell of it
struct Name : Link {};   // by atom; marked: is going to be deleted

struct Span : Place, Name {
  Span* next;  // in the text
  Atom id, lo, ro;
  uint32_t len;      // atoms
  uint32_t at, end;  // its text; of a tombstone: until the patch has told of it

  uint32_t visible() const { return static_cast<uint32_t>(Place::own); }
  Atom last() const { return id + len - 1; }
};

class Spans {
 public:
  Spans();
  ~Spans();

  uint32_t units() const { return static_cast<uint32_t>(places_.root->sum); }
  const Span* first() const { return &start_; }
  const uint8_t* text(const Span& span) const { return text_.data + span.at; }

  // The span that ends behind so many visible units (there are so many); nullptr inside of a pair.
  Span* seek(uint32_t units);
  // The span with that atom, nullptr without one.
  Span* find(Atom atom);
  // The seq 0 of a replica, which is no atom yet.
  Atom zero_of(uint64_t replica);
  SK_ONCE uint64_t replica_of(Atom atom) const {
    uint64_t index = atom >> kSeqBits;
    return index < replicas_.size() ? replicas_[static_cast<size_t>(index)] : 0;
  }

  // What is going to be deleted: what is visible of these atoms. False when not all are here.
  bool mark(Atom atom, uint64_t count);
  void mark(Span& span) { names_.set(static_cast<Name&>(span), Link::kMark); }
  bool marked() const { return names_.marked(); }
  // Takes the mark from the span with the lowest atom; nullptr when there is none.
  Span* pop() { return by_name(names_.pop()); }
  void kill_marked(bool really);  // or only takes the marks away

  // Inserts atoms where they belong (FORMAT.md, "Order"); of known ones, which come first, the dead
  // are marked. Moves `text` over theirs. False when an origin is not here.
  bool put(Atom id, Atom lo, Atom ro, uint32_t count, bool dead, const uint8_t*& text,
           const uint8_t* end);
  // Writes as a patch what has changed since the last call.
  void tell(Writer& patch);

 private:
  static constexpr uint32_t kMost = 1024;
  static constexpr size_t kSweepBytes = 4096;

  static Span* by_place(Link* link) { return static_cast<Span*>(static_cast<Place*>(link)); }
  static Span* by_name(Link* link) { return static_cast<Span*>(static_cast<Name*>(link)); }
  Span& add(Span& before, Link& below, const Span& contents);
  // Cuts a span behind so many atoms or units, where it has more. Returns the units in front.
  uint32_t cut(Span& span, uint64_t atoms, uint32_t most = kAll);
  Span* begin(Atom atom);  // the span that begins with that atom
  bool precedes(Atom a, Atom b);
  void join(Span& span);
  void sweep();

  Tree places_, names_;
  Vec<uint64_t> replicas_;  // by index; the first is nobody, who has kStart and kEnd
  Vec<Dot> by_id_;          // the others, ascending; seq: the index
  Span start_{};
  Buffer text_;  // of all spans
  size_t sweep_at_ = kSweepBytes;  // from this length on deleted text is let go
};

}  // namespace synckit::text::client
