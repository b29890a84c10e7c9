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
// core.wasm has another text, of the same formats: client/text.hpp.
//
// Threads: one caller at a time per instance; any number of threads at once.
#pragma once

#include <synckit/crdt.hpp>

#include "text_codec.hpp"
#include "text_tree.hpp"

namespace synckit::text {

// Collects what changed, left to right, as the patch format: equal neighbours become one op.
class PatchWriter {
 public:
  PatchWriter(Writer& out, Buffer& text) : out_(out), text_(text) { text_.clear(); }
  void retain(Extent size) { add(kRetain, size); }
  void erase(Extent size) { add(kErase, size); }
  void insert(const CharLog& log, uint32_t lv, uint32_t count) {
    add(kInsert, {1, 0});
    Writer text(text_);
    log.write(text, lv, count, false);
  }
  void insert(Bytes utf8) {
    add(kInsert, {utf8.empty() ? 0u : 1u, 0});
    Writer(text_).raw(utf8);
  }
  void finish() {
    if (kind_ != kRetain) flush();
  }

 private:
  static constexpr uint32_t kRetain = 0, kInsert = 1, kErase = 2;
  [[gnu::noinline]] void add(uint32_t kind, Extent size) {
    if (!size.chars()) return;
    if (kind != kind_) flush(), kind_ = kind;
    size_ += size;
  }
  void flush() {
    if (!size_.chars()) return;
    uint64_t size = kind_ == kInsert ? text_.len : size_.chars();
    out_.varint(size << 2 | kind_);
    if (kind_ == kInsert) {
      out_.raw(text_.bytes());
      text_.clear();
    } else {
      out_.varint(size_.wide());
    }
    size_ = {};
  }

  Writer& out_;
  Buffer& text_;
  uint32_t kind_ = kRetain;
  Extent size_;  // of what has not been written
};

class Text : public Crdt<Text> {
 public:
  static constexpr TypeInfo kInfo{"text"};

  Text() : tree_(chars_, dots_) {}

  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs) {
#if !defined(SYNCKIT_SMALL)
    if (type(stamp, intent)) {
      seqs = 1;
      if (delta.wanted() || patch.wanted()) tell_typed(stamp, intent, delta, patch);
      return {};
    }
#endif
    return change(stamp, intent, delta, patch, seqs);
  }
  Status merge(Bytes delta, Writer& patch);
  Status encode(const Version& since, Writer& delta) const;
  Status view(Writer& json) const;
  Status contents(Writer& parts) const;
  static Status inspect(Bytes delta, Summary& summary, Deps& deps);
  Status sample(uint64_t random, Writer& intent);

  uint32_t length() const { return tree_.chars(); }  // code points

  // text_anchor.cpp
  Status make_anchor(uint64_t position, uint32_t unit, uint32_t side, Writer& anchor);
  Status resolve_anchor(Bytes anchor, uint32_t unit, uint64_t& position, bool& deleted);
  // text_undo.cpp
  static constexpr size_t kMaxCopies = 1u << 16;  // restored runs that undo knows again
  Status capture(const Stamp& stamp, Bytes intent, Writer& token);
  Status revert(Bytes token, Writer& intents);
  // text_compact.cpp: O(n); gives memory back, and forgets nothing that is encoded.
  Status compact(const Version& stable);

 private:
  struct Splice {
    uint32_t position, erase;  // code points
    uint32_t chars, wide;      // of the text to insert
    Bytes text;
    Bytes restored;  // the runs of atoms that the text stands for, as in the intent
  };
  struct Placed : Atoms {
    Extent before;  // what is visible there
  };

  static Status too_many() {
    return Status::limit(SK_TEXT("text: more than kMaxAtoms code points, or kMaxReplicas writers"));
  }

  // What a call needs while it runs, kept for its memory: one per thread, not one per text.
  struct Work {
    Delta delta;
    Vec<Placed> places;    // what the patch of a merge has to tell
    Vec<Keyed> changes;    // where these stand
    Vec<uint32_t> others;  // that an op has named: indexes into Dots
    Buffer patch_text;
  };
  void write(Writer& out, bool json) const;
  static Work& work();
  // Gives the memory back when what was read was large. Rare, so apart from the hot path.
  static void done(Work& work, Bytes delta) {
    if (delta.len > kKeptDelta) release(work);
  }
  static constexpr size_t kKeptDelta = 4096;
  [[gnu::noinline]] static void release(Work& work);

  // text.cpp: local edits
#if !defined(SYNCKIT_SMALL)
  bool type(const Stamp& stamp, Bytes intent);
  SK_APART void tell_typed(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch);
#endif
  SK_APART Status change(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                         uint32_t& seqs);
  Status read_intent(Bytes intent, Splice& splice);
  Status check_stamp(const Stamp& stamp, uint32_t dots);
  SK_APART void tell_edit(const Splice& splice, Extent before, uint32_t wide, Writer& patch);
  void write_op(Vec<uint32_t>& others, const Stamp& stamp, uint32_t me, const Span& fresh,
                Bytes text, Writer& out);
  [[gnu::noinline]] uint32_t write_dot(Vec<uint32_t>& others, Writer& out, uint32_t me,
                                       uint64_t from, uint32_t lv);

  // text_merge.cpp
  static const Part& part_of(const Work& work, uint32_t g);
  static uint32_t atom(const Work& work, uint32_t origin);
  void apply(Work& work, Writer& patch);
  void put(Work& work, const Piece& piece, uint32_t before, bool loads);
  SK_APART void tell(Work& work, bool loads, Writer& patch);

  struct Copy {  // what an undo has put in the place of atoms that are gone
    uint32_t from, to, count;
  };
  struct Named {  // atoms by their dots; replica = index into Dots
    uint64_t seq;
    uint32_t replica, len;
  };
  static Status stranger() {
    return Status::malformed(SK_TEXT("text: names a dot that is no character here"));
  }
  Status find_atoms(uint64_t replica, uint64_t seq, uint64_t count, Vec<Atoms>& out);
  Status read_runs(Reader& in, Vec<Atoms>& out, uint64_t& sum);
  void name(uint32_t lv, uint32_t count, Vec<Named>& out) const;
  void write_runs(const Vec<Named>& runs, Writer& out) const;
  SK_APART Status read_restore(Bytes intent, Splice& splice);
  SK_APART void remember(Bytes runs, uint32_t lv);
  void add_copies(Vec<Atoms>& runs) const;
  void undo_insert(Vec<Atoms>& runs, Writer& intents);
  void undo_erase(Vec<Atoms>& runs, Bytes text, Writer& intents);
  void move_copies(Text& fresh) const;
  Vec<Copy> copies_;  // in the order in which they were made; no part of the state

  CharLog chars_;
  Dots dots_;
  Sequence tree_;
};

}  // namespace synckit::text
