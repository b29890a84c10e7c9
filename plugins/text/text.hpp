// The built-in `text` type: a sequence of Unicode code points that many replicas edit at once.
//
// Each inserted code point is an atom with a dot; a delete takes one dot however much it removes.
// Atoms carry the neighbours that their writer saw (left and right origin), which fixes one total
// order for everybody: FugueMax (arXiv:2305.00583), so runs typed together never interleave.
// FORMAT.md documents intents, patches and deltas byte by byte.
//
// Cost: n spans (runs of typing), position -> span O(log n), typing at one place O(1), a remote
// edit O(log n) plus what was written concurrently at the same place. Memory: 16 bytes a span and
// 1, 2 or 4 bytes an atom, whichever its page of 1,024 atoms needs.
//
// Invariants
//   - A call that fails has changed nothing (out of memory apart: see crdt.hpp).
//   - Equal sets of merged deltas give equal views and equal encodings, whatever the order.
//
// Threads: one caller at a time per instance; inspect() is reentrant.
#pragma once

#include <synckit/crdt.hpp>

#include "text_codec.hpp"
#include "text_tree.hpp"

namespace synckit::text {

// Collects what changed, left to right, as the patch format: equal neighbours become one op.
class PatchWriter {
 public:
  PatchWriter(Writer& out, Buffer& text) : out_(out), text_(text) { text_.clear(); }
  void retain(uint32_t chars, uint32_t wide) { add(kRetain, chars, wide); }
  void erase(uint32_t chars, uint32_t wide) { add(kErase, chars, wide); }
  void insert(const CharLog& log, uint32_t lv, uint32_t count) {
    add(kInsert, 1, 0);
    Writer text(text_);
    log.write(text, lv, count, false);
  }
  void insert(Bytes utf8) {
    add(kInsert, 1, 0);
    Writer(text_).raw(utf8);
  }
  void finish() {
    if (kind_ != kRetain) flush();
  }

 private:
  static constexpr uint32_t kRetain = 0, kInsert = 1, kErase = 2;
  void add(uint32_t kind, uint32_t chars, uint32_t wide) {
    if (chars == 0) return;
    if (kind != kind_) flush(), kind_ = kind;
    chars_ += chars;
    wide_ += wide;
  }
  void flush() {
    if (!chars_) return;
    uint64_t size = kind_ == kInsert ? text_.len : chars_;
    out_.varint(size << 2 | kind_);
    if (kind_ == kInsert) {
      out_.raw(text_.bytes());
      text_.clear();
    } else {
      out_.varint(wide_);
    }
    chars_ = wide_ = 0;
  }

  Writer& out_;
  Buffer& text_;
  uint32_t kind_ = kRetain, chars_ = 0, wide_ = 0;
};

class Text : public Crdt<Text> {
 public:
  static constexpr TypeInfo kInfo{"text"};

  Text() : tree_(chars_, dots_) {}

  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs);
  Status merge(Bytes delta, Writer& patch);
  Status encode(const Version& since, Writer& delta) const;
  Status view(Writer& json) const;
  static Status inspect(Bytes delta, Summary& summary, Deps& deps);
  Status sample(uint64_t random, Writer& intent);

  uint32_t length() const { return tree_.chars(); }  // code points

 private:
  struct Splice {
    uint32_t position, erase;  // code points
    uint32_t chars, wide;      // of the text to insert
    Bytes text;
  };
  struct AtomRun {
    uint32_t lv, count;
  };
  struct Job {  // atoms to integrate
    uint32_t lv, count, lo, ro;
    const uint8_t* text;  // nullptr: tombstones
  };

  // text.cpp: local edits
  Status read_intent(Bytes intent, Splice& splice);
  void write_op(const Stamp& stamp, uint32_t me, const Splice& splice, Writer& out);
  void write_dot(Writer& out, uint32_t me, uint64_t from, uint32_t author, uint64_t seq);
  void write_origin(Writer& out, uint32_t me, uint64_t from, uint32_t atom);
  void note_author(uint32_t me, uint32_t author);

  // text_merge.cpp
  Status resolve();
  Status resolve_atoms(const SeqRun& run);
  Status resolve_segments(uint32_t& end);
  Status resolve_piece(const Piece& piece, size_t& segment);
  Status resolve_origin(uint32_t origin, uint32_t& atom);
  Status resolve_number(uint32_t g, uint32_t& atom);
  void apply(Writer& patch);
  void load();
  bool integrate(PatchWriter& out, bool wanted);
  void sweep(uint32_t before, PatchWriter& out);

  CharLog chars_;
  Dots dots_;
  Sequence tree_;

  // Scratch, kept for its memory.
  Delta delta_;
  bool loads_ = false;  // the delta in hand is taken by load()
  Vec<Job> jobs_;
  Vec<AtomRun> kills_;
  Vec<Keyed> changed_, spare_;  // atoms that a merge has deleted: lv, count
  Vec<SeqRun> gone_;            // author = index into Dots
  Vec<uint32_t> table_;         // foreign authors of an op, ascending by id
  Buffer patch_, patch_text_;
};

}  // namespace synckit::text
