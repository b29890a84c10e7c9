// Reading deltas: see text_codec.hpp and FORMAT.md.
#include "text_codec.hpp"

namespace synckit::text {

void predict(Vec<Piece>& pieces, uint32_t index) {
  // The pieces that are older than all behind them form a chain, which ends at the last one.
  Piece& piece = pieces[index];
  uint32_t at = index - 1;  // kNone for the first
  while (at != kNone && pieces[at].g > piece.g) {
    pieces[at].origin[1] = piece.edge[0];
    at = pieces[at].older;
  }
  piece.older = at;
  piece.origin[0] = at == kNone ? kNone : pieces[at].edge[1];
  piece.origin[1] = kNone;
}

void Delta::fail(const char* why) {
  if (wrong_.ok()) wrong_ = Status::malformed(why);
  in_.fail();
}

void Delta::too_many() {
  in_.fail();
  wrong_ = Status::limit(SK_TEXT("text delta: more than kMaxAtoms code points, or kMaxReplicas"));
}

// Reads a number below that; gives 0 for others.
uint32_t Delta::number(size_t below) {
  uint64_t value = in_.varint();
  if (value < below) return static_cast<uint32_t>(value);
  fail(SK_TEXT("text delta: a number that is too large"));
  return 0;
}

Status Delta::decode(Bytes bytes, Dots* dots) {
  authors.clear(), parts.clear(), pieces.clear(), order.clear();
  dots_ = dots;
  next_ = dots ? dots->count() : 0;
  replicas_ = dots ? dots->replicas().size() : 0;
  atoms = 0;
  names_ = 0;
  missing_ = false;
  sequential = true;
  wrong_ = Status();
  in_ = Reader(bytes);
  uint8_t kind = in_.byte();
  state = kind == kState;
  if (bytes.len > kMaxDeltaBytes) {
    too_many();
  } else if (state) {
    decode_state();
  } else if (kind == (kOp | kErases) || kind == (kOp | kInserts) ||
             kind == (kOp | kErases | kInserts) || kind == (kOp | kInserts | kTyping)) {
    decode_op(kind);
  } else {
    fail(SK_TEXT("text delta: unknown kind in its first byte"));
  }
  if (!in_.good_end()) fail(SK_TEXT("text delta: cut short, too long, or a varint that is so"));
  if (missing_ && wrong_.ok()) {
    return {SK_MISSING_DEPS, SK_TEXT("text delta: builds on edits that are not here yet")};
  }
  return wrong_;
}

// The atoms seq ... seq + tail of an author, which must be here unless the delta carries them.
// Gives the lv of the first (an origin), or makes parts of them.
uint32_t Delta::take(uint32_t index, uint64_t seq, uint64_t tail, Use use) {
  Author& author = authors[index];
  if (tail >= kMaxAtoms - (use == Use::carry ? atoms : 0)) return too_many(), kNone;
  if (use != Use::carry) {
    if (author.need < seq + tail) author.need = seq + tail;
    ++names_;
    if (dots_ && author.seen < author.need) missing_ = true;
    if (!dots_ || missing_) return kNone;
  }
  for (uint32_t left = static_cast<uint32_t>(tail) + 1, part; left; left -= part) {
    uint32_t lv = next_;
    part = left;
    if (use != Use::carry || seq <= author.seen) {
      lv = dots_->find(author.local, seq, part);
      if (lv == kNone) {
        fail(SK_TEXT("text delta: names a dot that is no character here"));
        return kNone;
      }
      if (use == Use::origin) return lv;
      if (part > left) part = left;
    } else {
      if (left > kMaxAtoms - next_) return too_many(), kNone;
      next_ += left;
    }
    parts.add() = {seq, atoms, lv, part, use == Use::carry ? index : kNone};
    if (use == Use::carry) atoms += part;
    seq += part;
  }
  return kNone;
}

void Delta::add_author(uint64_t id, uint64_t base, uint64_t max) {
  uint32_t local = dots_ ? dots_->replica(id, false) : kNone;
  uint64_t seen = dots_ ? dots_->seen(local) : base;
  if (seen < base) missing_ = true;
  if (local == kNone && ++replicas_ > kMaxReplicas) too_many();
  authors.add() = {id, base, max, base, seen, base, local};
}

// ---- an author's edit -----------------------------------------------------------------------

// Which other replica the next dot is of: one that was named before, or the next one.
uint32_t Delta::other() {
  uint32_t which = number(authors.size()) + 1;
  if (which == authors.size()) {
    uint64_t id = in_.fixed64();
    if (!id || id == authors[0].id) {
      fail(SK_TEXT("text delta: names nobody, or its author, as another replica"));
    }
    add_author(id, 0, 0);
  }
  return which;
}

// Reads a dot, relative to `from` when it is the author's own, or with `more` a run of deleted
// atoms. Returns the atom, kNone for none.
uint32_t Delta::op_dot(uint64_t from, bool* more) {
  uint64_t code = in_.varint(), seq = code >> 1, tail = 0;
  if (!code && !more) return kNone;
  uint32_t who = 0;
  if (code & 1) {
    who = other();
  } else {
    seq = from - seq;
  }
  if (more) {
    tail = in_.varint();
    *more = tail & 1;
    tail >>= 1;
  }
  // The author's own delete is a dot of this very edit, and no atom.
  if (!seq || (!who && (seq >= first || tail >= first - seq))) {
    fail(SK_TEXT("text delta: names a dot that cannot exist"));
    return kNone;
  }
  // Or a few bytes could name everything again and again.
  if (more && seq <= authors[who].need) {
    fail(SK_TEXT("text delta: deletes an atom twice, or in another order than that of the dots"));
    return kNone;
  }
  return take(who, seq, tail, more ? Use::erase : Use::origin);
}

void Delta::decode_op(uint8_t flags) {
  uint64_t id = in_.fixed64(), seq = first = in_.varint();
  if (id == 0 || first - 1 >= kMaxSeq) {
    return fail(SK_TEXT("text delta: replica and seq must not be 0, nor seq above kMaxSeq"));
  }
  add_author(id, 0, first);
  if (flags & kErases) {
    for (bool more = true; more && in_.ok();) op_dot(first, &more);
    ++seq;
  }
  if (!(flags & kInserts)) return;
  Piece piece{};
  if (!(flags & kTyping)) {
    piece.origin[0] = op_dot(seq, nullptr);
  } else if (seq > 1) {
    piece.origin[0] = take(0, seq - 1, 0, Use::origin);
  } else {
    fail(SK_TEXT("text delta: names a dot that cannot exist"));
  }
  piece.origin[1] = op_dot(seq, nullptr);
  text = in_.rest();
  const uint8_t* at = text.data;
  uint32_t wide, count = scan(at, at + text.len, kNone, wide);
  authors[0].max = seq + count - 1;
  if (!count || wide == kBadText || authors[0].max > kMaxSeq) {
    return fail(SK_TEXT("text delta: inserts nothing, or invalid UTF-8, or seq overflows"));
  }
  take(0, seq, count - 1, Use::carry);
  piece.meta = count;
  pieces.push_back(piece);
  order.push_back({0, 0});
}

// ---- a catch-up or snapshot -----------------------------------------------------------------

void Delta::decode_state() {
  read_authors();
  read_runs(Use::carry);
  read_runs(Use::erase);
  read_pieces();
  if (!in_.ok()) return;
  read_exceptions();
  read_text();
}

// Replicas, ascending by id, with their ranges of dots.
void Delta::read_authors() {
  uint64_t count = in_.varint();
  for (uint64_t last = 0; count-- && in_.ok();) {
    uint64_t id = in_.fixed64(), base = in_.varint(), max = base + in_.varint();
    if (id <= last || max < base || max > kMaxSeq) {
      return fail(SK_TEXT("text delta: replicas out of order"));
    }
    last = id;
    add_author(id, base, max);
  }
}

// The carried atoms, in the order of their numbers, or the deleted ones that are not carried.
void Delta::read_runs(Use use) {
  while (uint64_t gap = in_.varint()) {
    uint32_t who = authors.size() == 1 ? 0 : number(authors.size());
    uint64_t tail = in_.varint();
    if (!in_.ok()) return;
    Author& author = authors[who];
    uint64_t left = (use == Use::carry ? author.max : author.base) - author.last;
    if (gap > left || tail > left - gap) {
      return fail(SK_TEXT("text delta: names a dot that cannot exist"));
    }
    take(who, author.last + gap, tail, use);
    author.last += gap + tail;
  }
  for (Author& author : authors) author.last = 0;
}

void Delta::read_pieces() {
  for (uint32_t sum = 0; sum < atoms && in_.ok();) {
    uint32_t meta = number(2 * (atoms - sum)), length = (meta >> 1) + 1;
    sum += length;
    Piece piece{};
    piece.meta = length | (meta & 1 ? kDeadBit : 0);
    pieces.push_back(piece);
  }
  OpenEnds open;
  uint32_t end = 0;
  for (uint32_t i = 0; i < pieces.size(); ++i) {
    Piece& piece = pieces[i];
    uint32_t code = number(kNone), start = kNone;
    if (code < open.count) {
      start = open.take(code);
    } else if (code >= OpenEnds::kSize) {
      code -= OpenEnds::kSize;
      start = (code >> 1 ^ (~(code & 1) + 1)) + end;  // zigzag; wraps for nonsense
    }
    if (start >= atoms) return fail(SK_TEXT("text delta: a piece begins outside its atoms"));
    piece.g = start;
    end = piece.g + piece.len();
    piece.edge[0] = kCarried + piece.g;
    piece.edge[1] = kCarried + end - 1;
    open.push(end);
    order.add() = {piece.g, i};
    predict(pieces, i);
  }
  sort(order);
  uint32_t next = 0;
  for (const Keyed& item : order) {
    if (item.key != next) return fail(SK_TEXT("text delta: pieces overlap"));
    next += pieces[item.value].len();
  }
}

// An origin that differs from the prediction: 0 none, odd a distance in g, even a named dot.
uint32_t Delta::state_origin(uint32_t g) {
  uint64_t code = in_.varint(), value = (code - 1) >> 1;
  if (!code) return kNone;
  if (code & 1) {
    if (value - 1 < g) return kCarried + g - static_cast<uint32_t>(value);
  } else {
    uint64_t seq = in_.varint();
    if (value < authors.size() && seq - 1 < authors[static_cast<size_t>(value)].base) {
      return take(static_cast<uint32_t>(value), seq, 0, Use::origin);
    }
  }
  fail(SK_TEXT("text delta: names a dot that cannot exist"));
  return kNone;
}

void Delta::read_exceptions() {
  size_t at = 0;
  while (uint32_t gap = number(pieces.size() - at + 1)) {
    at += gap;
    Piece& piece = pieces[at - 1];
    for (uint32_t& origin : piece.origin) origin = state_origin(piece.g);
    sequential = false;
  }
}

void Delta::read_text() {
  text = in_.rest();
  const uint8_t* at = text.data;
  const uint8_t* end = at + text.len;
  uint32_t wide = 0;
  for (Piece& piece : pieces) {
    piece.lo = static_cast<uint32_t>(at - text.data);
    if (!piece.dead() && (scan(at, end, piece.len(), wide) < piece.len() || wide == kBadText)) {
      return fail(SK_TEXT("text delta: text shorter than its pieces, or invalid UTF-8"));
    }
  }
  if (at != end) fail(SK_TEXT("text delta: text longer than its pieces"));
}

// ---- what the host asks ---------------------------------------------------------------------

void Delta::summarize(Summary& summary, Deps& deps) const {
  for (const Author& author : authors) {
    if (author.max == author.base) continue;
    if (summary.authors++ == 0) {
      summary.replica = author.id;
      summary.seq_lo = state ? author.base + 1 : first;
      summary.seq_hi = author.max;
    }
  }
  if (summary.authors != 1) summary.replica = summary.seq_lo = summary.seq_hi = 0;
  for (const Author& author : authors) {
    if (author.need && author.id != summary.replica) deps.add(author.id, author.need);
  }
  summary.ops = pieces.size() + parts.size() + names_ + authors.size();
}

}  // namespace synckit::text
