// Intents, deltas and contents: see text.hpp, and ../FORMAT.md for the bytes.
#include "text.hpp"

namespace synckit::text::client {
namespace {

// First byte of a delta.
constexpr uint8_t kOp = 1, kState = 2;
constexpr uint8_t kErases = 4, kInserts = 8, kTyping = 16;  // flags of an op
constexpr uint32_t kMaxAtoms = 1u << 28;                     // that a delta carries
constexpr uint32_t kEnds = 15;                               // see FORMAT.md, "start"

// The dots of one edit. Replicas are told by their place among those named before; the author is
// the first.
class EditDots {
 public:
  explicit EditDots(uint64_t author) { replicas_.push_back(author); }

  void write(Writer& out, uint64_t base, Dot dot) {
    uint32_t which = 0;
    if (!dot.replica) return out.byte(0);
    if (dot.replica == replicas_[0]) return out.varint((base - dot.seq) << 1);
    out.varint(dot.seq << 1 | 1);
    while (++which < replicas_.size() && replicas_[which] != dot.replica) {}
    out.varint(which - 1);
    if (which < replicas_.size()) return;
    out.fixed64(dot.replica);
    replicas_.push_back(dot.replica);
  }
  Dot read(Reader& in, uint64_t base, Dot none) {
    uint64_t code = in.varint(), which = 0;
    if (!code) return none;
    if (!(code & 1)) return {replicas_[0], base - (code >> 1)};
    which = in.varint() + 1;
    if (which == replicas_.size()) replicas_.push_back(in.fixed64());
    if (which >= replicas_.size()) in.fail(), which = 0;
    return {replicas_[static_cast<size_t>(which)], code >> 1};
  }

 private:
  Vec<uint64_t> replicas_;
};

// Reads a state delta and merges it.
class State {
 public:
  State(Spans& spans, Reader& in) : spans_(spans), in_(in) {}
  bool read();
  bool merge();

 private:
  struct Author {
    uint64_t id, last;
  };
  struct Run {  // carried atoms, from number g on
    uint32_t g;
    Dot first;
  };
  struct Piece {
    uint32_t g, len;
    bool dead;
    uint32_t older;  // see predict()
    const uint8_t* text;
    Dot lo, ro;
  };

  bool read_runs(bool carried);
  bool read_pieces();
  void predict(uint32_t index);
  bool read_exceptions();
  bool read_text();
  Dot read_origin(uint32_t g, Dot none);
  const Run& run_of(uint32_t g) const;
  Dot dot_of(uint32_t g) const {
    const Run& run = run_of(g);
    return {run.first.replica, run.first.seq + (g - run.g)};
  }

  Spans& spans_;
  Reader& in_;
  Vec<Author> authors_;
  Vec<Run> runs_;  // ascending; behind the last one comes where it ends
  Vec<Piece> pieces_;
  uint32_t atoms_ = 0;
  const uint8_t* end_ = nullptr;
};

// The run that holds number g.
const State::Run& State::run_of(uint32_t g) const {
  size_t low = 0, high = runs_.size();
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    (runs_[middle].g <= g ? low : high) = middle;
  }
  return runs_[low];
}

bool State::read() {
  for (uint64_t count = in_.varint(); count && in_.ok(); --count) {
    uint64_t id = in_.fixed64(), base = in_.varint();
    in_.varint();  // how much is carried of it: shows in the runs
    authors_.add() = {id, base};
  }
  if (!read_runs(true)) return false;
  runs_.add() = {atoms_, kEnd};
  for (Author& author : authors_) author.last = 0;
  return read_runs(false) && read_pieces() && read_exceptions() && read_text();
}

// The carried atoms, or the deleted ones that are not carried.
bool State::read_runs(bool carried) {
  while (uint64_t gap = in_.varint()) {
    uint64_t who = authors_.size() == 1 ? 0 : in_.varint(), tail = in_.varint();
    if (who >= authors_.size()) return false;
    Author& author = authors_[static_cast<size_t>(who)];
    Dot first{author.id, author.last + gap};
    author.last = first.seq + tail;
    if (!carried) {
      if (!spans_.mark(first, tail + 1)) return false;
    } else if (tail < kMaxAtoms - atoms_) {
      runs_.add() = {atoms_, first};
      atoms_ += static_cast<uint32_t>(tail) + 1;
    } else {
      return false;
    }
  }
  return in_.ok();
}

bool State::read_pieces() {
  for (uint32_t sum = 0; sum < atoms_;) {
    uint64_t code = in_.varint(), length = (code >> 1) + 1;
    if (!in_.ok() || length > atoms_ - sum) return false;
    Piece& piece = pieces_.add();
    piece.len = static_cast<uint32_t>(length);
    piece.dead = code & 1;
    sum += piece.len;
  }
  Vec<uint32_t> ends;  // of the latest pieces that nothing has continued, latest first
  uint32_t end = 0;
  for (uint32_t i = 0; i < pieces_.size(); ++i) {
    auto code = static_cast<uint32_t>(in_.varint());
    Piece& piece = pieces_[i];
    if (code < ends.size()) {
      piece.g = ends[code];
      ends.erase(code);
    } else {
      code -= kEnds;
      piece.g = (code >> 1 ^ (~(code & 1) + 1)) + end;  // zigzag; wraps for nonsense
    }
    if (uint64_t{piece.g} + piece.len > atoms_) return false;
    end = piece.g + piece.len;
    ends.insert(0, end);
    if (ends.size() > kEnds) ends.pop_back();
    predict(i);
  }
  return true;
}

// Takes for origins the edges of the nearest pieces left and right whose atoms are older. Pieces
// that are older than all behind them form a chain, which ends at the last one.
void State::predict(uint32_t index) {
  Piece& piece = pieces_[index];
  uint32_t at = index - 1;  // kAll for the first
  for (; at != kAll && pieces_[at].g > piece.g; at = pieces_[at].older) {
    pieces_[at].ro = dot_of(piece.g);
  }
  piece.older = at;
  piece.lo = at == kAll ? kStart : dot_of(pieces_[at].g + pieces_[at].len - 1);
  piece.ro = kEnd;
}

// An origin that differs from the prediction.
Dot State::read_origin(uint32_t g, Dot none) {
  uint64_t code = in_.varint(), value = (code - 1) >> 1;
  if (!code) return none;
  if (code & 1) {
    if (value - 1 < g) return dot_of(g - static_cast<uint32_t>(value));
  } else {
    uint64_t seq = in_.varint();
    if (value < authors_.size()) return {authors_[static_cast<size_t>(value)].id, seq};
  }
  in_.fail();
  return none;
}

bool State::read_exceptions() {
  uint64_t at = 0;
  while (uint64_t gap = in_.varint()) {
    at += gap;
    if (at - 1 >= pieces_.size()) return false;
    Piece& piece = pieces_[static_cast<size_t>(at - 1)];
    piece.lo = read_origin(piece.g, kStart);
    piece.ro = read_origin(piece.g, kEnd);
  }
  return in_.ok();
}

bool State::read_text() {
  Bytes text = in_.rest();
  const uint8_t* at = text.data;
  end_ = at + text.len;
  for (Piece& piece : pieces_) {
    piece.text = at;
    uint32_t left = piece.len;
    if (!piece.dead) scan(at, end_, left, kAll);
    if (!piece.dead && left) return false;
  }
  return at == end_;
}

// By ascending number, since that is how pieces build on each other.
bool State::merge() {
  Vec<uint32_t> order;
  for (uint32_t i = 0; i < pieces_.size(); ++i) order.push_back(i);
  size_t step = 1;  // Shell's sort
  while (step < order.size()) step = 3 * step + 1;
  while (step /= 3) {
    for (size_t i = step; i < order.size(); ++i) {
      uint32_t item = order[i];
      size_t at = i;
      for (; at >= step && pieces_[order[at - step]].g > pieces_[item].g; at -= step) {
        order[at] = order[at - step];
      }
      order[at] = item;
    }
  }
  for (uint32_t index : order) {
    Piece piece = pieces_[index];
    while (piece.len) {
      const Run* run = &run_of(piece.g);
      uint32_t count = run[1].g - piece.g;
      Dot id = dot_of(piece.g);
      if (count > piece.len) count = piece.len;
      count = spans_.put(id, piece.lo, piece.ro, count, piece.dead, piece.text, end_);
      if (!count) return false;
      piece.g += count;
      piece.len -= count;
      piece.lo = {id.replica, id.seq + count - 1};
    }
  }
  return true;
}

}  // namespace

Status Text::mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                    uint32_t& seqs) {
  Reader in(intent);
  in.byte();  // the only caller counts in UTF-16 units
  uint64_t at = in.varint(), erase = in.varint();
  Bytes text = in.rest();
  uint32_t size = spans_.units(), left = kAll;
  if (at > size || erase > size - at) return Status::malformed(SK_TEXT("text: past the end"));
  Span *stop = spans_.seek(static_cast<uint32_t>(at + erase)),
       *span = spans_.seek(static_cast<uint32_t>(at));
  if (!stop || !span) return Status::malformed(SK_TEXT("text: inside a surrogate pair"));
  const uint8_t* from = text.data;
  scan(from, text.data + text.len, left, kAll);
  seqs = kAll - left + (erase ? 1 : 0);
  if (!seqs) return {};

  Buffer edit;
  Writer out(edit);
  EditDots dots(stamp.replica);
  Dot lo = span->last(), ro = span->next->id;
  uint64_t base = stamp.seq;
  bool typing = !erase && lo == Dot{stamp.replica, base - 1};
  out.byte(static_cast<uint8_t>(kOp | (erase ? kErases : 0) | (text.len ? kInserts : 0) |
                                (typing ? kTyping : 0)));
  out.fixed64(stamp.replica);
  out.varint(base);
  if (erase) {
    for (; erase; erase -= span->visible()) {
      span = span->next;
      if (span->visible()) spans_.mark(*span);
    }
    for (Span* gone = spans_.pop(); gone;) {
      Dot first = gone->id;
      uint64_t count = 0;
      do {
        count += gone->len;
        gone = spans_.pop();
      } while (gone && gone->id == Dot{first.replica, first.seq + count});
      dots.write(out, base, first);
      out.varint((count - 1) << 1 | (gone ? 1 : 0));
    }
    ++base;
  }
  if (text.len) {
    if (!typing) dots.write(out, base, lo);
    dots.write(out, base, ro);
    out.raw(text);
  }
  delta.raw(edit);
  return merge(edit, patch);
}

bool Text::merge_edit(uint8_t kind, Reader& in) {
  uint64_t replica = in.fixed64(), base = in.varint();
  EditDots dots(replica);
  if (kind & kErases) {
    for (uint64_t run = 1; run & 1 && in.ok();) {
      Dot first = dots.read(in, base, kStart);
      run = in.varint();
      if (!spans_.mark(first, (run >> 1) + 1)) in.fail();
    }
    ++base;
  }
  if (!(kind & kInserts)) return in.ok();
  Dot lo = kind & kTyping ? Dot{replica, base - 1} : dots.read(in, base, kStart);
  Dot ro = dots.read(in, base, kEnd);
  Bytes text = in.rest();
  const uint8_t *at = text.data, *end = at + text.len;
  uint32_t left = kAll;
  scan(at, end, left, kAll);
  if (!in.ok() || at != end) return false;
  return spans_.put({replica, base}, lo, ro, kAll - left, false, text.data, end) != 0;
}

Status Text::merge(Bytes delta, Writer& patch) {
  Reader in(delta);
  uint8_t kind = in.byte();
  bool good;
  if (kind == kState) {
    State state(spans_, in);
    good = state.read() && state.merge();
  } else {
    good = merge_edit(kind, in);
  }
  spans_.kill_marked(good);
  spans_.tell(patch);
  if (good) return {};
  return Status::malformed(SK_TEXT("text: damaged, or builds on what is not here"));
}

Status Text::contents(Writer& parts) const {
  Buffer text;
  for (const Span* span = spans_.first(); span; span = span->next) {
    if (span->visible()) Writer(text).raw(spans_.text(*span), span->bytes);
  }
  parts.sized(text);
  return {};
}

}  // namespace synckit::text::client

#if defined(SYNCKIT_CLIENT_ONLY)
SYNCKIT_CRDT_PLUGIN(synckit::text::client::Text, "synckit.text", "1.0.0")
#endif
