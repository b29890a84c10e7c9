// Reading deltas: see text_codec.hpp and FORMAT.md.
#include "text_codec.hpp"

namespace synckit::text {

namespace {
constexpr const char* kCutShort = "text delta: cut short, or a varint that is not the shortest";
constexpr const char* kBadDot = "text delta: names a dot that cannot exist";
}  // namespace

void sort(Vec<Keyed>& items, Vec<Keyed>& spare) {
  uint64_t varying = 0;
  for (const Keyed& item : items) varying |= item.key ^ items[0].key;
  spare.resize(items.size());
  for (unsigned shift = 0; shift < 64 && varying >> shift; shift += 8) {
    if ((varying >> shift & 255) == 0) continue;
    size_t at[256] = {};
    for (const Keyed& item : items) ++at[item.key >> shift & 255];
    size_t sum = 0;
    for (size_t& slot : at) {
      size_t count = slot;
      slot = sum;
      sum += count;
    }
    for (const Keyed& item : items) spare[at[item.key >> shift & 255]++] = item;
    items.swap(spare);
  }
}

void predict(const Vec<Piece>& pieces, Vec<uint32_t>& left, Vec<uint32_t>& right) {
  uint32_t count = static_cast<uint32_t>(pieces.size());
  left.resize(count);
  right.resize(count);
  // The older pieces to the left of a piece form a chain: each one's own left neighbour is next.
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t at = i ? i - 1 : kNone;
    while (at != kNone && pieces[at].g > pieces[i].g) at = left[at];
    left[i] = at;
  }
  for (uint32_t i = count; i-- > 0;) {
    uint32_t at = i + 1 < count ? i + 1 : kNone;
    while (at != kNone && pieces[at].g > pieces[i].g) at = right[at];
    right[i] = at;
  }
}

Status Delta::decode(Bytes bytes) {
  if (bytes.len > kMaxDeltaBytes) return Status::limit("text delta: longer than kMaxDeltaBytes");
  authors.clear(), gone.clear(), runs.clear(), outside.clear();
  segments.clear(), pieces.clear(), order.clear();
  atoms = 0;
  Reader in(bytes);
  uint8_t kind = in.byte();
  state = (kind & kKindMask) == kState;
  sequential = true;
  if (kind == kState) return decode_state(in);
  bool typing_only = !(kind & kTyping) || (kind & (kErases | kInserts)) == kInserts;
  if ((kind & kKindMask) != kOp || kind >= 64 || !(kind & (kErases | kInserts)) || !typing_only) {
    return Status::malformed("text delta: unknown kind in its first byte");
  }
  return decode_op(in, kind);
}

// ---- an author's edit -----------------------------------------------------------------------

// A dot, relative to `from` when it is the author's own. False on nonsense; seq 0 for "none".
bool Delta::op_dot(Reader& in, uint8_t flags, uint64_t from, SeqRun& out) {
  uint64_t distance = in.varint();
  uint64_t author = distance && (flags & kTable) ? in.varint() : 0;
  if (!in.ok() || author >= authors.size() || (author == 0 && distance >= from)) return false;
  out.author = static_cast<uint32_t>(author);
  out.seq = author || !distance ? distance : from - distance;
  out.len = 1;
  return true;
}

bool Delta::op_origin(Reader& in, uint8_t flags, uint64_t from, uint32_t& origin) {
  SeqRun dot;
  if (!op_dot(in, flags, from, dot)) return false;
  origin = kNone;
  if (dot.seq == 0) return true;
  origin = kOutside | static_cast<uint32_t>(outside.size());
  outside.push_back(dot);
  uint64_t& need = authors[dot.author].need;
  if (need < dot.seq) need = dot.seq;
  return true;
}

Status Delta::decode_op(Reader& in, uint8_t flags) {
  uint64_t id = in.fixed64();
  first = in.varint();
  if (!in.ok()) return Status::malformed(kCutShort);
  if (id == 0 || first == 0) return Status::malformed("text delta: replica and seq must not be 0");
  authors.push_back({id, 0, first, 0, kNone, 0, 0});
  if (flags & kTable) {
    uint64_t count = in.varint(), last = 0;
    if (count == 0 || count > in.left() / 8) return Status::malformed(kCutShort);
    if (count >= kMaxReplicas) return Status::limit("text delta: more than kMaxReplicas replicas");
    while (count--) {
      uint64_t other = in.fixed64();
      if (other <= last || other == id) {
        return Status::malformed("text delta: replicas out of order");
      }
      authors.push_back({last = other, 0, 0, 0, kNone, 0, 0});
    }
  }
  if (flags & kErases) {
    for (bool more = true; more;) {
      SeqRun run;
      bool fine = op_dot(in, flags, first, run);
      uint64_t tail = in.varint();
      more = tail & 1;
      tail >>= 1;
      if (!in.ok()) return Status::malformed(kCutShort);
      if (!fine || run.seq == 0 || tail >= kMaxAtoms || run.seq + tail < run.seq) {
        return Status::malformed(kBadDot);
      }
      if (run.author == 0 && run.seq + tail >= first) return Status::malformed(kBadDot);
      run.len = static_cast<uint32_t>(tail) + 1;
      gone.push_back(run);
      uint64_t& need = authors[run.author].need;
      if (need < run.seq + tail) need = run.seq + tail;
    }
  }
  if (!(flags & kInserts)) {
    return in.good_end() ? Status{} : Status::malformed("text delta: bytes behind its end");
  }
  uint64_t seq = first + ((flags & kErases) ? 1 : 0);
  Piece piece{};
  bool fine = true;
  if (flags & kTyping) {
    if (seq < 2) return Status::malformed(kBadDot);
    piece.lo = kOutside;
    outside.push_back({seq - 1, 0, 1});
  } else {
    fine = op_origin(in, flags, seq, piece.lo);
  }
  fine = fine && op_origin(in, flags, seq, piece.ro);
  if (!in.ok()) return Status::malformed(kCutShort);
  // The author's own delete is a dot of this very edit, and no atom.
  for (const SeqRun& dot : outside) fine = fine && (dot.author || dot.seq < first);
  if (!fine || seq == 0) return Status::malformed(kBadDot);
  text = in.rest();
  uint32_t wide = 0;
  if (!count_code_points(text, atoms, wide)) return Status::malformed("text delta: invalid UTF-8");
  if (atoms == 0) return Status::malformed("text delta: inserts nothing");
  if (atoms > kMaxAtoms) return Status::limit("text delta: more than kMaxAtoms code points");
  authors[0].max = seq + (atoms - 1);
  if (authors[0].max < seq) return Status::malformed("text delta: seq overflows");
  piece.meta = atoms;
  pieces.push_back(piece);
  order.push_back({0, 0});
  segments.push_back({seq, 0, 0, atoms, 0, 0});
  return {};
}

// ---- a catch-up or snapshot -----------------------------------------------------------------

Status Delta::decode_state(Reader& in) {
  SK_TRY(read_authors(in));
  SK_TRY(read_runs(in));
  SK_TRY(read_segments(in));
  SK_TRY(read_pieces(in));
  SK_TRY(read_exceptions(in));
  return read_text(in.rest());
}

Status Delta::read_authors(Reader& in) {
  uint64_t count = in.varint(), last = 0;
  if (!in.ok() || count > in.left() / 10) return Status::malformed(kCutShort);
  if (count > kMaxReplicas) return Status::limit("text delta: more than kMaxReplicas replicas");
  while (count--) {
    uint64_t id = in.fixed64(), base = in.varint(), ahead = in.varint();
    if (!in.ok()) return Status::malformed(kCutShort);
    if (id <= last || base + ahead < base) {
      return Status::malformed("text delta: replicas out of order");
    }
    last = id;
    authors.push_back({id, base, base + ahead, base, kNone, 0, 0});
  }
  return {};
}

// Per author the seqs that are carried atoms, then the deleted atoms that are not carried.
Status Delta::read_runs(Reader& in) {
  for (int deleted = 0; deleted < 2; ++deleted) {
    Vec<SeqRun>& list = deleted ? gone : runs;
    for (uint32_t a = 0; a < authors.size(); ++a) {
      Author& author = authors[a];
      uint64_t at = deleted ? 0 : author.base, top = deleted ? author.base : author.max;
      uint64_t count = in.varint();
      if (!in.ok() || count > in.left() / 2) return Status::malformed(kCutShort);
      if (!deleted) author.run = static_cast<uint32_t>(runs.size());
      while (count--) {
        uint64_t gap = in.varint(), tail = in.varint();
        if (!in.ok()) return Status::malformed(kCutShort);
        if (gap >= top - at || tail >= top - at - gap) return Status::malformed(kBadDot);
        if (tail >= kMaxAtoms - atoms) return Status::limit("text delta: over kMaxAtoms atoms");
        uint32_t len = static_cast<uint32_t>(tail) + 1;
        list.push_back({at + gap + 1, a, len});
        at += gap + 1 + tail;
        if (!deleted) atoms += len;
      }
      if (!deleted) author.run_end = static_cast<uint32_t>(runs.size());
    }
  }
  return {};
}

// Which author's next atoms get the next numbers.
Status Delta::read_segments(Reader& in) {
  uint32_t writers = 0;
  for (const Author& author : authors) writers += author.run != author.run_end;
  for (uint32_t g = 0; g < atoms;) {
    uint64_t who = runs[0].author, count = atoms;
    if (writers > 1) who = in.varint(), count = in.varint();
    if (!in.ok()) return Status::malformed(kCutShort);
    if (who >= authors.size() || count == 0 || count > atoms - g) {
      return Status::malformed("text delta: the turns of its authors do not add up");
    }
    Author& author = authors[static_cast<size_t>(who)];
    for (auto todo = static_cast<uint32_t>(count); todo;) {
      if (author.run == author.run_end) {
        return Status::malformed("text delta: an author has too many turns");
      }
      SeqRun& run = runs[author.run];
      uint32_t part = run.len < todo ? run.len : todo;
      segments.push_back({run.seq, g, static_cast<uint32_t>(who), part, 0, 0});
      g += part;
      todo -= part;
      run.seq += part;
      run.len -= part;
      if (run.len == 0) ++author.run;
    }
  }
  return {};
}

Status Delta::read_pieces(Reader& in) {
  uint64_t count = in.varint();
  if (!in.ok() || count > in.left() / 2) return Status::malformed(kCutShort);
  uint32_t sum = 0;
  pieces.reserve(static_cast<size_t>(count));
  order.reserve(static_cast<size_t>(count));
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t meta = in.varint();
    if (meta >> 1 >= atoms - sum) {
      return Status::malformed("text delta: pieces longer than its atoms");
    }
    Piece piece{};
    piece.meta = static_cast<uint32_t>(meta >> 1) + 1;
    sum += piece.meta;
    if (meta & 1) piece.meta |= kDeadBit;
    pieces.push_back(piece);
  }
  if (sum != atoms) return Status::malformed("text delta: pieces shorter than its atoms");
  OpenEnds open;
  uint32_t end = 0;
  for (uint32_t i = 0; i < pieces.size(); ++i) {
    Piece& piece = pieces[i];
    uint64_t code = in.varint(), start = 0;
    if (code < OpenEnds::kSize) {
      if (code >= open.count()) return Status::malformed("text delta: a piece continues nothing");
      start = open.take(static_cast<uint32_t>(code));
    } else {
      code -= OpenEnds::kSize;
      start = (code >> 1 ^ (~(code & 1) + 1)) + end;  // zigzag; wraps for nonsense
    }
    if (start >= atoms) return Status::malformed("text delta: a piece begins outside its atoms");
    piece.g = static_cast<uint32_t>(start);
    end = piece.g + piece.len();
    open.push(end);
    order.push_back({start, i});
  }
  if (!in.ok()) return Status::malformed(kCutShort);
  sort(order, spare);
  uint32_t next = 0;
  for (const Keyed& item : order) {
    if (item.key != next) return Status::malformed("text delta: pieces overlap");
    next += pieces[item.value].len();
  }
  return {};
}

// An origin that differs from the prediction: 0 none, odd an outside dot, even a distance in g.
bool Delta::state_origin(Reader& in, uint32_t g, uint32_t& origin) {
  uint64_t code = in.varint();
  origin = kNone;
  if (code == 0) return in.ok();
  uint64_t value = (code - 1) >> 1;
  if (((code - 1) & 1) == 0) {
    if (value == 0 || value > g) return false;
    origin = g - static_cast<uint32_t>(value);
    return true;
  }
  uint64_t seq = in.varint();
  if (!in.ok() || value >= authors.size() || seq == 0 || seq > authors[value].base) return false;
  origin = kOutside | static_cast<uint32_t>(outside.size());
  outside.push_back({seq, static_cast<uint32_t>(value), 1});
  return true;
}

Status Delta::read_exceptions(Reader& in) {
  predict(pieces, left, right);
  for (size_t i = 0; i < pieces.size(); ++i) {
    Piece& piece = pieces[i];
    piece.lo = left[i] == kNone ? kNone : pieces[left[i]].g + pieces[left[i]].len() - 1;
    piece.ro = right[i] == kNone ? kNone : pieces[right[i]].g;
  }
  uint64_t count = in.varint(), at = 0;
  sequential = count == 0;
  if (!in.ok() || count > in.left() / 3) return Status::malformed(kCutShort);
  for (; count--; ++at) {
    uint64_t gap = in.varint();
    if (gap >= pieces.size() - at) {
      return Status::malformed("text delta: an origin without a piece");
    }
    at += gap;
    Piece& piece = pieces[at];
    if (!state_origin(in, piece.g, piece.lo) || !state_origin(in, piece.g, piece.ro)) {
      return Status::malformed(in.ok() ? kBadDot : kCutShort);
    }
  }
  return {};
}

Status Delta::read_text(Bytes rest) {
  text = rest;
  const uint8_t* at = rest.data;
  const uint8_t* end = at + rest.len;
  for (Piece& piece : pieces) {
    piece.first = static_cast<uint32_t>(at - rest.data);
    if (!piece.dead() && !check_code_points(at, end, piece.len())) {
      return Status::malformed("text delta: text shorter than its pieces, or invalid UTF-8");
    }
  }
  return at == end ? Status{} : Status::malformed("text delta: text longer than its pieces");
}

// ---- what the host asks ---------------------------------------------------------------------

void Delta::summarize(Summary& summary, Deps& deps) const {
  for (uint32_t a = 0; a < authors.size(); ++a) {
    const Author& author = authors[a];
    if (state ? author.max == author.base : a != 0) continue;
    if (summary.authors++ == 0) {
      summary.replica = author.id;
      summary.seq_lo = state ? author.base + 1 : first;
      summary.seq_hi = author.max;
    }
  }
  for (const Author& author : authors) {
    if (summary.authors == 1 && author.id == summary.replica) continue;
    if (author.need) deps.add(author.id, author.need);
  }
  if (summary.authors != 1) summary.replica = summary.seq_lo = summary.seq_hi = 0;
  summary.ops = pieces.size() + gone.size() + (state ? authors.size() : 0);
}

}  // namespace synckit::text
