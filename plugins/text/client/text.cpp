// Intents, deltas and contents: see text.hpp, and ../FORMAT.md for the bytes.
#include "text.hpp"

namespace synckit::text::client {
namespace {

// First byte of a delta.
constexpr uint8_t kOp = 1, kState = 2;
constexpr uint8_t kErases = 4, kInserts = 8, kTyping = 16;  // flags of an op
constexpr uint32_t kMaxAtoms = 1u << 28;                     // that a delta carries
constexpr uint32_t kEnds = 15;                               // see FORMAT.md, "start"

// Writes the dots of one edit. Replicas are told by their place among those named before.
class EditDots {
 public:
  EditDots(Writer& out, const Spans& spans) : out_(out), spans_(spans) {}

  // `base`: an atom of the author.
  void write(Atom base, Atom atom) {
    uint64_t replica = spans_.replica_of(atom), whose = atom >> kSeqBits << kSeqBits;
    uint32_t which = 0;
    if (!replica) return out_.byte(0);
    if (replica == spans_.replica_of(base)) return out_.varint((base - atom) << 1);
    out_.varint((atom - whose) << 1 | 1);
    while (which < others_.size() && others_[which] != replica) ++which;
    out_.varint(which);
    if (which < others_.size()) return;
    out_.fixed64(replica);
    others_.push_back(replica);
  }

 private:
  Writer& out_;
  const Spans& spans_;
  Vec<uint64_t> others_;
};

// Reads a delta and merges it.
class Delta {
 public:
  Delta(Spans& spans, Bytes delta) : spans_(spans), in_(delta) {}
  bool merge() {
    uint8_t kind = in_.byte();
    if (kind == kState) {
      merge_state();
    } else {
      merge_edit(kind);
    }
    return in_.ok();
  }

 private:
  struct Author {
    Atom zero, last;
  };
  struct Run {  // of atoms, from that number on
    uint32_t number;
    Atom first;
  };
  struct Piece {
    uint32_t number, len;  // of its first atom; how many
    bool dead;
    uint32_t older;  // see predict()
    uint32_t lo, ro;
    const uint8_t* text;
  };

  Author& author(uint64_t which);
  void merge_edit(uint8_t kind);
  Atom read_dot(Atom base, Atom none);
  void merge_state();
  void read_runs(bool carried);
  void read_pieces();
  void predict(uint32_t index);
  uint32_t read_origin(uint32_t number, uint32_t none);
  void read_exceptions();
  void read_text();
  void merge_pieces();
  const Run& run_of(uint32_t number) const;
  Atom atom_of(uint32_t number) const {
    const Run& run = run_of(number);
    return run.first + (number - run.number);
  }

  Spans& spans_;
  Reader in_;  // fails where something is wrong, and so ends all loops
  Vec<Author> authors_;  // of an edit: its own, then others as they are named
  Vec<Run> runs_;  // ascending
  Vec<Piece> pieces_;
  uint32_t atoms_ = 0;   // carried ones
  const uint8_t* end_ = nullptr;
};

Delta::Author& Delta::author(uint64_t which) {
  if (which < authors_.size()) return authors_[static_cast<size_t>(which)];
  in_.fail();
  return authors_.add() = {};
}

// ---- edits ------------------------------------------------------------------------------------

Atom Delta::read_dot(Atom base, Atom none) {
  uint64_t code = in_.varint();
  if (!code) return none;
  if (!(code & 1)) return base - (code >> 1);
  uint64_t which = in_.varint() + 1;
  if (which == authors_.size()) authors_.add().zero = spans_.zero_of(in_.fixed64());
  return author(which).zero + (code >> 1);
}

void Delta::merge_edit(uint8_t kind) {
  Atom base = spans_.zero_of(in_.fixed64());
  authors_.add();  // the author, whose dots are told by their distance
  base += in_.varint();
  if (kind & kErases) {
    for (uint64_t run = 1; run & 1;) {
      Atom first = read_dot(base, kStart);
      run = in_.varint();
      if (!spans_.mark(first, (run >> 1) + 1)) in_.fail();
    }
    ++base;
  }
  if (!(kind & kInserts)) return;
  Atom lo = kind & kTyping ? base - 1 : read_dot(base, kStart), ro = read_dot(base, kEnd);
  if (!in_.ok()) return;
  Bytes text = in_.rest();
  const uint8_t *at = text.data, *end = at + text.len;
  uint32_t left = kAll;
  scan(at, end, left, kAll);
  if (at != end || !spans_.put(base, lo, ro, kAll - left, false, text.data, end)) in_.fail();
}

// ---- states -----------------------------------------------------------------------------------
// All atoms that a state speaks of have numbers: those that it carries come first, then kStart,
// kEnd, and those that it names.

const Delta::Run& Delta::run_of(uint32_t number) const {
  size_t low = 0, high = runs_.size();
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    (runs_[middle].number <= number ? low : high) = middle;
  }
  return runs_[low];
}

void Delta::merge_state() {
  for (uint64_t count = in_.varint(); count && in_.ok(); --count) {
    Atom zero = spans_.zero_of(in_.fixed64());
    authors_.add() = {zero, zero + in_.varint()};
    in_.varint();  // how much is carried of it: shows in the runs
  }
  read_runs(true);
  runs_.add() = {atoms_, kStart};  // and kEnd behind it
  for (Author& author : authors_) author.last = author.zero;
  read_runs(false);
  read_pieces();
  read_exceptions();
  read_text();
  if (in_.ok()) merge_pieces();
}

// The carried atoms, or the deleted ones that are not carried.
void Delta::read_runs(bool carried) {
  while (uint64_t gap = in_.varint()) {
    uint64_t who = authors_.size() == 1 ? 0 : in_.varint(), tail = in_.varint();
    Author& whose = author(who);
    Atom first = whose.last + gap;
    whose.last = first + tail;
    if (!carried) {
      if (!spans_.mark(first, tail + 1)) in_.fail();
    } else if (tail < kMaxAtoms - atoms_) {
      runs_.add() = {atoms_, first};
      atoms_ += static_cast<uint32_t>(tail) + 1;
    } else {
      in_.fail();
    }
  }
}

void Delta::read_pieces() {
  for (uint32_t left = atoms_; left && in_.ok();) {
    uint64_t code = in_.varint(), length = (code >> 1) + 1;
    if (length > left) return in_.fail();
    Piece& piece = pieces_.add();
    piece.len = static_cast<uint32_t>(length);
    piece.dead = code & 1;
    left -= piece.len;
  }
  Vec<uint32_t> ends;  // of the latest pieces that nothing has continued, latest first
  uint32_t end = 0;
  for (uint32_t i = 0; i < pieces_.size(); ++i) {
    auto code = static_cast<uint32_t>(in_.varint());
    Piece& piece = pieces_[i];
    if (code < ends.size()) {
      piece.number = ends[code];
      ends.erase(code);
    } else {
      code -= kEnds;
      piece.number = (code >> 1 ^ (~(code & 1) + 1)) + end;  // zigzag; wraps for nonsense
    }
    if (uint64_t{piece.number} + piece.len > atoms_) return in_.fail();
    end = piece.number + piece.len;
    ends.insert(0, end);
    if (ends.size() > kEnds) ends.pop_back();
    predict(i);
  }
}

// Takes for origins the edges of the nearest pieces left and right whose atoms are older. Pieces
// that are older than all behind them form a chain, which ends at the last one.
void Delta::predict(uint32_t index) {
  Piece& piece = pieces_[index];
  uint32_t at = index - 1;  // kAll for the first
  for (; at != kAll && pieces_[at].number > piece.number; at = pieces_[at].older) {
    pieces_[at].ro = piece.number;
  }
  piece.older = at;
  piece.lo = at == kAll ? atoms_ : pieces_[at].number + pieces_[at].len - 1;
  piece.ro = atoms_ + 1;
}

// An origin that differs from the prediction.
uint32_t Delta::read_origin(uint32_t number, uint32_t none) {
  uint64_t code = in_.varint(), value = (code - 1) >> 1;
  if (!code) return none;
  if (code & 1) {
    if (value - 1 >= number) in_.fail();
    return number - static_cast<uint32_t>(value);
  }
  number = runs_.back().number + 2;  // kEnd has the one between
  runs_.add() = {number, author(value).zero + in_.varint()};
  return number;
}

void Delta::read_exceptions() {
  uint64_t at = 0;
  while (uint64_t gap = in_.varint()) {
    at += gap;
    if (at - 1 >= pieces_.size()) return in_.fail();
    Piece& piece = pieces_[static_cast<size_t>(at - 1)];
    piece.lo = read_origin(piece.number, atoms_);
    piece.ro = read_origin(piece.number, atoms_ + 1);
  }
}

void Delta::read_text() {
  bool good = in_.ok();
  Bytes text = in_.rest();
  const uint8_t* at = text.data;
  end_ = at + text.len;
  for (Piece& piece : pieces_) {
    piece.text = at;
    uint32_t left = piece.dead ? 0 : piece.len;
    scan(at, end_, left, kAll);
    if (left) good = false;
  }
  if (!good || at != end_) in_.fail();
}

// By ascending number, since that is how pieces build on each other.
void Delta::merge_pieces() {
  size_t step = 1;  // Shell's sort
  while (step < pieces_.size()) step = 3 * step + 1;
  while (step /= 3) {
    for (size_t i = step; i < pieces_.size(); ++i) {
      Piece piece = pieces_[i];
      size_t at = i;
      for (; at >= step && pieces_[at - step].number > piece.number; at -= step) {
        pieces_[at] = pieces_[at - step];
      }
      pieces_[at] = piece;
    }
  }
  for (Piece& piece : pieces_) {
    Atom lo = atom_of(piece.lo), ro = atom_of(piece.ro);
    while (piece.len) {
      const Run* run = &run_of(piece.number);
      uint32_t count = run[1].number - piece.number;
      Atom id = atom_of(piece.number);
      if (count > piece.len) count = piece.len;
      if (!spans_.put(id, lo, ro, count, piece.dead, piece.text, end_)) return in_.fail();
      piece.number += count;
      piece.len -= count;
      lo = id + count - 1;
    }
  }
}

}  // namespace

Status Text::mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                    uint32_t& seqs) {
  Reader in(intent);
  in.byte();  // the only caller counts in UTF-16 units
  auto at = static_cast<uint32_t>(in.varint()), erase = static_cast<uint32_t>(in.varint());
  Bytes text = in.rest();
  uint32_t size = spans_.units(), left = kAll;
  Span* span = nullptr;
  if (at > size || erase > size - at || !spans_.seek(at + erase) || !(span = spans_.seek(at))) {
    return Status::malformed(SK_TEXT("text: past the end, or inside a surrogate pair"));
  }
  const uint8_t* from = text.data;
  scan(from, text.data + text.len, left, kAll);
  seqs = kAll - left + (erase ? 1 : 0);
  if (!seqs) return {};

  Buffer edit;
  Writer out(edit);
  EditDots dots(out, spans_);
  Atom lo = span->last(), ro = span->next->id, base = spans_.zero_of(stamp.replica) + stamp.seq;
  bool typing = !erase && lo == base - 1;
  out.byte(static_cast<uint8_t>(kOp | (erase ? kErases : 0) | (text.len ? kInserts : 0) |
                                (typing ? kTyping : 0)));
  out.fixed64(stamp.replica);
  out.varint(stamp.seq);
  if (erase) {
    for (; erase; erase -= span->visible()) {
      span = span->next;
      if (span->visible()) spans_.mark(*span);
    }
    while (Span* gone = spans_.pop()) {
      dots.write(base, gone->id);
      out.varint((gone->len - 1) << 1 | (spans_.marked() ? 1 : 0));
    }
    ++base;
  }
  if (text.len) {
    if (!typing) dots.write(base, lo);
    dots.write(base, ro);
    out.raw(text);
  }
  delta.raw(edit);
  return merge(edit, patch);
}

Status Text::merge(Bytes bytes, Writer& patch) {
  bool good = Delta(spans_, bytes).merge();
  spans_.kill_marked(good);
  spans_.tell(patch);
  if (good) return {};
  return Status::malformed(SK_TEXT("text: damaged, or builds on what is not here"));
}

Status Text::contents(Writer& parts) const {
  Buffer text;
  for (const Span* span = spans_.first(); span; span = span->next) {
    Writer(text).raw(spans_.text(*span), span->end - span->at);
  }
  parts.sized(text);
  return {};
}

}  // namespace synckit::text::client

#if defined(SYNCKIT_CLIENT_ONLY)
SYNCKIT_CRDT_PLUGIN(synckit::text::client::Text, "synckit.text", "1.0.0")
#endif
